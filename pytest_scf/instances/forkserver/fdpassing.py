"""Passing launch specifications and descriptors, from the test process to the zygote and on to an instance.

Nobody blocks on a write here: what a socket does not take at once waits in an ``Outbox``, which the owner flushes when
the socket is writable, while it goes on reading. Two sides that both write first and read later would otherwise wait
for each other for ever.
"""

from __future__ import annotations

import array
import errno
import os
import select
import socket
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from pytest_scf.runtimes import wire

#: descriptors that one message may carry
MOST_FDS = 16
#: seconds after which to try again when the kernel refuses descriptors because too many are in flight: nothing tells
#: when there are fewer
RETRY_INTERVAL = 0.005
# socket.recv_fds, before Python 3.12, does not pass its flags on.
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_MOST_ANCILLARY = socket.CMSG_LEN(MOST_FDS * array.array("i").itemsize)
_FLAGS = getattr(socket, "MSG_DONTWAIT", 0) | getattr(socket, "MSG_NOSIGNAL", 0)


class Received(NamedTuple):
    """What one call has received; no data means that the other side is gone."""

    data: bytes
    fds: list[int]
    #: descriptors were sent that this process could not take: it has as many open as it may have
    fds_lost: bool


class Outbox:
    """Messages in the order in which they are to be sent over a stream socket, each with its descriptors.

    It owns the descriptors that it is given, and closes them when they are sent or can no longer be sent.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._waiting: deque[tuple[memoryview, list[int]]] = deque()
        #: the kernel refused the descriptors last time (see ``RETRY_INTERVAL``); the socket itself may be writable
        self.refused = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        self._waiting.append((memoryview(data), list(fds)))

    def flush(self) -> bool:
        """Send what the socket takes now; whether nothing is left. Raises OSError when the other side is gone."""
        self.refused = False
        while self._waiting:
            data, fds = self._waiting[0]
            try:
                sent = _send(self._sock, data, fds)
            except BlockingIOError:
                return False
            except OSError as error:
                if error.errno == errno.ETOOMANYREFS:
                    self.refused = True
                    return False
                if error.errno == errno.ENOBUFS:  # macOS says so of a full socket
                    return False
                self.clear()
                raise
            # The descriptors go with the first byte.
            close_all(fds)
            if sent == len(data):
                self._waiting.popleft()
            else:
                self._waiting[0] = (data[sent:], [])
        return True

    def clear(self) -> None:
        while self._waiting:
            close_all(self._waiting.popleft()[1])


def send(channel: socket.socket, frame: bytes, fds: list[int], interrupts: list[int]) -> bool:
    """Send a frame with descriptors, which stay open here; waits while it cannot be sent.

    Gives up, with False, when one of the descriptors ``interrupts`` is ready. Raises OSError where nobody takes it.
    """
    data = memoryview(frame)
    while True:
        try:
            data = try_send(channel, data, fds)
        except BlockingIOError:
            pass
        else:
            if not data:
                return True
            fds = []
        poll = select.poll()
        for fd in interrupts:
            poll.register(fd, select.POLLIN)
        if not fds:
            poll.register(channel, select.POLLOUT)
        if any(fd in interrupts for fd, _events in poll.poll(RETRY_INTERVAL * 1000 if fds else None)):
            return False


def try_send(channel: socket.socket, data: memoryview, fds: list[int]) -> memoryview:
    """Send what the socket takes now, and return the rest. The descriptors go with the first byte, and stay open here.

    Raises BlockingIOError when nothing can be sent now, OSError when the other side is gone.
    """
    try:
        return data[_send(channel, data, fds) :]
    except BlockingIOError:
        if fds:
            raise
        return data
    except OSError as error:
        if error.errno == errno.ETOOMANYREFS:
            raise BlockingIOError(error.errno, os.strerror(error.errno)) from None
        raise


def _send(sock: socket.socket, data: memoryview, fds: list[int]) -> int:
    if not fds:
        return sock.send(data, _FLAGS)
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))], _FLAGS)


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def receive(channel: socket.socket, size: int = 65536) -> Received:
    """What has come by now, with the descriptors of at most one message; no program executed here inherits them."""
    data, ancillary, flags, _address = channel.recvmsg(size, _MOST_ANCILLARY, _CLOSE_ON_EXEC)
    fds = array.array("i")
    for _level, _kind, content in ancillary:
        fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if not _CLOSE_ON_EXEC:  # macOS
        for fd in fds:
            os.set_inheritable(fd, False)
    return Received(data, fds.tolist(), bool(flags & socket.MSG_CTRUNC))


def receive_spec(channel: socket.socket) -> tuple[bytes, list[int]] | None:
    """One launch specification (JSON) with its descriptors; None when none will come.

    Raises OSError where the descriptors cannot be taken.
    """
    reader = wire.Reader()
    fds: list[int] = []
    while True:
        received = receive(channel)
        if received.fds_lost:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if not received.data:
            return None
        fds += received.fds
        for _kind, payload in reader.feed(received.data):
            return payload, fds
