"""Which functions are debugged: those whose code asks for it, where there is a terminal to do it on."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_scf.facade.probing.lines import python_files
from pytest_scf.instances import messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_scf.facade.probing.connections import Connections

_ASKS = re.compile(rb"\bbreakpoint\s*\(|\bset_trace\s*\(")
_SIZE_LIMIT = 1 << 20
#: characters of a port
_PORT = 5


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


class Editor:
    """An editor of the user's, which one instance at a time waits for."""

    def __init__(self, terminal: Terminal, port: int) -> None:
        self.terminal = terminal
        #: to listen on; 0: any that is free
        self.port = port
        self._taken = threading.Lock()

    def take(self) -> bool:
        """Whether it is the caller's from now on: not where another instance has it."""
        return self._taken.acquire(blocking=False)

    def give_back(self) -> None:
        self._taken.release()


class EditedInstance:
    """An instance that debugpy runs in, or would if the editor were not taken."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self._lock = threading.Lock()
        self._has_it = False

    def answer(self, connections: Connections, payload: bytes, title: str) -> str:
        facts = json.loads(payload)
        terminal = self._editor.terminal
        if facts["do"] == "attach" and not self._has_it:
            with self._lock:
                self._has_it = self._editor.take()
            if not self._has_it:
                terminal.write(f"{title}: runs without the editor, which another instance has\n")
                return ""
            connections.lift_limits()
            terminal.enter(title)
            if connections.gone:
                self.leave()
            return str(self._editor.port)
        if facts["do"] == "listening" and self._has_it:
            terminal.write(f"{title}: waits for an editor on 127.0.0.1:{str(facts['port'])[:_PORT]}\n")
        return ""

    def leave(self) -> None:
        with self._lock:
            had_it, self._has_it = self._has_it, False
        if had_it:
            self._editor.terminal.leave()
            self._editor.give_back()


class DebuggedInstance:
    """pdb of one instance, between its ``enter`` and its ``leave``."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._lock = threading.Lock()
        #: lets the instance's time limits go on, once it has the terminal
        self._resume: Callable[[], None] | None = None

    def answer(self, connections: Connections, payload: bytes, title: str) -> str:
        facts = messages.read(payload)
        if facts["do"] == "enter" and self._resume is None:
            resume = connections.suspend()  # first, as another instance may have the terminal
            self._terminal.enter(title)
            self._resume = resume
            if connections.gone:
                self.leave()
        elif facts["do"] == "leave":
            self.leave()
        elif facts["do"] == "write" and self._resume is not None:
            self._terminal.write(str(facts["text"]))
        elif facts["do"] == "read" and self._resume is not None:
            return self._terminal.read()
        return ""

    def leave(self) -> None:
        """It goes on, or is gone."""
        with self._lock:
            resume, self._resume = self._resume, None
        if resume is not None:
            resume()
            self._terminal.leave()
