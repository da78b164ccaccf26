"""One background thread that owns all sockets and timers of this process's instances.

Callbacks run in that thread, one at a time, and never wait. Nothing polls: the thread sleeps until a descriptor is
ready or the earliest timer is due.

Why not asyncio: descriptors are watched, and timers set, by whichever thread has just made an instance. asyncio takes
both from its own thread only, so that each launch would be handed over to it and waited for. Here ``watch`` registers
at once, while the thread sleeps: epoll and kqueue allow that, and a registered descriptor that is ready wakes it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import selectors
import threading
import time
from collections.abc import Callable

from pytest_scf.instances.sockets import socketpair

Callback = Callable[[], object]
_SEE_REGISTERING = tuple(
    getattr(selectors, name) for name in ("EpollSelector", "KqueueSelector") if hasattr(selectors, name)
)


class Timer:
    """A call that is due at a moment of ``time.monotonic()``."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callback) -> None:
        self.due = due
        self.call: Callback | None = call

    def cancel(self) -> None:
        self.call = None


class Reactor:
    """Start it with ``start()``; ``close()`` ends the thread and returns when it has ended."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        #: whether a descriptor that is registered while the thread sleeps is seen at once: not by ``select``, which is
        #: what a test process that is patched by gevent or eventlet has
        self._sees_registering = isinstance(self._selector, _SEE_REGISTERING)
        self._lock = threading.Lock()
        self._timers: list[tuple[float, int, Timer]] = []
        self._sequence = itertools.count()
        self._sleeping_until = 0.0
        self._closing = False
        self._woken, self._wake = socketpair()
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="pytest-scf-reactor", daemon=True)
        #: errors of ours that nobody could be told of in the background; to be raised where somebody sees them
        self.errors: list[BaseException] = []

    def take_errors(self) -> list[BaseException]:
        """What callbacks have raised since this was asked last."""
        errors = self.errors[:]
        del self.errors[: len(errors)]
        return errors

    def start(self) -> None:
        self._selector.register(self._woken, selectors.EVENT_READ, self._swallow)
        self._thread.start()

    def close(self) -> None:
        self._closing = True
        self._wake_up()
        if self._thread.ident is not None:
            self._thread.join()
        self._selector.close()
        self._woken.close()
        self._wake.close()

    @property
    def is_current_thread(self) -> bool:
        return threading.get_ident() == self._thread.ident

    def watch(self, fd: int, readable: Callback) -> None:
        self._selector.register(fd, selectors.EVENT_READ, readable)
        self._have_it_seen()

    def watch_writing(self, fd: int, readable: Callback, writable: Callback) -> None:
        """Also call ``writable`` while the descriptor takes data; ``watch_reading`` ends that."""

        def both() -> None:
            writable()
            readable()

        self._selector.modify(fd, selectors.EVENT_READ | selectors.EVENT_WRITE, both)
        self._have_it_seen()

    def watch_reading(self, fd: int, readable: Callback) -> None:
        self._selector.modify(fd, selectors.EVENT_READ, readable)
        self._have_it_seen()

    def _have_it_seen(self) -> None:
        if not self._sees_registering:
            self._wake_up()

    def unregister(self, fd: int) -> None:
        """Must be called before the descriptor is closed."""
        self._selector.unregister(fd)

    def call_at(self, due: float, call: Callback) -> Timer:
        """Have ``call`` called in the reactor's thread at ``due`` (seconds of ``time.monotonic()``)."""
        timer = Timer(due, call)
        with self._lock:
            heapq.heappush(self._timers, (due, next(self._sequence), timer))
            earlier = due < self._sleeping_until
        if earlier:
            self._wake_up()
        return timer

    def call_soon(self, call: Callback) -> None:
        self.call_at(0.0, call)

    def catch_up(self, timeout: float) -> None:
        """Wait, in another thread, until what has come by now is read from each descriptor; ``timeout`` in seconds."""
        done = threading.Event()
        # Whatever it is at now, it looks at the descriptors before a timer that is due after the one that makes it.
        self.call_soon(lambda: self.call_at(math.nextafter(time.monotonic(), math.inf), done.set))
        done.wait(timeout)

    def report(self, error: BaseException) -> None:
        """Keep an error of ours that was met in the background."""
        self.errors.append(error)

    def _wake_up(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is full of wake-ups already
            self._wake.send(b"x")

    def _swallow(self) -> None:
        self._woken.recv(4096)

    def _run(self) -> None:
        select = self._selector.select
        while not self._closing:
            with self._lock:
                timers = self._timers
                while timers and timers[0][2].call is None:
                    heapq.heappop(timers)
                self._sleeping_until = timers[0][0] if timers else float("inf")
                until = self._sleeping_until
            ready = select(None if until == float("inf") else max(0.0, until - time.monotonic()))
            self._sleeping_until = 0.0
            registered = self._selector.get_map()
            for key, _events in ready:
                # A callback before may have unregistered it, and its number may be another's by now.
                if registered.get(key.fd) is key:
                    self._guard(key.data)
            if until != float("inf"):
                self._fire()

    def _fire(self) -> None:
        now = time.monotonic()
        while True:
            with self._lock:
                if not self._timers or self._timers[0][0] > now:
                    return
                timer = heapq.heappop(self._timers)[2]
            call = timer.call
            if call is not None:
                self._guard(call)

    def _guard(self, call: Callback) -> None:
        try:
            call()
        except BaseException as error:
            self.report(error)
