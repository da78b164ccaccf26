"""The socket to the init of an instance: who its processes are, how the user's process ended, and signals to it."""

from __future__ import annotations

import array
import socket
import struct
import threading
from collections.abc import Callable

from pytest_scf.instances import messages
from pytest_scf.instances.forkserver import fdpassing
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.runtime_channel import Guard
from pytest_scf.instances.sockets import poller, socketpair
from pytest_scf.runtimes import wire

_CREDENTIALS = struct.Struct("3i")
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class InitChannel:
    def __init__(
        self,
        reactor: Reactor,
        guard: Guard,
        on_message: Callable[[int, bytes, int | None, list[int]], None],
        on_descriptors_lost: Callable[[], None],
    ) -> None:
        """``on_message`` is called in the reactor's thread: kind, payload, PID of the sender, and descriptors.

        ``on_descriptors_lost`` is called where this process could not take descriptors that were sent.
        Raises OSError where no sockets can be had.
        """
        self._reactor = reactor
        self._on_message = on_message
        self._on_descriptors_lost = on_descriptors_lost
        self._reader = wire.Reader(messages.INIT_LIMITS)
        self._lock = threading.Lock()
        self._stopped = False
        #: held from a question to its answer: answers carry no number
        self._asking = threading.Lock()
        self._changed = threading.Condition()
        self._answer: bytes | None = None
        #: no answer comes any more
        self._over = False
        self._socket, theirs = socketpair()
        self._socket.setblocking(False)
        if hasattr(socket, "SO_PASSCRED"):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        reactor.watch(self._socket.fileno(), guard(self.receive))
        #: for the instance; closed by whoever hands it over
        self.theirs = theirs.detach()

    def send(self, frame: bytes) -> bool:
        """Send a short frame; returns whether it could be sent."""
        with self._lock:
            try:
                self._socket.send(frame)
            except OSError:
                return False
            return True

    def signal(self, signum: int, timeout: float) -> bytes | None:
        """Have the init send a signal to the user's process, its child. Waits for the answer: see ``wire.SIGNALLED``.

        b"" where none can come any more; None where there was none within ``timeout`` seconds.
        """
        with self._asking, self._changed:
            self._answer = None
            if not self._over and self.send(wire.frame(wire.SIGNAL, bytes([signum]))):
                self._changed.wait_for(lambda: self._answer is not None or self._over, timeout)
                return b"" if self._over and self._answer is None else self._answer
            return b""

    def _take_answer(self, answer: bytes) -> None:
        with self._changed:
            self._answer = answer
            self._changed.notify_all()

    def end_answers(self) -> None:
        """The user's process has ended: who waits for an answer waits no more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def receive(self) -> bool:
        """Take what the init has sent (reactor's thread); False when there is no more of it."""
        if self._stopped:
            return False
        try:
            data, ancillary, flags, _address = self._socket.recvmsg(4096, 256, _CLOSE_ON_EXEC)
        except BlockingIOError:
            return False
        except OSError:
            data, ancillary, flags = b"", [], 0
        fds: array.array[int] = array.array("i")
        sender = None
        for level, kind, content in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_RIGHTS:
                fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
            elif kind == getattr(socket, "SCM_CREDENTIALS", None):
                sender = _CREDENTIALS.unpack(content[: _CREDENTIALS.size])[0]
        if not data:
            self._stop()
            return False
        if flags & socket.MSG_CTRUNC:
            fdpassing.close_all(fds)
            fds = array.array("i")
            self._on_descriptors_lost()
        for kind, payload in self._reader.feed(data):
            if kind == wire.SIGNALLED:
                self._take_answer(payload)
            else:
                self._on_message(kind, payload, sender, list(fds))
        return True

    def wait_for_hang_up(self, timeout: float) -> None:
        """Wait until the init has closed its end, for at most ``timeout`` seconds."""
        poll = poller()
        poll.register(self._socket, 0)
        poll.poll(timeout * 1000)

    def _stop(self) -> None:
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._reactor.unregister(self._socket.fileno())

    def close(self) -> None:
        self._stop()
        self.end_answers()
        with self._lock:
            self._socket.close()
