"""The socket over which an instance hands out the lines that it has counted."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any

from pytest_scf.instances.reactor import Reactor, Timer
from pytest_scf.instances.sockets import receive, socketpair
from pytest_scf.runtimes import wire

#: bytes of one message: all lines of all files counted
_LIMIT = 1 << 28


class CoverageChannel:
    def __init__(self, reactor: Reactor, fail: Callable[[BaseException], None]) -> None:
        """``fail`` is called with an error of the instance's or of ours. Raises OSError where no socket can be made."""
        self._reactor = reactor
        self._fail = fail
        self._reader = wire.Reader({wire.COVERAGE: _LIMIT})
        self._lock = threading.Lock()
        self._closed = False
        self._saved = threading.Semaphore(0)
        self._when_saved: Callable[[], None] | None = None
        #: called in the reactor's thread with {file: lines or arcs} as the runtime counts them
        self.on_coverage: Callable[[dict[str, Any]], None] | None = None
        self._socket, theirs = socketpair()
        self._socket.setblocking(False)
        #: for the instance; closed by whoever hands it over
        self.theirs = theirs.detach()
        reactor.watch(self._socket.fileno(), self._readable)

    def save_then(self, call: Callable[[], None], timeout: float) -> None:
        """Call ``call`` once the lines counted so far have been handed out, or ``timeout`` seconds have passed."""
        with self._lock:
            if not self._closed:
                timer = self._reactor.call_at(time.monotonic() + timeout, self._give_up_waiting)
                self._when_saved = _cancelling(timer, call)
                self._request()
                return
        call()

    def save(self, timeout: float) -> None:
        """Have the runtime hand out the lines counted so far; returns when it has, or cannot any more."""
        deadline = time.monotonic() + timeout
        while self._saved.acquire(blocking=False):
            pass
        with self._lock:
            if self._closed:
                return
            self._request()
        self._saved.acquire(timeout=max(0.0, deadline - time.monotonic()))

    def drain(self) -> None:
        """Take what has been sent before the instance ended."""
        while self._readable():
            pass

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._reactor.unregister(self._socket.fileno())
            self._socket.close()
        self._saved.release()
        self._give_up_waiting()

    def _request(self) -> None:
        with contextlib.suppress(OSError):  # a closed socket is handled by the reader
            self._socket.send(wire.COVERAGE_REQUEST)

    def _give_up_waiting(self) -> None:
        call, self._when_saved = self._when_saved, None
        if call is not None:
            call()

    def _readable(self) -> bool:
        """Take what the runtime has sent; False when there is no more of it."""
        if self._closed:
            return False
        data = receive(self._socket)
        if data is None:
            return False
        if not data:
            self.close()
            return False
        try:
            for _kind, payload in self._reader.feed(data):
                found = _parse(payload)
                if self.on_coverage is not None:
                    self.on_coverage(found)
                self._saved.release()
                self._give_up_waiting()
        except Exception as error:
            self.close()
            self._fail(error)
            return False
        return True


def _cancelling(timer: Timer, call: Callable[[], None]) -> Callable[[], None]:
    def saved() -> None:
        timer.cancel()
        call()

    return saved


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise wire.FrameError(f"its coverage is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise wire.FrameError("its coverage is not a JSON object")
    return found
