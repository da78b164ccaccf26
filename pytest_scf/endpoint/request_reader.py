"""Reads requests from a socket with h11, and refuses what RFC 9112 refuses.

h11 does no I/O, so that the deadlines stay here. 0.16 is the first version that refuses a chunk that is longer than it
says. It is used for reading only: an answer has always the same few headers, also one to bytes that are no HTTP.
"""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass

import h11

from pytest_scf.api_errors import InvalidRequest, RequestSizeLimitExceeded, UnsupportedProtocol
from pytest_scf.endpoint.message import Message
from pytest_scf.errors import ApiError

#: bytes of the request line and the headers; the parameters of a GET are in the request line
_HEAD_BYTES = 64 * 1024
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


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
    """The request cannot be read. The connection ends with the answer, as where the next one begins is not known.

    ``head`` where it is a HEAD request, whose answer has no body.
    """

    def __init__(self, error: ApiError, *, head: bool = False) -> None:
        self.error = error
        self.head = head


class RequestReader:
    """The requests of one connection, one after the other."""

    def __init__(self, sock: socket.socket, limits: Limits) -> None:
        self._sock = sock
        self._limits = limits
        self._http = h11.Connection(h11.SERVER)
        self._deadline = 0.0
        #: received, and not yet read: the beginning of the next request
        self._left = b""
        #: when the first byte of the request came (``time.perf_counter``); 0.0 before that
        self.began = 0.0
        #: whether another request may follow the one that was read last
        self.keep_alive = False

    def read(self) -> Message | None:
        """The next request; None where the client closed the connection before, or was idle for too long.

        Raises Refused, and OSError where the connection breaks in the middle of a request.
        """
        self.keep_alive = False
        self.began = 0.0
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._deadline = time.monotonic() + self._limits.idle_seconds
        self._feed(self._left)
        try:
            return self._message()
        except h11.RemoteProtocolError as error:
            raise Refused(InvalidRequest(f"This is no HTTP request that can be read: {error}.")) from error
        except TimeoutError:
            if not self.began:
                return None
            seconds = self._limits.request_seconds
            raise Refused(InvalidRequest(f"The request was not complete within {seconds:g} seconds.")) from None
        except _Closed:
            return None

    def _message(self) -> Message:
        request = self._next()
        assert isinstance(request, h11.Request)
        headers = _headers(request)
        method = request.method.decode("ascii")
        if request.http_version not in (b"1.0", b"1.1"):
            raise Refused(UnsupportedProtocol(f"HTTP/{request.http_version.decode()} is not HTTP/1.1."))
        if method not in ("GET", "POST"):
            raise Refused(UnsupportedProtocol(f"The method {method!r} is not GET or POST."), head=method == "HEAD")
        if "transfer-encoding" in headers and "content-length" in headers:
            raise Refused(InvalidRequest("The request has a Transfer-Encoding and a Content-Length: send one of them."))
        body = self._body(headers)
        self.keep_alive = self._http.their_state is h11.DONE
        self._left = self._http.trailing_data[0]
        path, query = _split(request.target.decode("ascii"))
        return Message(method, path, query, headers, body)

    def _body(self, headers: dict[str, str]) -> bytes:
        self._check_size(int(headers.get("content-length", "0")))
        if self._http.they_are_waiting_for_100_continue:
            self._sock.settimeout(self._limits.request_seconds)
            self._sock.sendall(_CONTINUE)
        body = bytearray()
        while isinstance(event := self._next(), h11.Data):
            body += event.data
            self._check_size(len(body))
        return bytes(body)

    def _check_size(self, count: int) -> None:
        most = self._limits.body_bytes
        if count > most:
            raise Refused(RequestSizeLimitExceeded(f"The body is larger than {most} bytes, which is the limit."))

    def _next(self) -> h11.Request | h11.Data | h11.EndOfMessage:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._receive()
        assert isinstance(event, (h11.Request, h11.Data, h11.EndOfMessage))
        return event

    def _receive(self) -> None:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self._sock.settimeout(seconds)
        data = self._sock.recv(1 << 16)
        if not data:
            raise _Closed if not self.began else ConnectionError("the client left in the middle of a request")
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if not self.began:
            # RFC 9112, 2.2: empty lines before a request are passed over.
            data = data.lstrip(b"\r\n")
            if data:
                self.began = time.perf_counter()
                self._deadline = time.monotonic() + self._limits.request_seconds
        if data:  # nothing at all would be the end of the connection
            self._http.receive_data(data)


class _Closed(Exception):
    """The client closed the connection between two requests."""


def _headers(request: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw_name, raw_value in request.headers:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").strip()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _split(target: str) -> tuple[str, str]:
    """Path and query of a request's target, which holds scheme and host, too, when it is meant for a proxy."""
    if not target.startswith("/"):
        _, _, rest = target.partition("://")
        _, slash, rest = rest.partition("/")
        target = slash + rest
    path, _, query = target.partition("?")
    return path or "/", query
