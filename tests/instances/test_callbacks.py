"""An error of ours in the background ends one instance, with a reason, and is kept to be raised."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from kinds import only

from pytest_scf import ScfRuntime
from pytest_scf.instances.host import current
from pytest_scf.instances.process import InstanceProcess
from pytest_scf.instances.reactor import Reactor

HANDLER = """
import time

def main_handler(event, context):
    print("runs", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def reported() -> Iterator[list[BaseException]]:
    """What the reactor of this process has been told of; taken away afterwards, as it was meant."""
    host = current()
    assert host is not None
    assert host.reactor.errors == []
    yield host.reactor.errors
    host.reactor.errors.clear()


class Broken:
    """An observer one method of which raises."""

    def __init__(self, observer: Any, callback: str) -> None:
        self._observer = observer
        self._callback = callback

    def __getattr__(self, name: str) -> Any:
        return self._raise if name == self._callback else getattr(self._observer, name)

    def _raise(self, *arguments: object) -> None:
        raise LookupError("broken on purpose")


@only(pidfd=True, start_method="fork")
@pytest.mark.parametrize("callback", ["on_message", "on_output"])
def test_a_callback_that_raises_ends_its_instance_and_no_other(
    open_runtime: Callable[..., ScfRuntime],
    monkeypatch: pytest.MonkeyPatch,
    reported: list[BaseException],
    callback: str,
) -> None:
    rt = open_runtime()
    other = rt.deploy(HANDLER, async_run=True, timeout=60).invoke_async()
    other.wait_for_log("runs")

    launch = InstanceProcess.launch

    def launch_broken(process: InstanceProcess) -> None:
        process._observer = Broken(process._observer, callback)
        launch(process)

    monkeypatch.setattr(InstanceProcess, "launch", launch_broken)
    event = rt.deploy(HANDLER, async_run=True, timeout=60).invoke_async().wait(120)
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert "an error of pytest-scf itself: LookupError: broken on purpose" in event.diagnosis
    assert other.status == "RUNNING"
    assert {str(error) for error in reported} == {"broken on purpose"}
    reported.clear()
    other.terminate()


def test_a_callback_is_not_called_for_a_descriptor_that_another_has_unregistered_meanwhile() -> None:
    import os
    import threading

    reactor = Reactor()
    pipes = [os.pipe() for _ in range(2)]
    called, done = [], threading.Event()

    def take(mine: int, other: int) -> None:
        called.append(mine)
        reactor.unregister(other)
        reactor.unregister(mine)
        done.set()

    try:
        for (reading, writing), (other, _writing) in zip(pipes, reversed(pipes), strict=True):
            os.write(writing, b"x")
            reactor.watch(reading, partial(take, reading, other))
        reactor.start()
        assert done.wait(120)
    finally:
        reactor.close()
        for pipe in pipes:
            for fd in pipe:
                os.close(fd)
    assert len(called) == 1
    assert reactor.errors == []
