"""The pipe that an instance writes its output to. Reading can be paused, so that the output waits in the pipe."""

from __future__ import annotations

import contextlib
import os
import posix  # eventlet has os.read wait, also for what must not
import threading
from collections.abc import Callable

from pytest_scf.instances.reactor import Reactor

#: bytes that one read takes at most: more than a pipe holds
_PIECE = 1 << 20


class OutputPipe:
    """``readable`` is called in the reactor's thread while there is output that ``drain`` takes."""

    def __init__(self, reactor: Reactor, readable: Callable[[], object]) -> None:
        """Raises OSError where no pipe can be had."""
        self._reactor = reactor
        self._readable = readable
        self._lock = threading.Lock()
        self._paused = False
        self._closed = False
        #: what was in the pipe when it was closed
        self._rest = b""
        #: ``writing`` is for the instance, and closed by whoever hands it over
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        reactor.watch(self._reading, readable)

    def drain(self) -> bytes:
        """Take the output that has been written so far: a pipe hands out all that it holds at once.

        What is written meanwhile is left for the next call, as a process may write without end.
        """
        with self._lock:
            if self._closed:
                data, self._rest = self._rest, b""
                return data
            try:
                data = posix.read(self._reading, _PIECE)
            except OSError:
                return b""
        if not data:
            self.pause()  # at its end it would stay readable for ever
        return data

    def pause(self) -> None:
        """Leave what is written in the pipe until it is drained, without calling ``readable``."""
        with self._lock:
            if not self._paused and not self._closed:
                self._paused = True
                self._reactor.unregister(self._reading)

    def resume(self) -> None:
        with self._lock:
            if self._paused and not self._closed:
                self._paused = False
                self._reactor.watch(self._reading, self._readable)

    def close(self) -> None:
        """Close the pipe; what it holds is kept to be drained."""
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(BlockingIOError):
                while data := posix.read(self._reading, _PIECE):
                    self._rest += data
            self._closed = True
            if not self._paused:
                self._reactor.unregister(self._reading)
            os.close(self._reading)
