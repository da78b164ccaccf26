"""The socket over which an instance hands the test the connections of its probe; see docs/inside.md."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Callable
from typing import Any, Protocol

from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import Socket, socketpair

_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_LINGER = struct.Struct("ii")


class ProbeServer(Protocol):
    """Serves the probe of one instance. Called in the reactor's thread."""

    #: what the probe is told at its start, as JSON
    config: dict[str, Any]

    def connected(self, connection: socket.socket) -> None:
        """A connection that the instance has made: it belongs to the server, which must not block here."""

    def closed(self) -> None:
        """No process of the instance is left."""


class ProbeChannel:
    def __init__(self, reactor: Reactor, server: ProbeServer, fail: Callable[[BaseException], None]) -> None:
        """``fail`` is called with what the server raises. Raises OSError where no socket can be made."""
        self._reactor = reactor
        self._server = server
        self._fail = fail
        self._closed = False
        self._socket, theirs = socketpair()
        self._socket.setblocking(False)
        #: for the instance; closed by whoever hands it over
        self.theirs = theirs.detach()
        reactor.watch(self._socket.fileno(), self._readable)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._reactor.unregister(self._socket.fileno())
            self._socket.close()

    def _readable(self) -> None:
        """Take a connection that the instance has made, with the byte that carries it."""
        if self._closed:
            return
        try:
            data, fds, _lost = fdpassing.receive(self._socket, 1)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        try:
            for fd in fds:
                connection = _connection(fd)
                if connection is not None:
                    self._server.connected(connection)
        except Exception as error:
            self._fail(error)
        if not data:
            self.close()


def _connection(fd: int) -> socket.socket | None:
    """None for something else than a connection of a probe of ours, which may be anything, and is closed."""
    try:
        found = Socket(fileno=fd)
    except OSError:
        os.close(fd)
        return None
    if (found.family, found.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
        return found
    # Others may be such that nothing ends a wait for them, and that closing them waits, too.
    with contextlib.suppress(OSError):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(0, 0))
    found.close()
    return None
