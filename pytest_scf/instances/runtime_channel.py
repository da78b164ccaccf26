"""The socket to the runtime of an instance: events go in, answers come out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from pytest_scf.instances import messages
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import receive, socketpair
from pytest_scf.runtimes import wire

#: wraps a callback of the reactor so that an exception in it ends the instance
Guard = Callable[[Callable[[], object]], Callable[[], None]]


class RuntimeChannel:
    def __init__(self, reactor: Reactor, guard: Guard, on_message: Callable[[int, bytes], None]) -> None:
        """``on_message`` is called in the reactor's thread with each frame that ``messages.check`` lets pass.

        Raises OSError where no sockets can be had.
        """
        self._reactor = reactor
        self._on_message = on_message
        self._readable = guard(self.receive)
        self._writable = guard(self._flush)
        self._reader = wire.Reader(messages.RUNTIME_LIMITS)
        self._lock = threading.Lock()
        self._stopped = False
        self._ready = False
        #: events that were sent and have no answer yet
        self._unanswered = 0
        self._socket, theirs = socketpair()
        self._socket.setblocking(False)
        self._outbox = fdpassing.Outbox(self._socket)
        reactor.watch(self._socket.fileno(), self._readable)
        #: for the instance; closed by whoever hands it over
        self.theirs = theirs.detach()

    def send_event(self, request_id: str, payload: bytes, fds: Sequence[int] = ()) -> None:
        """Hand an event to the runtime, which takes it when it is ready for one. Does not block.

        ``fds`` go along, and are closed here.
        """
        with self._lock:
            self._unanswered += 1
        head = wire.HEADER.pack(len(payload) + wire.REQUEST_ID_LENGTH, wire.INVOKE)
        self.send(head + request_id.encode() + payload, fds)

    def send(self, frame: bytes, fds: Sequence[int] = ()) -> None:
        """Send a frame, or have it sent when the socket takes it. Does not block."""
        with self._lock:
            if self._stopped:
                fdpassing.close_all(fds)
                return
            waiting = bool(self._outbox)
            self._outbox.put(frame, fds)
            if not waiting and not self._flush_locked():
                self._reactor.watch_writing(self._socket.fileno(), self._readable, self._writable)

    def _flush_locked(self) -> bool:
        """Whether nothing is left to be sent."""
        try:
            return self._outbox.flush()
        except OSError:
            return True  # the process is gone, which its init reports

    def _flush(self) -> None:
        with self._lock:
            if not self._stopped and self._flush_locked():
                self._reactor.watch_reading(self._socket.fileno(), self._readable)

    @property
    def under_way(self) -> int:
        """Bytes that have come of a frame, such as a great answer, whose end has not (reactor's thread)."""
        return self._reader.pending

    def receive(self) -> bool:
        """Take what the runtime has sent (reactor's thread); False when there is no more of it.

        Raises FrameError for what no runtime sends.
        """
        if self._stopped:
            return False
        data = receive(self._socket)
        if data is None:
            return False
        if not data:
            self.stop()
            return False
        for kind, payload in self._reader.feed(data):
            messages.check(kind, payload)
            self._check_turn(kind)
            self._on_message(kind, payload)
        return True

    def _check_turn(self, kind: int) -> None:
        """Refuse frames that no event or start waits for: they would be taken for those of the next one."""
        if kind == wire.READY:
            if self._ready:
                raise wire.FrameError("it is ready a second time")
            self._ready = True
        elif kind in messages.ANSWERS:
            with self._lock:
                if not self._unanswered:
                    raise wire.FrameError("an answer to no event")
                self._unanswered -= 1

    def stop(self) -> None:
        """Neither read nor send any more."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._reactor.unregister(self._socket.fileno())

    def close(self) -> None:
        self.stop()
        with self._lock:
            self._socket.close()
            self._outbox.clear()
