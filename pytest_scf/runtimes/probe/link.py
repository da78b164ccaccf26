"""The way from inside an instance to the test: a connection for each question that is under way at the same time.

The socket that an instance is started with serves to hand over connections: a byte with the descriptor of one end of a
new socket pair, for which the test starts a thread. So threads, signal handlers and forked children of the user's code
ask independently, and whoever waits for an answer waits in a plain system call, in which signal handlers run.
A message is a little-endian header (length, kind) and a payload.
"""

import _socket
import array
import os
import socket
import struct

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them; and with sockets in C their methods.
_array = array.array
_getpid = os.getpid
_socketpair = _socket.socketpair  # type: Any

HEADER = struct.Struct("<IB")
#: bytes of a message
SIZE_LIMIT = 17 * 1024 * 1024

# instance -> test, each of which is answered
INSTALLED = 1  # what became of a stand-in: {id, problem} or what it stands for; of a set-up that fails: {set_up, line}
BEGIN = 2  # an event is about to be handled: its request id; answered by what is to be done in it
CALL = 3  # a stand-in is used: see ``stand_ins``
STOPPED = 4  # a thread has come to a line that it was to stop at; answered when it is to go on
LINES = 5  # lines that ran, of a recording
DEBUG = 6  # pdb is entered or left, writes a text or reads a line; see ``debugging``

# test -> instance
ANSWER = 16  # what was asked for
RAISE = 17  # an exception to be raised where it was asked
ORIGINAL = 19  # what the stand-in takes the place of is to be used
USE = 20  # what came with the question is to be used before there is an answer; answered by ANSWER or RAISE
REFUSED = 18  # a text: why there is no answer; the last on its connection


class LinkError(RuntimeError):
    """The test cannot be reached, does not answer what it was asked, or said what makes no sense."""


def send(sock, kind, payload):
    # type: (socket.socket, int, bytes) -> None
    sock.sendall(HEADER.pack(len(payload), kind) + payload)


def receive(sock):
    # type: (socket.socket) -> tuple[int, bytes] | None
    """One message; None at the end. Raises LinkError for one that is too long."""
    head = receive_header(sock)
    if head is None:
        return None
    length, kind = head
    payload = exactly(sock, length)
    return None if payload is None else (kind, payload)


def receive_header(sock):
    # type: (socket.socket) -> tuple[int, int] | None
    """Of the next message its payload's length and its kind; None at the end. Raises LinkError where it is too long."""
    head = exactly(sock, HEADER.size)
    if head is None:
        return None
    length, kind = HEADER.unpack(head)
    if length > SIZE_LIMIT:
        raise LinkError("a message of %d bytes is longer than the %d that can be sent" % (length, SIZE_LIMIT))
    return length, kind


def check(kind, payload):
    # type: (int, bytes) -> None
    """Raises LinkError where a message of the test's says why there is no answer."""
    if kind == REFUSED:
        raise LinkError("the test does not answer: %s" % payload.decode("utf-8", "replace"))


def exactly(sock, count):
    # type: (socket.socket, int) -> bytes | None
    """As many bytes; None where they end before."""
    parts = []
    while count:
        data = sock.recv(min(count, 1 << 18))
        if not data:
            return None
        parts.append(data)
        count -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class Link(object):
    """Asks the test. Any thread may, a signal handler in the middle of another question, and a forked child too."""

    def __init__(self, sock):
        # type: (socket.socket) -> None
        self._sock = sock
        self._pid = _getpid()
        self._free = []  # type: list[socket.socket]
        #: how many uses of stand-ins the main thread waits for
        self.used = 0

    def connect(self):
        # type: () -> socket.socket
        """A connection that no other thread uses; give it back with ``release``, or close it."""
        if _getpid() != self._pid:
            # A forked child shares the parent's connections; what it says must not get between its parent's words.
            self._free = []
            self._pid = _getpid()
        try:
            return self._free.pop()
        except IndexError:
            pass
        ours, theirs = _socketpair()  # type: socket.socket, socket.socket
        try:
            fds = _array("i", [theirs.fileno()])
            self._sock.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        except OSError as error:
            ours.close()
            raise LinkError("the test cannot be reached: %s" % error) from None
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def release(self, connection):
        # type: (socket.socket) -> None
        self._free.append(connection)

    def ask(self, kind, payload, use=None):
        # type: (int, bytes, Callable[[bytes], tuple[int, bytes]] | None) -> tuple[int, bytes]
        """The answer's kind and payload. What a signal handler raises meanwhile comes out of here.

        ``use`` answers what the test asks for before that.
        """
        connection = self.connect()
        answer = self.ask_on(connection, kind, payload, use)
        self.release(connection)
        return answer

    def ask_on(self, connection, kind, payload, use=None):
        # type: (socket.socket, int, bytes, Callable[[bytes], tuple[int, bytes]] | None) -> tuple[int, bytes]
        """The same over a connection of the caller's, which is closed where anything comes out of here."""
        try:
            try:
                send(connection, kind, payload)
            except BrokenPipeError:
                pass  # what is there to be read says why
            answer = receive(connection)
            while answer is not None and answer[0] == USE and use is not None:
                send(connection, *use(answer[1]))
                answer = receive(connection)
            if answer is None:
                raise LinkError("the test has gone away")
            check(*answer)
        except BaseException:
            connection.close()  # what it was about may still come on it
            raise
        return answer
