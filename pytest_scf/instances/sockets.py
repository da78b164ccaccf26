"""Sockets of pytest-scf's own in the test process, which tools that keep tests from the network do not stop.

Such a tool (pytest-socket) puts a class of its own in the place of ``socket.socket``, which all that ``socket`` makes
itself is then made of. What the user's code does stays under its rule.
"""

from __future__ import annotations

import _socket
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Original = socket.socket
else:
    _Original = next((each for each in socket.socket.__mro__ if each.__module__ == "socket"), socket.socket)


class Socket(_Original):
    """``socket.socket`` as the standard library has it."""

    def accept(self) -> tuple[Socket, Any]:
        fd, address = self._accept()  # type: ignore[attr-defined]
        return Socket(self.family, self.type, self.proto, fileno=fd), address


def socketpair() -> tuple[Socket, Socket]:
    ours, theirs = _socket.socketpair()
    return Socket(fileno=ours.detach()), Socket(fileno=theirs.detach())
