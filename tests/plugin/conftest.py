from __future__ import annotations

import itertools
import json
import os
import select
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

#: seconds that an inner run, or the end of its processes, may take on a machine under heavy load
DEADLINE = 120

WORKER = """
import signal
import sys
import time


def main_handler(event, context):
    if event.get("raise"):
        raise ValueError(event["raise"])
    if not event.get("catch"):
        print("works")
        while event.get("loop"):
            time.sleep(1)
        return event
    stop = []
    signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
    print("works, and listens")
    while not stop:
        time.sleep(0.02)
    return "END"
"""

#: strict about warnings, but for the one that says what this machine does not isolate (told apart by its text: naming
#: its class would load a module); and without what has nothing to do with us and takes a second to load
ARGUMENTS = (
    *("-W", "error", "-W", "ignore:instances are isolated by directories only"),
    *("-p", "no:cacheprovider"),
    *itertools.chain.from_iterable(("-p", f"no:{name}") for name in ("hypothesispytest", "asyncio", "anyio", "syrupy")),
)

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def arguments() -> tuple[str, ...]:
    return ARGUMENTS


@pytest.fixture
def worker(pytester: pytest.Pytester) -> Path:
    """The function ``functions/worker``, beside the tests of the inner run."""
    worker = pytester.mkdir("functions") / "worker"
    worker.mkdir()
    (worker / "index.py").write_text(WORKER)
    return worker


@pytest.fixture
def run(pytester: pytest.Pytester, worker: Path) -> Run:
    """A whole pytest in a process of its own."""

    def run(*arguments: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(*ARGUMENTS, *arguments, timeout=DEADLINE)

    return run


@pytest.fixture
def wait_until_gone() -> Callable[[Iterable[int]], None]:
    """Wait for the end of processes that are not ours to wait for; which is what must happen, so a deadline fails."""

    def wait(pids: Iterable[int]) -> None:
        waited: dict[int, int] = {}
        try:
            for pid in pids:
                try:
                    waited[os.pidfd_open(pid)] = pid
                except ProcessLookupError:
                    continue
            while waited:
                ready, _, _ = select.select(list(waited), [], [], DEADLINE)
                assert ready, f"still there after {DEADLINE} s: {sorted(waited.values())}"
                for fd in ready:
                    os.close(fd)
                    del waited[fd]
        finally:
            for fd in waited:
                os.close(fd)

    return wait


@pytest.fixture
def pids_in() -> Callable[[Path], list[int]]:
    def read(path: Path) -> list[int]:
        pids: list[int] = json.loads(path.read_text())
        assert pids, "the inner run had no processes, so the test would show nothing"
        return pids

    return read
