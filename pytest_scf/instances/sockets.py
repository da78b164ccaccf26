"""Sockets of pytest-scf's own in the test process, whatever the test has patched.

A tool that keeps tests from the network (pytest-socket) puts a class of its own in the place of ``socket.socket``,
which all that ``socket`` makes itself is then made of; eventlet takes ``poll`` out of ``select``. What the user's code
does stays under their rule.
"""

from __future__ import annotations

import _socket
import importlib.util
import select
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Original = socket.socket
else:
    _Original = next((each for each in socket.socket.__mro__ if each.__module__ == "socket"), socket.socket)


class Socket(_Original):
    """``socket.socket`` as the standard library has it."""

    def accept(self) -> tuple[Socket, Any]:
        if _Original.__module__ != "socket":  # of gevent or eventlet, which let other green threads run meanwhile
            return super().accept()  # type: ignore[return-value]
        fd, address = self._accept()  # type: ignore[attr-defined]
        return Socket(self.family, self.type, self.proto, fileno=fd), address


def poller() -> select.poll:
    """A ``select.poll()``, also where that was taken out of the module."""
    if hasattr(select, "poll"):
        return select.poll()
    spec = select.__spec__
    assert spec is not None
    assert spec.loader is not None
    original = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(original)
    poll: select.poll = original.poll()
    return poll


def socketpair() -> tuple[Socket, Socket]:
    ours, theirs = _socket.socketpair()
    return Socket(fileno=ours.detach()), Socket(fileno=theirs.detach())


def receive(sock: socket.socket) -> bytes | None:
    """What a non-blocking socket has; None where that is nothing yet, no bytes where there will be no more."""
    try:
        return sock.recv(1 << 18)
    except BlockingIOError:
        return None
    except OSError:
        return b""
