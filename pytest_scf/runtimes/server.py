"""The runtime of a function that is a web server: passes events on to it as HTTP requests.

See docs/cloud-contract.md#image-functions.

Runs in the instance's init, where the user's process cannot tamper with it. One request at a time.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from pytest_scf import facts
from pytest_scf.runtimes import launch_keys, websocket, wire
from pytest_scf.runtimes.main_process import INTERVAL, MainProcess, invocations, is_json

#: A loopback address on which a server that is bound to 127.0.0.1 alone is not reached, as it is not from outside.
#: Other systems than Linux have 127.0.0.1 only.
ADDRESS = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"
EVENT_PATH = "/event-invoke"
#: seconds that a process has to end after it has dropped a connection, so that its end is reported instead
END_DEADLINE = 2.0

_NAMES = {
    launch_keys.MEMORY_LIMIT: "X-Scf-Memory",
    launch_keys.TIME_LIMIT: "X-Scf-Timeout",
    "function_version": "X-Scf-Version",
    "function_name": "X-Scf-Name",
    "namespace": "X-Scf-Namespace",
    "tencentcloud_region": "X-Scf-Region",
    "tencentcloud_appid": "X-Scf-Appid",
    "tencentcloud_uin": "X-Scf-Uin",
}
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"}


class ServerRuntime:
    """Speaks with the platform over ``sock``, and with the server on ``port``.

    ``connect`` gives a connection to the server, or raises OSError while it does not listen.
    """

    def __init__(
        self,
        sock: socket.socket,
        context: dict[str, Any],
        process: MainProcess,
        port: int,
        connect: Callable[[], socket.socket] | None = None,
        *,
        is_web: bool,
    ) -> None:
        self._sock = sock
        self._web = is_web
        self._process = process
        self._connect = connect or (lambda: socket.create_connection((ADDRESS, port)))
        self._host = f"127.0.0.1:{port}"
        self._headers = {header: str(context[name]) for name, header in _NAMES.items()}
        self._first: socket.socket | None = None
        #: the connection of the current request
        self._current: socket.socket | None = None
        self._stopped = False
        #: the client's side of the WebSocket connection that is asked for
        self._client: socket.socket | None = None

    def serve(self) -> None:
        """Wait for the server, then answer events until the platform closes the socket, or the server has ended."""
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if self._wait_until_it_listens():
                    for request_id, payload in invocations(self._sock, self._process, self._receive):
                        self._answer(request_id, payload)
        finally:
            if self._first is not None:  # the end came before the first event
                self._first.close()

    def _receive(self) -> bytes:
        data, fds, _flags, _address = socket.recv_fds(self._sock, 1 << 18, 1)
        for fd in fds:
            self._client = type(self._sock)(fileno=fd)
            self._client.set_inheritable(False)
        return data

    def stop(self) -> None:
        """Give up the current request: the server is gone, the connection may not be. Called in another thread."""
        self._stopped = True
        if self._current is not None:
            with contextlib.suppress(OSError):
                self._current.shutdown(socket.SHUT_RDWR)

    def _wait_until_it_listens(self) -> bool:
        began = time.perf_counter()
        while True:
            try:
                self._first = self._connect()
            except OSError:
                if self._process.ended(INTERVAL):
                    return False
            else:
                self._send(wire.READY, time.perf_counter() - began)
                return True

    def _answer(self, request_id: str, payload: bytes) -> None:
        client, self._client = self._client, None
        try:
            self._answer_to(client, request_id, payload)
        finally:
            if client is not None:
                client.close()

    def _answer_to(self, client: socket.socket | None, request_id: str, payload: bytes) -> None:
        """``client`` is that of a WebSocket connection, which begins if the server agrees to it."""
        began = time.perf_counter()
        try:
            found = self._exchange(request_id, payload, client)
        except (OSError, http.client.HTTPException) as error:
            if not self._process.ended(END_DEADLINE):
                what = str(error) or type(error).__name__
                self._fail(began, f"the server gave no answer that is HTTP: {what}")
            return
        except Exception as error:  # such as a header that cannot be sent: the event ends, whatever it is
            self._fail(began, f"the request could not be made: {type(error).__name__}: {error}")
            return
        if isinstance(found, websocket.Ending):
            self._report(began, found)
            return
        response, body = found
        seconds = time.perf_counter() - began
        if len(body) > facts.WEB_BODY_BYTES:
            length = response.getheader("Content-Length") or str(len(body))
            self._send(wire.TOO_LARGE, seconds, length.encode())
        elif self._web:
            self._respond(began, response, body)
        elif response.status >= 400:
            answered = f"the server answered {response.status} {response.reason}".rstrip()
            self._fail(began, f"{answered}: {_readable(body)}".removesuffix(": "))
        elif _is_json(response, body):
            self._send(wire.RETURNED, seconds, body)
        else:
            self._send(wire.RETURNED_TEXT, seconds, body)

    def _exchange(
        self, request_id: str, payload: bytes, client: socket.socket | None
    ) -> tuple[http.client.HTTPResponse, bytes] | websocket.Ending:
        method, path, body = "POST", EVENT_PATH, payload
        headers = [("Content-Type", "application/json")]
        idle = 0.0
        if self._web:
            head, body = wire.unpack_message(payload)
            method, path = str(head["method"]), str(head["path"])
            idle = float(str(head.get("websocket_idle", 0)))
            headers = [(name, value) for name, value in head["headers"]]  # type: ignore[attr-defined]
        # The connection that showed the server to be there serves the first event: a server that takes one connection
        # at a time would wait for something to come on it.
        sock, self._first = self._first or self._connect(), None
        connection = http.client.HTTPConnection(self._host)
        connection.sock = self._current = sock
        try:
            if self._stopped:
                raise ConnectionAbortedError("the server has ended")
            names = {name.lower() for name, _value in headers}
            connection.putrequest(method, path, skip_host="host" in names, skip_accept_encoding=True)
            for name, value in headers:
                if not name.lower().startswith("x-scf-") and name.lower() not in _OF_THE_CONNECTION:
                    connection.putheader(name, value.encode("latin-1", "replace"))
            for name, value in {**self._headers, "X-Scf-Request-Id": request_id}.items():
                connection.putheader(name, value)
            if client is None:
                connection.putheader("Connection", "close")
            else:
                connection.putheader("Connection", "Upgrade")
                connection.putheader("Upgrade", "websocket")
                connection.response_class = _Unbuffered
            if (body or method in ("POST", "PUT", "PATCH")) and "content-length" not in names:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                connection.send(body)
            response = connection.getresponse()
            if client is not None and response.status == http.client.SWITCHING_PROTOCOLS:
                with contextlib.suppress(OSError):  # the client is gone, which is seen below
                    client.sendall(_head_of(response))
                return websocket.Conversation(client, sock).run(idle)
            body = response.read(facts.WEB_BODY_BYTES + 1)
            if response.length and len(body) <= facts.WEB_BODY_BYTES:
                raise http.client.IncompleteRead(body, response.length)
            return response, body
        finally:
            connection.close()

    def _respond(self, began: float, response: http.client.HTTPResponse, body: bytes) -> None:
        headers = [[name, value] for name, value in response.getheaders() if name.lower() not in _OF_THE_CONNECTION]
        length = sum(len(name) + len(value) + 4 for name, value in headers)
        if length > facts.WEB_HEADERS_BYTES:
            self._fail(began, f"the headers of the response have {length} bytes, more than {facts.WEB_HEADERS_BYTES}")
            return
        head = {"status": response.status, "reason": response.reason, "headers": headers}
        self._send(wire.RESPONDED, time.perf_counter() - began, wire.pack_message(head, body))

    def _report(self, began: float, ending: websocket.Ending) -> None:
        # If the process has ended as well, that is reported.
        unsaid = ending.by == websocket.SERVER and ending.code == websocket.NO_CLOSE_FRAME
        if not (unsaid and self._process.ended(END_DEADLINE)):
            self._send(wire.CLOSED, time.perf_counter() - began, json.dumps(ending._asdict()).encode())

    def _fail(self, began: float, message: str) -> None:
        self._send(wire.ERROR_ANSWER, time.perf_counter() - began, json.dumps({"message": message}).encode())

    def _send(self, kind: int, seconds: float, payload: bytes = b"") -> None:
        self._sock.sendall(wire.frame(kind, wire.MEASURE.pack(seconds, self._process.peak_kib()) + payload))


class _Unbuffered(http.client.HTTPResponse):
    """Reads no byte beyond the head of the response: WebSocket frames follow it."""

    def __init__(self, sock: socket.socket, *args: Any, **keywords: Any) -> None:
        super().__init__(sock, *args, **keywords)
        self.fp.close()
        self.fp = sock.makefile("rb", buffering=0)  # type: ignore[assignment]


def _head_of(response: http.client.HTTPResponse) -> bytes:
    lines = [f"HTTP/1.1 {response.status} {response.reason}".rstrip()]
    lines += [f"{name}: {value}" for name, value in response.getheaders()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _readable(body: bytes) -> str:
    """The beginning of an error's body, without the tags of a page."""
    text = body[:2048].decode("utf-8", "replace").strip()
    if text[:1] == "<":
        text = " ".join(re.sub(r"<(title|style|script)\b.*?</\1>|<[^>]*>?", " ", text, flags=re.DOTALL).split())
    return text


def _is_json(response: http.client.HTTPResponse, body: bytes) -> bool:
    return "json" in (response.getheader("Content-Type") or "").lower() and is_json(body)
