"""Clients that are many, slow, half-open or malformed, and the end of the endpoint while they are there."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from wiring import DEADLINE, GOOD, Running, answers_in, connect, mirror, read_answer, read_to_the_end, signed

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.gateway import Answer
from pytest_scf.endpoint.listener import listen
from pytest_scf.endpoint.message import Message
from pytest_scf.endpoint.request_reader import Limits
from pytest_scf.endpoint.server import Endpoint, Server, api_connections
from pytest_scf.errors import UsageError


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(answer: Callable[[Message], Answer] = mirror, **limits: Any) -> Running:
        started.append(Running(answer, Limits(**limits)))
        return started[-1]

    yield start
    for running in started:
        running.server.close(grace=DEADLINE)
        for sock in running.sockets:
            sock.close()


Run = Callable[..., Running]
POST = b"POST / HTTP/1.1\r\nHost: here\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def test_a_connection_serves_one_request_after_the_other(run: Run) -> None:
    sock = run().connect()
    for body in (b"", b"first", b"x" * 100_000, b"last"):
        sock.sendall(b"POST /p?q=1 HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = read_answer(sock)
        assert (answer["Body"].encode(), answer["Path"], answer["Query"]) == (body, "/p", "q=1")


def test_requests_that_come_all_at_once_are_answered_in_order(run: Run) -> None:
    data = b"".join(GOOD.replace(b"body", b"%04d" % number) for number in range(50))
    assert [answer["Body"] for answer in answers_in(run().send(data))] == [f"{number:04d}" for number in range(50)]


@pytest.mark.parametrize(
    "head", [b"POST / HTTP/1.0\r\n", b"POST / HTTP/1.1\r\nConnection: close\r\n"], ids=["HTTP/1.0", "close"]
)
def test_a_connection_ends_where_that_is_asked_for(run: Run, head: bytes) -> None:
    sock = run().connect()
    sock.sendall(head + b"Content-Length: 4\r\n\r\nbody" + GOOD)
    assert len(answers_in(read_to_the_end(sock))) == 1


def test_a_body_in_chunks(run: Run) -> None:
    chunked = CHUNKED + b"3;x=y\r\nbod\r\n1\r\ny\r\n0\r\nTrailer: 1\r\n\r\n"
    assert [answer["Body"] for answer in answers_in(run().send(chunked + GOOD))] == ["body", "body"]


def test_a_body_that_waits_to_be_asked_for(run: Run) -> None:
    sock = run().connect()
    sock.sendall(POST + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"body")
    assert read_answer(sock)["Body"] == "body"


def test_a_target_as_it_is_sent_to_a_proxy(run: Run) -> None:
    (answer,) = answers_in(run().send(b"GET http://scf.tencentcloudapi.com/?Action=A HTTP/1.1\r\nHost: a\r\n\r\n"))
    assert (answer["Path"], answer["Query"]) == ("/", "Action=A")


#: what RFC 9112 refuses, or this server does, and what the answer says
MALFORMED = {
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\n", "illegal request line"),
    "a version that is none": (b"POST / HTTP/one\r\n\r\n", "illegal request line"),
    "HTTP 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/2.0 is not HTTP/1.1"),
    "another method": (POST.replace(b"POST", b"DELETE") + b"\r\n", "The method 'DELETE' is not GET or POST"),
    "a switch of protocols": (b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n", "The method 'CONNECT'"),
    "no host": (b"POST / HTTP/1.1\r\n\r\n", "Host"),
    "two hosts": (POST + b"Host: there\r\n\r\n", "Host"),
    "a first line too long": (b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n", "too long"),
    "a header too long": (POST + b"A: " + b"x" * 200_000 + b"\r\n\r\n", "too long"),
    "a space before a colon": (POST + b"Content-Length : 4\r\n\r\nbody", "illegal header line"),
    "a header without a name": (POST + b": 4\r\n\r\n", "illegal header line"),
    "a continued line without a first one": (b"POST / HTTP/1.1\r\n Host: here\r\n\r\n", "continuation line"),
    "a NUL in a header": (POST + b"A: \0\r\n\r\n", "illegal header line"),
    "a length that is none": (POST + b"Content-Length: many\r\n\r\n", "Content-Length"),
    "a length below 0": (POST + b"Content-Length: -1\r\n\r\n", "Content-Length"),
    "a length with a sign": (POST + b"Content-Length: +4\r\n\r\nbody", "Content-Length"),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "Content-Length"),
    "a length and chunks": (
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "send one of them",
    ),
    "a coding that is not known": (POST + b"Transfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding"),
    "two codings": (POST + b"Transfer-Encoding: chunked\r\n" * 2 + b"\r\n0\r\n\r\n", "Transfer-Encoding"),
    "two codings in one": (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding"),
    "a chunk without a size": (CHUNKED + b"zz\r\n", "illegal chunk header"),
    "a chunk size with a prefix": (CHUNKED + b"0x2\r\nab\r\n0\r\n\r\n", "illegal chunk header"),
    "a chunk size with a sign": (CHUNKED + b"+2\r\nab\r\n0\r\n\r\n", "illegal chunk header"),
    "a chunk of another size": (CHUNKED + b"2\r\nabcd\r\n", "malformed chunk footer"),
    "a trailer without an end": (CHUNKED + b"0\r\n" + b"A: b\r\n" * 200, "illegal header line"),
}


@pytest.mark.parametrize(("data", "words"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests_are_answered_in_the_cloud_s_shape(run: Run, data: bytes, words: str) -> None:
    running = run()
    (answer,) = answers_in(running.send(data + GOOD))
    assert answer["Error"]["Code"] in ("InvalidRequest", "UnsupportedProtocol")
    assert words in answer["Error"]["Message"]
    assert running.is_well()


def test_the_answer_to_a_head_request_has_no_body(run: Run) -> None:
    found = run().send(b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\n")
    assert found.startswith(b"HTTP/1.1 200 OK\r\n")
    assert found.endswith(b"\r\n\r\n")


def test_empty_lines_before_a_request_are_passed_over(run: Run) -> None:
    assert [answer["Body"] for answer in answers_in(run().send(b"\r\n\n" + GOOD + b"\r\n" + GOOD))] == ["body", "body"]


def test_empty_lines_do_not_keep_a_connection_open(run: Run) -> None:
    sock = run(idle_seconds=0.3).connect()
    done = threading.Event()

    def drip() -> None:
        while not done.wait(0.01):
            try:
                sock.sendall(b"\r\n")
            except OSError:
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert read_to_the_end(sock) == b""
    finally:
        done.set()
        dripping.join()


def test_headers_that_come_more_than_once_are_one_list(run: Run) -> None:
    (answer,) = answers_in(run().send(POST + b"A: 1\r\na:  2 \r\n\r\n"))
    assert answer["Headers"]["a"] == "1, 2"


@pytest.mark.parametrize(
    "data",
    [b"", b"\r\n\r\n", b"GET", GOOD[:-1], GOOD[:30], CHUNKED + b"9\r\nab"],
)
def test_a_client_that_leaves_in_the_middle_of_a_request(run: Run, data: bytes) -> None:
    running = run()
    running.send(data)
    assert running.is_well()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit(run: Run, chunked: bool) -> None:
    running = run(body_bytes=1000)
    assert answers_in(running.send(GOOD.replace(b"4", b"1000").replace(b"body", b"x" * 1000)))[0]["Body"] == "x" * 1000
    how = b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" if chunked else b"Content-Length: 1001\r\n\r\n"
    (answer,) = answers_in(running.send(POST + how + b"x" * 1001 + b"\r\n0\r\n\r\n"))
    assert answer["Error"]["Code"] == "RequestSizeLimitExceeded"
    assert "1000 bytes" in answer["Error"]["Message"]


def test_a_body_over_the_limit_is_not_asked_for(run: Run) -> None:
    sock = run(body_bytes=1000).connect()
    sock.sendall(POST + b"Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n")
    assert read_answer(sock)["Error"]["Code"] == "RequestSizeLimitExceeded"


def test_a_client_that_is_refused_reads_the_answer_although_it_goes_on_sending(run: Run) -> None:
    running = run(body_bytes=1_000_000)
    (answer,) = answers_in(running.send(POST + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3_000_000))
    assert answer["Error"]["Code"] == "RequestSizeLimitExceeded"


@pytest.mark.parametrize("begun", [b"P", GOOD[:30], GOOD[:-1]])
def test_a_request_that_does_not_come_to_its_end(run: Run, begun: bytes) -> None:
    running = run(request_seconds=0.1)
    sock = running.connect()
    sock.sendall(begun)
    assert read_answer(sock)["Error"] == {
        "Code": "InvalidRequest",
        "Message": "The request was not complete within 0.1 seconds.",
    }
    assert running.is_well()


def test_a_connection_without_a_request_is_closed_and_told_nothing(run: Run) -> None:
    assert read_to_the_end(run(idle_seconds=0.1).connect()) == b""
    listener = listen("127.0.0.1", 0)
    with connect(listener.getsockname()[1]) as used:
        used.sendall(GOOD)  # before it is idle for anybody
        server = Server(listener, api_connections(mirror, Limits(idle_seconds=1)))
        assert len(answers_in(read_to_the_end(used))) == 1
        server.close(grace=DEADLINE)


def test_clients_that_say_nothing_are_in_nobody_s_way(run: Run) -> None:
    running = run()
    for _ in range(60):
        running.connect()
        running.connect().sendall(b"POST / HTTP/1.1\r\nContent-")
    assert running.is_well()
    running.server.close(grace=DEADLINE)
    assert [read_to_the_end(sock) for sock in running.sockets[:-1]] == [b""] * 120


class Held:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.left = threading.Semaphore(0)

    def __call__(self, message: Message) -> Answer:
        self.arrived.release()
        self.go_on.wait(DEADLINE)
        self.left.release()
        return mirror(message)


def test_requests_in_flight_are_answered_before_the_end(run: Run) -> None:
    held = Held()
    running = run(held)
    sockets = [running.connect() for _ in range(20)]
    for sock in sockets:
        sock.sendall(GOOD)
        assert held.arrived.acquire(timeout=DEADLINE)
    closing = threading.Thread(target=running.server.close, kwargs={"grace": DEADLINE})
    closing.start()
    held.go_on.set()
    closing.join(DEADLINE)
    assert [len(answers_in(read_to_the_end(sock))) for sock in sockets] == [1] * 20
    with pytest.raises(ConnectionRefusedError):
        running.connect()


def test_requests_that_take_too_long_are_answered_by_an_error(run: Run) -> None:
    held = Held()
    running = run(held)
    sock = running.connect()
    sock.sendall(GOOD)
    assert held.arrived.acquire(timeout=DEADLINE)
    running.server.close(grace=0)
    (answer,) = answers_in(read_to_the_end(sock))
    assert answer["Error"]["Code"] == "InternalError"
    assert "closed" in answer["Error"]["Message"]
    held.go_on.set()
    assert held.left.acquire(timeout=DEADLINE)


def test_a_client_that_does_not_read_delays_the_end_no_longer_than_the_grace(run: Run) -> None:
    arrived = threading.Event()

    def much(message: Message) -> Answer:
        arrived.set()
        return Answer(b" " * 50_000_000, "Much", None, "1")

    running = run(much)
    running.connect().sendall(GOOD)
    assert arrived.wait(DEADLINE)
    running.server.close(grace=0.1)


def test_a_client_that_is_gone_when_its_answer_comes(run: Run) -> None:
    held = Held()
    running = run(held)
    sock = running.connect()
    sock.sendall(GOOD)
    assert held.arrived.acquire(timeout=DEADLINE)
    sock.close()
    held.go_on.set()
    assert running.is_well()


def test_a_hundred_clients_at_a_time(scf_runtime: ScfRuntime, scf_endpoint: Endpoint) -> None:
    pytest.importorskip("tencentcloud.common.sign")
    scf_runtime.deploy("def main_handler(event, context):\n    return event\n", name="echo", max_instances=4)
    at_once = threading.Barrier(100)

    def client(number: int) -> list[Any]:
        with connect(scf_endpoint.port) as sock:
            at_once.wait(DEADLINE)
            found = []
            for _ in range(5):
                sock.sendall(signed(scf_endpoint, "GetAsyncEventStatus", {"InvokeRequestId": str(number)}))
                found.append(read_answer(sock)["Error"]["Message"])
            return found

    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(client, range(100)))
    assert len(answers) == 100
    for number, found in enumerate(answers):
        assert len(found) == 5
        assert all(f" {number} " in f" {message} ".replace(".", " ") for message in found), found


def test_the_host_is_what_was_sent(scf_endpoint: Endpoint) -> None:
    pytest.importorskip("tencentcloud.common.sign")
    with connect(scf_endpoint.port) as sock:
        for host in ("scf.tencentcloudapi.com", f"http://{scf_endpoint.host}", "UPPER.example:80"):
            sock.sendall(signed(scf_endpoint, "GetAsyncEventStatus", {"InvokeRequestId": "1"}, host=host))
            assert read_answer(sock)["Error"]["Code"] == "ResourceNotFound.AsyncEvent"
            forged = signed(scf_endpoint, "GetAsyncEventStatus", {"InvokeRequestId": "1"}, headers={"Host": host + "x"})
            sock.sendall(forged)
            assert read_answer(sock)["Error"]["Code"] == "AuthFailure.SignatureFailure"


def test_a_port_that_is_taken_is_an_error_at_once(scf_runtime: ScfRuntime, scf_endpoint: Endpoint) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1:{scf_endpoint.port}"):
        scf_runtime.endpoint(port=scf_endpoint.port)
    for port in (-1, 65536, "80", True):
        with pytest.raises(UsageError, match="port must be"):
            scf_runtime.endpoint(port=port)  # type: ignore[arg-type]


def test_nothing_listens_where_nothing_can_serve(scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    listeners: list[socket.socket] = []

    def note(host: str, port: int) -> socket.socket:
        listeners.append(listen(host, port))
        return listeners[-1]

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("pytest_scf.endpoint.server.listen", note)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(UsageError, match=r"cannot serve 127.0.0.1:0: can't start new thread"):
        scf_runtime.endpoint()
    assert [each.fileno() for each in listeners] == [-1]


class SlowToLeave:
    """A connection whose thread gets no processor for a moment when its socket has been shut down."""

    def __init__(self, sock: socket.socket, peer: object) -> None:
        self._sock = sock

    def serve(self) -> None:
        self._sock.sendall(b"here")
        self._sock.recv(1)
        time.sleep(0.3)
        self._sock.close()

    def stop(self, *, at_once: bool) -> bool:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        return False


def test_no_connection_is_open_when_it_is_closed() -> None:
    server = Server(listener := listen("127.0.0.1", 0), SlowToLeave)
    with socket.create_connection(listener.getsockname()) as client:
        assert client.recv(4) == b"here"
        server.close(0)
        assert "pytest-scf-client" not in {thread.name for thread in threading.enumerate()}
