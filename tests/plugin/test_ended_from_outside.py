"""pytest itself is ended from outside, in the middle of a test: nothing may stay behind."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

BLOCKED = """
    import json, os, psutil

    def tell(runtime):
        pids = [process.pid for process in psutil.Process().children(recursive=True)]
        with open("pids", "w") as fifo:
            fifo.write(json.dumps(pids))

    def test_blocked(scf_runtime, scf_runtime_session):
        for runtime in (scf_runtime_session, scf_runtime):
            event = runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_signal_handler()
        tell(scf_runtime)
        event.wait(timeout=600)

    def test_never_run(): pass
"""

#: execnet lets a worker whose controller is gone go on for five seconds before it interrupts it
IMPATIENT = """
    from execnet import gateway_base

    waitall = gateway_base.WorkerPool.waitall
    gateway_base.WorkerPool.waitall = lambda self, timeout=None: waitall(self, 0.1 if timeout == 5.0 else timeout)
"""


def told(fifo, pid):
    """What the inner test tells, once it is where it blocks; a run that ends before it gets there tells nothing."""
    reading = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    ended = os.pidfd_open(pid)
    try:
        ready, _, _ = select.select([reading, ended], [], [], 120)
        assert ready == [reading], "the inner run did not get to where it blocks"
        pids = json.loads(os.read(reading, 65536))
    finally:
        os.close(reading)
        os.close(ended)
    assert pids, "the inner run had no processes, so the test would show nothing"
    return pids


@pytest.mark.parametrize(
    ("number", "status", "workers"),
    [
        (signal.SIGINT, pytest.ExitCode.INTERRUPTED, []),
        (signal.SIGTERM, -signal.SIGTERM, []),
        (signal.SIGKILL, -signal.SIGKILL, []),
        (signal.SIGKILL, -signal.SIGKILL, ["-n", "1"]),
    ],
    ids=["ctrl-c", "sigterm", "sigkill", "sigkill-above-a-worker"],
)
def test_nothing_is_left_when_pytest_is_ended_by(
    worker: Path,
    pytester: pytest.Pytester,
    arguments: tuple[str, ...],
    wait_until_gone: Callable[[Iterable[int]], None],
    number: Any,
    status: Any,
    workers: Any,
) -> None:
    pytester.makepyfile(BLOCKED)
    if workers:
        pytester.makeconftest(IMPATIENT)
    fifo = pytester.path / "pids"
    os.mkfifo(fifo)
    with open(pytester.path / "output", "w", encoding="utf-8") as output:
        process = pytester.popen(
            [sys.executable, "-m", "pytest", *arguments, *workers],
            stdout=output,
            stderr=output,
            # What runs in the background of a shell ignores Ctrl-C, and hands that on.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            pids = told(fifo, process.pid)
            process.send_signal(number)
            assert process.wait(timeout=120) == status
        finally:
            process.kill()
            process.wait()
    wait_until_gone(pids)
    text = (pytester.path / "output").read_text()
    assert "INTERNALERROR" not in text
    if number == signal.SIGINT:
        assert "scf: events left RUNNING" in text
        assert text.count("::test_blocked: event") == 2
