"""Which functions are debugged: those whose code asks for it, where there is a terminal to do it on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_scf.facade.probing.lines import python_files

if TYPE_CHECKING:
    from pytest_scf.facade.probing.connections import Connections

_ASKS = re.compile(rb"\bbreakpoint\s*\(|\bset_trace\s*\(")
_SIZE_LIMIT = 1 << 20


class Terminal(Protocol):
    """Where pdb is shown. Its methods are called in threads of ours; ``enter`` waits while another is shown."""

    def enter(self, title: str) -> None: ...

    def leave(self) -> None: ...

    def write(self, text: str) -> None: ...

    def read(self) -> str:
        """A line with its end; "" where there will be none."""
        ...

    def seconds(self) -> float:
        """How long it has been in use so far, in all: what a wait does not count."""
        ...


def is_asked_for(code_root: Path) -> bool:
    """Whether the code holds a breakpoint."""
    for name in python_files(code_root):
        try:
            with open(code_root / name, "rb") as file:
                if _ASKS.search(file.read(_SIZE_LIMIT)):
                    return True
        except OSError:
            continue
    return False


class DebuggedInstance:
    """pdb of one instance, between its ``enter`` and its ``leave``."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._entered: Connections | None = None

    def answer(self, connections: Connections, payload: bytes, title: str) -> str:
        facts = json.loads(payload)
        if facts["do"] == "enter" and self._entered is None:
            self._terminal.enter(title)
            self._entered = connections
            connections.suspend()
        elif facts["do"] == "leave":
            self.leave()
        elif facts["do"] == "write" and self._entered is not None:
            self._terminal.write(str(facts["text"]))
        elif facts["do"] == "read" and self._entered is not None:
            return self._terminal.read()
        return ""

    def leave(self) -> None:
        """It goes on, or is gone."""
        entered, self._entered = self._entered, None
        if entered is not None:
            entered.resume()
            self._terminal.leave()
