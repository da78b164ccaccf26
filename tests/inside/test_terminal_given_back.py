"""The terminal that instances share for pdb: whoever waits for it, or goes meanwhile."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

from pytest_scf import Event, ScfRuntime
from pytest_scf.facade.probing.debugging import DebuggedInstance


class _Terminal:
    """In use by another instance until ``enter`` returns."""

    def __init__(self, meanwhile: Any) -> None:
        self.meanwhile = meanwhile
        self.given_back = 0

    def enter(self, title: str) -> None:
        self.meanwhile()

    def leave(self) -> None:
        self.given_back += 1

    def write(self, text: str) -> None: ...

    def read(self, *beside: socket.socket) -> str | None:
        return ""

    def seconds(self) -> float:
        return 0.0


class _Connections:
    def __init__(self) -> None:
        self.gone = False
        self.suspended = 0
        self.connection = mock.Mock()

    def at_end(self, call: object) -> None: ...

    def suspend(self) -> Callable[[], None]:
        self.suspended += 1
        return self.resume

    def resume(self) -> None:
        self.suspended -= 1


def test_an_instance_that_goes_while_it_waits_for_the_terminal_gives_it_back() -> None:
    connections: Any = _Connections()
    limits_while_it_waits = []

    def go() -> None:
        limits_while_it_waits.append(connections.suspended)
        connections.gone = True
        debugged.leave()

    terminal = _Terminal(go)
    debugged = DebuggedInstance(terminal)
    debugged.answer(connections, json.dumps({"do": "enter", "first": True, "thread": "1"}).encode(), "index.py")
    assert limits_while_it_waits == [1]
    assert terminal.given_back == 1
    assert connections.suspended == 0


SOURCE = """
import signal

def act():
    pass

def main_handler(event, context):
    act()
    signal.signal(signal.SIGTERM, lambda *_: None)
    print("logged")
"""


@pytest.mark.parametrize(
    ("stop_at", "wait"),
    [
        (None, lambda event: event.wait(0.01)),
        (None, lambda event: event.wait_for_attempt(1, 0.01)),
        (None, lambda event: event.assert_logged("logged", timeout=0.01)),
        ("index.py:10", lambda event: event.wait_for_signal_handler(0.01)),
        ("index.py:10", lambda event: event.wait_for_stop(0.01)),
    ],
    ids=["end", "attempt", "log", "signal handler", "stop"],
)
def test_what_is_spent_in_pdb_counts_for_no_wait(
    scf_runtime_of: Callable[..., ScfRuntime], stop_at: str | None, wait: Callable[[Event], object]
) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(SOURCE, async_run=True)
    stub = fn.stub("index.act")
    stub.return_value = None
    looked: list[None] = []
    with stub.held() as call:

        def seconds() -> float:
            """When the wait is over for the first time, a minute has been spent, and the function goes on."""
            looked.append(None)
            if len(looked) == 2:
                call.release()
            return 60.0 * (len(looked) - 1)

        rt._session.terminal = mock.Mock(seconds=seconds)
        wait(fn.invoke_async(stop_at=stop_at))
    assert len(looked) == 2
