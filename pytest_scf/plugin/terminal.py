"""pdb of a function on the terminal that pytest runs in, as pytest's own: capturing is suspended, timeouts too."""

from __future__ import annotations

import selectors
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_scf.plugin import options

if TYPE_CHECKING:
    import socket

    from pytest_scf.facade.probing.debugging import Editor


class PytestTerminal:
    """See ``pytest_scf.facade.probing.debugging.Terminal``."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._in_use = threading.Lock()
        self._since = 0.0
        self._spent = 0.0

    def enter(self, title: str) -> None:
        self._in_use.acquire()
        self._since = time.monotonic()
        capture = self._capture
        if capture is not None:
            capture.suspend(in_=True)
        self._config.hook.pytest_enter_pdb(config=self._config, pdb=None)
        if not title:
            return
        writer = self._config.get_terminal_writer()
        writer.line()
        writer.sep(">", f"{title} (IO-capturing turned off)")

    def leave(self) -> None:
        self._spent += time.monotonic() - self._since
        self._since = 0.0
        self._config.hook.pytest_leave_pdb(config=self._config, pdb=None)
        capture = self._capture
        if capture is not None:
            capture.resume()
        self._in_use.release()

    @property
    def _capture(self) -> Any:
        return self._config.pluginmanager.getplugin("capturemanager")

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def read(self, *beside: socket.socket) -> str | None:
        with selectors.DefaultSelector() as selector:
            for each in (sys.stdin, *beside):
                selector.register(each, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select()]
        return None if any(each in ready for each in beside) else sys.stdin.readline()

    def seconds(self) -> float:
        return self._spent + (time.monotonic() - self._since if self._since else 0.0)


_TERMINAL = pytest.StashKey["PytestTerminal | None"]()


def terminal(config: pytest.Config) -> PytestTerminal | None:
    """None where there is no terminal: in a worker of pytest-xdist, and where input comes from elsewhere."""
    if _TERMINAL not in config.stash:
        config.stash[_TERMINAL] = PytestTerminal(config) if _is_there(config) else None
    return config.stash[_TERMINAL]


_EDITOR = pytest.StashKey["Editor"]()


def editor(config: pytest.Config) -> Editor | None:
    """What ``--scf-debugpy`` has instances wait for; one for the whole run."""
    port = config.getoption(options.DEBUGPY)
    if port is None or hasattr(config, "workerinput"):
        return None
    if _EDITOR not in config.stash:
        from pytest_scf.facade.probing.debugging import Editor

        config.stash[_EDITOR] = Editor(PytestTerminal(config), port)
    return config.stash[_EDITOR]


def _is_there(config: pytest.Config) -> bool:
    if hasattr(config, "workerinput"):
        return False
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        return sys.stdin.isatty()
    capture.suspend(in_=True)  # it stands in for standard input, too
    try:
        return sys.stdin.isatty()
    finally:
        capture.resume()
