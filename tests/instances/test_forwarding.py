"""Connections to services of the test: one whose service does not accept holds up nothing but itself."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading

import pytest

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


def no_thread(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Have the start of so manieth a thread fail, as where there can be no more."""
    start, count = threading.Thread.start, itertools.count(1)

    def start_or_fail(thread: threading.Thread) -> None:
        if next(count) == number:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)


@pytest.mark.parametrize("number", [1, 2])
def test_nothing_listens_where_there_is_no_thread_for_it(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    before = set(threading.enumerate())
    listening = [socket.create_server(("127.0.0.1", 0)).detach() for _ in range(2)]
    no_thread(monkeypatch, number)
    with pytest.raises(RuntimeError, match="new thread"):
        Forwarder([1, 2], listening)
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
    for fd in listening:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_a_connection_without_a_thread_for_its_answers_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    uncaught: list[object] = []
    monkeypatch.setattr(threading, "excepthook", uncaught.append)
    no_thread(monkeypatch, 3)
    with socket.create_server(("127.0.0.1", 0)) as service, socket.create_server(("127.0.0.1", 0)) as inside:
        forwarder = Forwarder([service.getsockname()[1]], [socket.dup(inside.fileno())])
        with socket.create_connection(inside.getsockname(), timeout=60) as client:
            assert client.recv(1) == b""
        closed = threading.Event()
        forwarder.close(closed.set)
        assert closed.wait(60)
    assert uncaught == []
