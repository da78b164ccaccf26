"""An address of this machine that takes any HTTP request: what a function is reached by, and what stands in for COS."""

from __future__ import annotations

import contextlib
import functools
import http
import itertools
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any

import h11

from pytest_scf.endpoint.server import GRACE, serve_at
from pytest_scf.runtimes.relay import Relay

LOOPBACK = "127.0.0.1"
#: bytes of a request's line and headers
_HEAD_BYTES = 64 * 1024
#: seconds that a connection may be open without a request, and that a client may take for one
_IDLE_SECONDS = 75.0
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TEXT = ("Content-Type", "text/plain; charset=utf-8")

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class HttpRequest:
    method: str
    #: path and query, as sent
    target: str
    #: names in small letters; one that came twice is there twice
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """The first of that name; "" where there is none."""
        return next((value for found, value in self.headers if found == name), "")


@dataclass(frozen=True)
class HttpResponse:
    status: int
    body: bytes = b""
    headers: Headers = field(default_factory=list)
    #: None: the standard one
    reason: str | None = None
    #: the name of the function that answered; "" where none did
    function: str = ""

    def sendable(self) -> HttpResponse:
        """What is sent of it: itself without blanks around its headers' values, or a 502 where it is not HTTP."""
        headers = [(name, value.strip(" \t")) for name, value in self.headers]
        try:
            h11.Response(status_code=self.status, headers=_encode(_without_framing(headers)))
        except (UnicodeEncodeError, h11.LocalProtocolError) as error:
            problem = next(filter(None, itertools.starmap(_problem, headers)), str(error))
        else:
            return replace(self, headers=headers)
        whose = f"of the function {self.function} " if self.function else ""
        text = f"the response {whose}cannot be sent as HTTP: {problem}\n"
        return HttpResponse(502, text.encode(), [_TEXT], function=self.function)


@dataclass(frozen=True)
class Upgrade:
    """In place of a response: from now on the connection passes bytes between the client and ``sock``.

    What comes of ``sock`` begins with the response. It is closed when the connection has ended.
    """

    sock: socket.socket


Answering = Callable[[HttpRequest], "HttpResponse | Upgrade"]


class HttpConnection:
    """One connection of a client: request after request, each answered by ``answer``, which must not raise."""

    def __init__(self, sock: socket.socket, peer: Any, *, answer: Answering) -> None:
        self._sock = sock
        self._answer = answer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        self._lock = threading.Lock()
        self._stopped = False
        self._busy = False

    def serve(self) -> None:
        """Read and answer requests until the connection ends."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.settimeout(_IDLE_SECONDS)
        try:
            while self._serve_one():
                pass
        except h11.RemoteProtocolError as error:
            self._refuse(error)
        except (OSError, h11.LocalProtocolError):
            pass  # the client is gone, or says nothing
        finally:
            self._sock.close()

    def _serve_one(self) -> bool:
        """Whether another request may come."""
        request = self._read()
        if request is None:
            return False
        with self._lock:
            if self._stopped:
                return False
            self._busy = True
        response = self._answer(request)
        if isinstance(response, Upgrade):
            self._relay(response.sock)
            return False
        self._write(response.sendable(), head=request.method == "HEAD")
        with self._lock:
            self._busy = False
            if self._stopped or self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return False
        self._http.start_next_cycle()
        return True

    def _relay(self, sock: socket.socket) -> None:
        with self._lock:
            self._busy = False
            stopped = self._stopped
        try:
            if not stopped:
                early, _closed = self._http.trailing_data
                sock.sendall(early)
                Relay(self._sock, sock).run()
        finally:
            sock.close()

    def _read(self) -> HttpRequest | None:
        head = self._next()
        if not isinstance(head, h11.Request):
            return None
        if self._http.they_are_waiting_for_100_continue:
            self._sock.sendall(_CONTINUE)
        body = bytearray()
        while isinstance(event := self._next(), h11.Data):
            body += event.data
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
        return HttpRequest(head.method.decode("ascii"), head.target.decode("latin-1"), headers, bytes(body))

    def _next(self) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(self._sock.recv(1 << 16))
        return event  # type: ignore[return-value]

    def _write(self, response: HttpResponse, *, head: bool) -> None:
        # The length is the body's; what else frames a message is ours to say.
        headers = _without_framing(response.headers)
        length = next((value for name, value in response.headers if name.lower() == "content-length"), "")
        own = str(len(response.body))
        headers.append(("Content-Length", length if head and re.fullmatch("[0-9]{1,19}", length) else own))
        if response.status in (204, 304):
            headers.pop()
        reason = response.reason
        if reason is None:
            reason = http.HTTPStatus(response.status).phrase if response.status in set(http.HTTPStatus) else ""
        start = h11.Response(
            status_code=response.status, headers=_encode(headers), reason=reason.encode("latin-1", "replace")
        )
        data = self._http.send(start) or b""
        if not head and response.status not in (204, 304):
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        self._sock.sendall(data)

    def _refuse(self, error: h11.RemoteProtocolError) -> None:
        with contextlib.suppress(OSError, h11.LocalProtocolError):
            body = f"{error}\n".encode()
            status = error.error_status_hint
            self._write(HttpResponse(status, body, [_TEXT]), head=False)

    def stop(self, *, at_once: bool) -> bool:
        """Take no further request; whether one is still being answered, which ``at_once`` does not wait for."""
        with self._lock:
            self._stopped = True
            if self._busy and not at_once:
                return True
            busy = self._busy
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        return busy


def _without_framing(headers: Headers) -> Headers:
    framing = ("content-length", "transfer-encoding", "connection", "keep-alive")
    return [(name, value) for name, value in headers if name.lower() not in framing]


def _problem(name: str, value: str) -> str:
    """Why a header cannot be sent; "" where it can."""
    what = f"the header {name!r} with the value {value!r}"
    try:
        h11.Response(status_code=200, headers=_encode(_without_framing([(name, value)])))
    except UnicodeEncodeError:
        return f"{what}: a name has ASCII characters only"
    except h11.LocalProtocolError as error:
        return f"{what}: {error}"
    return ""


def _encode(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers]


class HttpServer:
    """Serves ``answer`` on a port until it is closed. Raises UsageError where the port cannot be had."""

    def __init__(self, answer: Answering, *, port: int = 0, host: str = LOOPBACK) -> None:
        self._server = serve_at(host, port, functools.partial(HttpConnection, answer=answer))
        self._host = f"[{host}]" if ":" in host else host
        self.port: int = self._server.address[1]

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://{self._host}:{self.port}"

    def close(self, grace: float = GRACE) -> None:
        """Accept no more, give requests in flight ``grace`` seconds to be done, and close all connections."""
        self._server.close(grace)

    def __enter__(self) -> HttpServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
