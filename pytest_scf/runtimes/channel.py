"""The Python runtime's end of the socket to the platform. The standard library only, Python 3.6 and later."""

import os

from pytest_scf.runtimes import wire

MYPY = False
if MYPY:  # for the type comments only
    import socket  # noqa: F401


class Channel:
    """The runtime's end of its socket. Only the main thread of the user's process writes to it."""

    def __init__(self, sock):
        # type: (socket.socket) -> None
        self.pid = os.getpid()
        self._sock = sock
        self._sending = False
        self._outgoing = []  # type: list[bytes]
        self._reader = wire.Reader()
        self._frames = []  # type: list[tuple[int, bytes]]

    def send(self, kind, payload):
        # type: (int, bytes) -> None
        # A signal handler may run in the middle of a frame; what it sends is appended, and sent after that frame.
        outgoing = self._outgoing
        outgoing.append(wire.frame(kind, payload))
        while outgoing and not self._sending:
            self._sending = True
            try:
                self._sock.sendall(outgoing.pop(0))
            finally:
                self._sending = False

    def receive(self):
        # type: () -> tuple[int, bytes] | None
        while not self._frames:
            data = self._sock.recv(65536)
            if not data:
                return None
            self._frames = self._reader.feed(data)
        return self._frames.pop(0)
