"""Copying bytes between two stream sockets in both directions, where neither side waits for the other."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable

#: bytes that are buffered for a side that does not read; no more is read from the other side until it does
WAITING_BYTES = 1 << 18
_PIECE = 1 << 16


class _Direction:
    def __init__(self, source: socket.socket, target: socket.socket, look: Callable[[bytes], object]) -> None:
        self.source = source
        self.target = target
        self._look = look
        self._waiting = bytearray()
        self._broken = False
        #: the source has ended its side
        self.ended = False
        #: ... and the target has received all of it
        self.done = False

    @property
    def reads(self) -> bool:
        return not self.ended and len(self._waiting) < WAITING_BYTES

    @property
    def writes(self) -> bool:
        return bool(self._waiting)

    def read(self) -> bool:
        """Whether anything came."""
        try:
            data = self.source.recv(_PIECE)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.ended = True
        else:
            self._look(data)
            if not self._broken:
                self._waiting += data
        return bool(data)

    def write(self) -> None:
        try:
            if self._waiting:
                del self._waiting[: self.target.send(self._waiting)]
        except BlockingIOError:
            pass
        except OSError:  # the target is gone
            self._broken = True
            self._waiting.clear()

    def finish(self) -> None:
        if self.ended and not self._waiting and not self.done:
            self.done = True
            with contextlib.suppress(OSError):
                self.target.shutdown(socket.SHUT_WR)


class Relay:
    """Between a client and a server, whose sockets it makes non-blocking, and does not close.

    ``from_client`` and ``from_server`` are called with what comes from either. What a side has said is passed on before
    its end is.
    """

    def __init__(
        self,
        client: socket.socket,
        server: socket.socket,
        from_client: Callable[[bytes], object] = len,
        from_server: Callable[[bytes], object] = len,
    ) -> None:
        client.setblocking(False)
        server.setblocking(False)
        self.to_server = _Direction(client, server, from_client)
        self.to_client = _Direction(server, client, from_server)

    def step(self, seconds: float | None = None) -> bool:
        """Pass on what can be passed on, once there is something, or after ``seconds``; whether anything came."""
        ways = (self.to_server, self.to_client)
        wanted: dict[int, int] = {}
        for way in ways:
            if way.reads:
                wanted[way.source.fileno()] = wanted.get(way.source.fileno(), 0) | select.POLLIN
            if way.writes:
                wanted[way.target.fileno()] = wanted.get(way.target.fileno(), 0) | select.POLLOUT
        poll = select.poll()
        for fd, events in wanted.items():
            poll.register(fd, events)
        ready = {fd for fd, _events in poll.poll(None if seconds is None else seconds * 1000)}
        came = False
        for way in ways:
            if way.reads and way.source.fileno() in ready:
                came = way.read() or came
            way.write()
            way.finish()
        return came

    def run(self) -> None:
        """Go on until the server has ended, and the client has got what it said."""
        while not self.to_client.done:
            self.step()
