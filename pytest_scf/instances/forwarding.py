"""Connections of an instance to services of the test: taken in the instance's network, passed on in the test's."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from pytest_scf.instances.sockets import Socket

_PIECE = 1 << 16


class Forwarder:
    """Takes connections on sockets that listen inside, and passes each on to 127.0.0.1 outside, at the same port.

    Each direction of a connection has a thread, so that one that is full holds up nothing but itself.
    """

    def __init__(self, ports: list[int], listening: list[int]) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        for port, fd in zip(ports, listening, strict=True):
            taking = Socket(fileno=fd)
            self._sockets.add(taking)
            self._start(self._take_all, taking, port)

    def close(self) -> None:
        """End all connections. Returns when nothing of them is open any more."""
        with self._lock:
            self._closed = True
            for sock in self._sockets:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)  # which wakes the thread that waits for it
        for thread in self._threads:
            thread.join()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name="pytest-scf-forwarder", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take_all(self, taking: socket.socket, port: int) -> None:
        with contextlib.suppress(OSError), taking:
            while True:
                inside, _address = taking.accept()
                outside = Socket()
                try:
                    outside.connect(("127.0.0.1", port))
                except OSError:
                    outside.close()
                    inside.close()  # as near to a refusal as one comes who has taken the connection
                    continue
                with self._lock:
                    if self._closed:
                        inside.close()
                        outside.close()
                        return
                    self._sockets |= {inside, outside}
                    self._threads = [thread for thread in self._threads if thread.is_alive()]
                    self._start(self._serve, inside, outside)

    def _serve(self, inside: socket.socket, outside: socket.socket) -> None:
        answers = threading.Thread(target=_pass_on, args=(outside, inside), name="pytest-scf-forwarder", daemon=True)
        answers.start()
        _pass_on(inside, outside)
        answers.join()
        with self._lock:
            self._sockets -= {inside, outside}
            inside.close()
            outside.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until one side ends, and tell the other so."""
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
    for sock, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            sock.shutdown(how)
