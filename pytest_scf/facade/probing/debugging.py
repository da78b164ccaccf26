"""Which functions are debugged: those whose code asks for it, where there is a terminal to do it on."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_scf.facade.probing.connections import Gone
from pytest_scf.facade.probing.lines import python_files
from pytest_scf.instances import messages
from pytest_scf.instances.sockets import socketpair

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from pytest_scf.facade.probing.connections import Connections

_ASKS = re.compile(
    rb"\bbreakpoint\s*\(|\bset_trace\b|\bpost_mortem\b|\bpdb\s*\.\s*(pm|Pdb|run)|\bfrom\s+pdb\s+import\b"
)
_SIZE_LIMIT = 1 << 20
#: characters of a port, and of what is wrong with one
_PORT = 5
_TEXT = 200


class Terminal(Protocol):
    """Where pdb is shown. Its methods are called in threads of ours; ``enter`` waits while another is shown."""

    def enter(self, title: str) -> None:
        """``title``: "" where what is shown goes on."""
        ...

    def leave(self) -> None: ...

    def write(self, text: str) -> None: ...

    def read(self, *beside: socket.socket) -> str | None:
        """A line with its end; "" where there will be none. None where something comes on one of the sockets before."""
        ...

    def seconds(self) -> float:
        """How long it has been in use so far, in all: what a wait does not count."""
        ...


def is_asked_for(root: Path) -> bool:
    """Whether the code in a directory holds a breakpoint."""
    for name in python_files(root):
        try:
            with open(root / name, "rb") as file:
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
        if facts["do"] == "without":
            terminal.write(f"{title}: runs without the editor, as its Python has no debugpy\n")
        if facts["do"] == "failed" and self._has_it:
            terminal.write(f"{title}: {str(facts['said'])[:_TEXT]}\n")
        if facts["do"] == "listening" and self._has_it:
            terminal.write(f"{title}: waits for an editor on 127.0.0.1:{str(facts['port'])[:_PORT]}\n")
        return ""

    def leave(self) -> None:
        with self._lock:
            had_it, self._has_it = self._has_it, False
        if had_it:
            self._editor.terminal.leave()
            self._editor.give_back()


class _Entered:
    """pdb in one thread of an instance, from when it is entered until it goes on."""

    def __init__(self, thread: str, resume: Callable[[], None]) -> None:
        self.thread = thread
        #: lets the instance's time limits go on
        self.resume = resume
        self.has_terminal = False
        #: pdb in a signal handler of the same thread, which has the terminal meanwhile
        self.inner: _Entered | None = None
        #: where something comes when ``inner`` is set
        self.told, self._tell = socketpair()
        #: what stands before the cursor
        self.prompt = ""

    def interrupt(self, inner: _Entered) -> None:
        self.inner = inner
        self._tell.send(b"x")

    def close(self) -> None:
        self.told.close()
        self._tell.close()


class DebuggedInstance:
    """pdb in the threads and processes of one instance: each time that it is entered it has a connection of its own."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._changed = threading.Condition()
        self._entered: dict[socket.socket, _Entered] = {}

    def answer(self, connections: Connections, payload: bytes, title: str) -> str:
        facts = messages.read(payload)
        connection = connections.connection
        entered = self._entered.get(connection)
        if entered is None:
            if facts["do"] == "enter":
                self._enter(connections, str(facts["thread"]), title if facts["first"] else "")
        elif facts["do"] == "leave":
            self._leave(connection)
        elif facts["do"] == "write":
            text = str(facts["text"])
            entered.prompt = text.rpartition("\n")[2]
            self._terminal.write(text)
        elif facts["do"] == "read":
            return self._read(connection, entered)
        return ""

    def _enter(self, connections: Connections, thread: str, title: str) -> None:
        connection = connections.connection
        entered = _Entered(thread, connections.suspend())  # first, as another may have the terminal
        connections.at_end(lambda: self._leave(connection))
        with self._changed:
            same = (each for each in self._entered.values() if each.thread == thread and each.inner is None)
            outer = next(same, None)
            self._entered[connection] = entered
            if outer is not None:
                outer.interrupt(entered)
        if outer is not None:
            self._terminal.write(f"\n> {title}, in the middle of the line before\n" if title else "")
            return
        self._terminal.enter(title)
        with self._changed:
            entered.has_terminal = self._entered.get(connection) is entered
        if not entered.has_terminal:
            self._terminal.leave()
        elif connections.gone:
            self._leave(connection)

    def _read(self, connection: socket.socket, entered: _Entered) -> str:
        while True:
            line = self._terminal.read(connection, entered.told)
            if line is not None:
                return line
            with self._changed:
                if entered.inner is None:
                    raise Gone
                self._changed.wait_for(lambda: entered.inner is None)
                if self._entered.get(connection) is not entered:
                    raise Gone
                entered.told.recv(1)
            self._terminal.write(entered.prompt)

    def leave(self) -> None:
        """The instance is gone."""
        for connection in list(self._entered):
            self._leave(connection)

    def _leave(self, connection: socket.socket) -> None:
        """It goes on, or is gone."""
        with self._changed:
            entered = self._entered.pop(connection, None)
            if entered is None:
                return
            for each in self._entered.values():
                if each.inner is entered:
                    each.inner = None
            entered.inner = None
            self._changed.notify_all()
        entered.resume()
        if entered.has_terminal:
            self._terminal.leave()
        entered.close()
