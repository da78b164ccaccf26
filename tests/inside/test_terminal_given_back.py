"""The terminal that instances share for pdb: an instance that has gone while it waited for it does not keep it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

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

    def read(self) -> str:
        return ""

    def seconds(self) -> float:
        return 0.0


class _Connections:
    def __init__(self) -> None:
        self.gone = False
        self.suspended = 0

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
    debugged.answer(connections, json.dumps({"do": "enter"}).encode(), "index.py")
    assert limits_while_it_waits == [1]
    assert terminal.given_back == 1
    assert connections.suspended == 0
