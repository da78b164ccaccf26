"""One connection of a client: HTTP/1.1 with the standard library's parser, request after request.

Every answer is HTTP 200 with JSON in the cloud's shape, also one to bytes that are no HTTP.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, cast

from pytest_scf.api_errors import InternalError, InvalidRequest, RequestSizeLimitExceeded, UnsupportedProtocol
from pytest_scf.endpoint.gateway import Answer, refusal
from pytest_scf.endpoint.message import Message
from pytest_scf.errors import ApiError


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take of the server."""

    #: bytes of a body: the cloud takes 10 MB, but the largest event (6 MB) may need twice its size as JSON in JSON
    body_bytes: int = 16 * 1024 * 1024
    #: seconds from the first byte of a request to its last
    request_seconds: float = 30.0
    #: seconds that a connection may be open without a request
    idle_seconds: float = 75.0


class Refused(Exception):
    """The request cannot be read; the connection ends with the answer, since what follows cannot be told."""

    def __init__(self, error: ApiError) -> None:
        self.error = error


class _Incoming(io.RawIOBase):
    """The bytes of a socket, with one deadline for all of a request however slowly they come."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits
        self._deadline: float | None = None

    def expect_request(self) -> None:
        """What comes next begins a request, which may take its time to come."""
        self._deadline = None

    @property
    def begun(self) -> bool:
        return self._deadline is not None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._deadline is None:
            self._sock.settimeout(self._limits.idle_seconds)
            count = self._sock.recv_into(buffer)
            self._deadline = time.monotonic() + self._limits.request_seconds
            return count
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class Connection(BaseHTTPRequestHandler):
    """``serve`` returns when the connection has ended; ``stop`` may be called from another thread."""

    protocol_version = "HTTP/1.1"

    def __init__(
        self,
        sock: socket.socket,
        peer: Any,
        limits: Limits,
        answer: Callable[[Message], Answer],
        log: Callable[[Any, Answer, float], None],
    ) -> None:
        # The base class would read all requests in here.
        self.connection = self.request = sock
        self.client_address = peer
        self._limits = limits
        self._answer = answer
        self._log = log
        self._lock = threading.Lock()
        self._stopped = False
        #: "reading", "answering" or "writing": whoever leads it from the second to the third may write to the socket
        self._state = "reading"
        self._began = 0.0
        self.command = ""
        self.close_connection = True

    def serve(self) -> None:
        sock = self.connection
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming = self._incoming = _Incoming(sock, self._limits)
        self.rfile = io.BufferedReader(incoming, 65536)
        self.wfile = cast(io.BufferedIOBase, _Outgoing(self))
        try:
            self.close_connection = False
            while not self.close_connection:
                self.handle_one_request()
        except OSError:
            pass  # the client is gone, says nothing, or reads nothing
        finally:
            self.rfile.close()
            sock.close()

    def handle_one_request(self) -> None:
        self.command = ""
        incoming = self._incoming
        incoming.expect_request()
        try:
            self.raw_requestline = self.rfile.readline(65537)
            self._began = time.perf_counter()
            if not self.raw_requestline:
                self.close_connection = True
                return
            if self.raw_requestline in (b"\r\n", b"\n"):
                return  # to be passed over before a request
            if len(self.raw_requestline) > 65536:
                raise Refused(InvalidRequest("The first line of the request is too long."))
            if not self.parse_request():  # which has answered through send_error
                self.close_connection = True
                return
            message = self._message()
        except TimeoutError:
            self.close_connection = True
            if incoming.begun:
                self._refuse(
                    InvalidRequest(f"The request was not complete within {self._limits.request_seconds:g} seconds.")
                )
            return
        except Refused as refused:
            self.close_connection = True
            self._refuse(refused.error)
            return
        with self._lock:
            if self._stopped:
                self.close_connection = True
                return
            self._state = "answering"
        self._finish(self._answer(message))

    def _message(self) -> Message:
        headers = {name.lower(): value.strip() for name, value in self.headers.items()}
        if self.command not in ("GET", "POST"):
            raise Refused(UnsupportedProtocol(f"The method {self.command!r} is not GET or POST."))
        target = self.path
        if not target.startswith("/"):  # as a proxy is sent it: scheme and host before the path
            _, _, rest = target.partition("://")
            _, slash, rest = rest.partition("/")
            target = slash + rest
        path, _, query = target.partition("?")
        return Message(self.command, path or "/", query, headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> bytes:
        coding = headers.get("transfer-encoding", "").lower()
        length = headers.get("content-length")
        if coding:
            if coding != "chunked" or length is not None:
                raise Refused(InvalidRequest(f"The Transfer-Encoding {coding!r} is not taken here, only chunked."))
            return self._chunks()
        if len(self.headers.get_all("content-length", [])) > 1:
            raise Refused(InvalidRequest("There is more than one Content-Length."))
        if length is None:
            return b""
        if not (length.isascii() and length.isdigit() and len(length) < 16):
            raise Refused(InvalidRequest(f"The Content-Length {length[:40]!r} is no number of bytes."))
        count = int(length)
        self._check_size(count)
        return self._read(count)

    def _read(self, count: int) -> bytes:
        body = self.rfile.read(count)
        if len(body) != count:
            raise ConnectionError("the client closed the connection in the middle of a request")
        return body

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                count = int(size, 16) if size.isalnum() else -1
            except ValueError:
                count = -1
            if count < 0:
                raise Refused(InvalidRequest("A chunk of the body does not begin with its size."))
            self._check_size(len(body) + count)
            if count == 0:
                break
            body += self._read(count)
            if self.rfile.readline(3) != b"\r\n":
                raise Refused(InvalidRequest("A chunk of the body has not the size that it says."))
        for _ in range(100):
            if self.rfile.readline(65537) in (b"\r\n", b"\n", b""):
                return bytes(body)
        raise Refused(InvalidRequest("The body is followed by too many headers."))

    def _check_size(self, count: int) -> None:
        if count > self._limits.body_bytes:
            raise Refused(
                RequestSizeLimitExceeded(
                    f"The body is larger than {self._limits.body_bytes} bytes, which is the limit."
                )
            )

    # -- answers -------------------------------------------------------------------------------------------------

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library's parser has to say."""
        text = message or HTTPStatus(code).phrase
        self.close_connection = True
        self._refuse(InvalidRequest(f"This is no HTTP request that can be read: {text}."))

    def _refuse(self, error: ApiError) -> None:
        """Answer a request of which the rest may not have been read."""
        with self._lock:
            if self._stopped:
                return
            self._state = "answering"
        self._finish(refusal(error))
        self._drain()

    def _drain(self) -> None:
        """Take what the client still sends, for a while: closed at once, it might never read the answer."""
        sock = self.connection
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + min(2.0, self._limits.request_seconds)
            left = 4 * self._limits.body_bytes
            while left > 0 and (seconds := deadline - time.monotonic()) > 0:
                sock.settimeout(seconds)
                taken = len(sock.recv(1 << 16))
                if not taken:
                    return
                left -= taken

    def _finish(self, answer: Answer) -> None:
        with self._lock:
            if self._stopped:
                self.close_connection = True
            if self._state != "answering":
                return  # given by ``stop`` in our stead
            self._state = "writing"
        self._write(answer, self._limits.request_seconds)
        with self._lock:
            self._state = "reading"
            if self._stopped:
                self.close_connection = True

    def _write(self, answer: Answer, timeout: float) -> None:
        self._log(self.client_address, answer, time.perf_counter() - self._began)
        head = (
            "HTTP/1.1 200 OK\r\nServer: pytest-scf\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            f"Connection: {'close' if self.close_connection else 'keep-alive'}\r\n\r\n"
        )
        self.connection.settimeout(timeout)
        self.connection.sendall(head.encode() + (b"" if self.command == "HEAD" else answer.body))

    def stop(self, *, at_once: bool) -> bool:
        """Take no further request; whether one is still being answered.

        ``at_once`` does not wait for that: the client is given an error, and the thread finds nobody to answer.
        """
        with self._lock:
            self._stopped = True
            busy = self._state != "reading"
            if busy and not at_once:
                return True
            answering = self._state == "answering"
            if answering:
                self._state = "writing"
        with contextlib.suppress(OSError):
            if answering:
                self.close_connection = True
                error = InternalError("The endpoint was closed before the request was done.")
                self._write(refusal(error), 1.0)
            self.connection.shutdown(socket.SHUT_RDWR)
        return busy


class _Outgoing(io.RawIOBase):
    """For what the base class writes by itself: ``HTTP/1.1 100 Continue``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._connection.connection.sendall(data)
        return len(data)


def describe(answer: Answer) -> str:
    """One line: the action and what came of it."""
    if answer.error is None:
        return f"{answer.action}: ok, RequestId {answer.request_id}"
    error = json.loads(answer.body)["Response"]["Error"]
    return f"{answer.action or 'no action'}: {error['Code']}: {error['Message']} RequestId {answer.request_id}"
