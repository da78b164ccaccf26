"""Connections to services of the test: one whose service does not accept holds up nothing but itself."""

from __future__ import annotations

import contextlib
import socket
import threading

from pytest_scf.instances.forwarding import Forwarder
from pytest_scf.instances.sockets import Socket


def test_closing_does_not_wait_for_a_service_that_does_not_accept() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as service, socket.create_server(("127.0.0.1", 0)) as inside:
        port = service.getsockname()[1]
        forwarder = Forwarder([port], [Socket(fileno=socket.dup(inside.fileno())).detach()])
        clients = [socket.create_connection(inside.getsockname()) for _ in range(6)]
        closed = threading.Event()
        forwarder.close(closed.set)
        assert closed.wait(60)
        for client in clients:
            client.settimeout(60)
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""
            client.close()


def test_what_is_sent_is_passed_on_in_both_directions_until_each_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as service, socket.create_server(("127.0.0.1", 0)) as inside:
        forwarder = Forwarder([service.getsockname()[1]], [Socket(fileno=socket.dup(inside.fileno())).detach()])
        with socket.create_connection(inside.getsockname(), timeout=60) as client:
            taken, _address = service.accept()
            with taken:
                client.sendall(b"question")
                client.shutdown(socket.SHUT_WR)
                assert taken.makefile("rb").read() == b"question"
                taken.sendall(b"answer")
            assert client.makefile("rb").read() == b"answer"
        closed = threading.Event()
        forwarder.close(closed.set)
        assert closed.wait(60)
