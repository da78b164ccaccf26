"""A socket that listens, and nothing that would be loaded only for what comes to it."""

from __future__ import annotations

import contextlib
import socket

from pytest_scf.errors import UsageError
from pytest_scf.instances.sockets import Socket

#: connections that the system keeps until they are accepted
_BACKLOG = 1024


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises UsageError where the address cannot be had."""
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise UsageError(f"port must be a number from 0 to 65535 (0: any that is free), not {port!r}")
    sock = None
    try:
        sock = Socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()
        raise UsageError(f"the endpoint cannot listen on {host}:{port}: {error.strerror or error}") from error
    return sock
