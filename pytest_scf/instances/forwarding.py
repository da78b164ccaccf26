"""Connections of an instance to services of the test: taken in the instance's network, passed on in the test's."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
from collections.abc import Callable, Sequence

from pytest_scf.instances.sockets import Socket

_PIECE = 1 << 16
#: seconds after which to try again to accept when no descriptor is left: there is no event for one that becomes free
_RETRY_INTERVAL = 0.05
_FOR_NOW = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Forwarder:
    """Takes connections on sockets that listen inside, and passes each on to 127.0.0.1 outside, at the same port.

    Each connection has a thread for each direction, so that one that is blocked, or whose service does not accept it,
    does not hold up the others. Raises RuntimeError, with all of ``listening`` closed, where there is no thread for it.
    """

    def __init__(self, ports: Sequence[int], listening: list[int]) -> None:
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._sockets: set[socket.socket] = set()
        self._running = 0
        self._then: Callable[[], object] | None = None
        waiting = [(Socket(fileno=fd), port) for port, fd in zip(ports, listening, strict=True)]
        try:
            while waiting:
                self._start(self._take_all, *waiting[0])
                del waiting[0]  # its thread closes it
        except BaseException:
            self.close(lambda: None)
            for taking, _port in waiting:
                taking.close()
            raise

    def close(self, then: Callable[[], object]) -> None:
        """End all connections. ``then`` is called when nothing of them is open any more, in any thread."""
        with self._lock:
            self._closed.set()
            self._then = then
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it or connects it
            finished = not self._running
        if finished:
            then()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            self._running += 1
        thread = threading.Thread(target=self._run, args=(work, *arguments), name="pytest-scf-forwarder", daemon=True)
        try:
            thread.start()
        except BaseException:
            self._ended()
            raise

    def _run(self, work: Callable[..., None], *arguments: object) -> None:
        try:
            with contextlib.suppress(OSError):
                work(*arguments)
        finally:
            self._ended()

    def _ended(self) -> None:
        with self._lock:
            self._running -= 1
            then = self._then if not self._running else None
        if then is not None:
            then()

    def _keep(self, sock: socket.socket) -> bool:
        """Have a socket shut down on close; False if this is closed already."""
        with self._lock:
            self._sockets.add(sock)
            return not self._closed.is_set()

    def _drop(self, *sockets: socket.socket) -> None:
        with self._lock:
            for sock in sockets:
                self._sockets.discard(sock)
                sock.close()

    def _take_all(self, taking: socket.socket, port: int) -> None:
        try:
            if not self._keep(taking):
                return
            while True:
                try:
                    inside, _address = taking.accept()
                except OSError as error:
                    if error.errno not in _FOR_NOW or self._closed.wait(_RETRY_INTERVAL):
                        return
                else:
                    try:
                        self._start(self._serve, inside, port)
                    except RuntimeError:  # the limit of threads is reached
                        inside.close()
        finally:
            self._drop(taking)

    def _serve(self, inside: socket.socket, port: int) -> None:
        with contextlib.ExitStack() as undo:
            undo.callback(self._drop, inside)
            outside = Socket()
            undo.callback(self._drop, outside)
            if self._keep(inside) and self._keep(outside):
                # Where it is refused: the other one is accepted already, so closing it is all that can be done.
                outside.connect(("127.0.0.1", port))
                answers = threading.Thread(target=_pass_on, args=(outside, inside), daemon=True)
                try:
                    answers.start()
                except RuntimeError:  # the limit of threads is reached
                    return
                _pass_on(inside, outside)
                answers.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Copy data until one side ends, then shut down the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    for sock, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            sock.shutdown(how)
