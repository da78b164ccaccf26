"""The runtime API that a custom runtime's ``bootstrap`` talks to over HTTP (docs/cloud-contract.md#custom-runtimes).

Served by the instance's init, on a port of 127.0.0.1 that is the instance's own: the user's process
cannot tamper with it. The bootstrap reports that it is ready, fetches events, and posts their results.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_scf import facts
from pytest_scf.runtimes import launch_keys, wire
from pytest_scf.runtimes.main_process import MainProcess, invocations, is_json


class CustomRuntime:
    """Speaks with the platform over ``sock``, and with the bootstrap on ``listener``."""

    def __init__(
        self, sock: socket.socket, context: dict[str, Any], process: MainProcess, listener: socket.socket
    ) -> None:
        self._sock = sock
        self._process = process
        self._listener = listener
        self._headers = {
            "Memory_Limit_In_Mb": str(context[launch_keys.MEMORY_LIMIT]),
            "Time_Limit_In_Ms": str(context[launch_keys.TIME_LIMIT]),
        }
        self._changed = threading.Condition()
        self._began = time.perf_counter()
        self._ready = False
        #: the request id and the payload of the event that has no result yet
        self._event: tuple[str, bytes] | None = None
        #: the bootstrap has fetched it: a result before that is a second one for the previous event
        self._fetched = False

    def serve(self) -> None:
        """Answer the bootstrap until the platform closes the socket, or the process has ended."""
        server = ThreadingHTTPServer(self._listener.getsockname(), _Handler, bind_and_activate=False)
        server.socket.close()
        server.socket = self._listener
        server.daemon_threads = True
        server.runtime = self  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, name="scf-runtime-api", daemon=True).start()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for event in invocations(self._sock, self._process):
                with self._changed:
                    self._began = time.perf_counter()
                    self._event = event
                    self._changed.notify_all()

    # Called by requests of the bootstrap, each in a thread of its own.

    def become_ready(self) -> None:
        """Calls after the first change nothing."""
        with self._changed:
            if not self._ready:
                self._ready = True
                self._send(wire.READY)

    @property
    def is_ready(self) -> bool:
        return self._ready

    def next_event(self) -> tuple[dict[str, str], bytes]:
        """Headers and body of the event that has no result yet. Waits for one without a time limit."""
        with self._changed:
            self._changed.wait_for(lambda: self._event is not None)
            assert self._event is not None
            request_id, payload = self._event
            self._fetched = True
        return {"Request_Id": request_id, **self._headers}, payload

    def take_result(self, body: bytes, *, failed: bool) -> bool:
        """Send the result of the event that was fetched; False where there is none, as its result has been posted."""
        with self._changed:
            if not self._fetched:
                return False
            self._event = None
            self._fetched = False
            if failed:
                self._send(wire.RAISED, _failure(body))
            elif len(body) > facts.RESPONSE_BYTES:
                self._send(wire.TOO_LARGE, str(len(body)).encode())
            else:
                self._send(wire.RETURNED if is_json(body) else wire.RETURNED_TEXT, body)
        return True

    def _send(self, kind: int, payload: bytes = b"") -> None:
        measure = wire.MEASURE.pack(time.perf_counter() - self._began, self._process.peak_kib())
        self._sock.sendall(wire.frame(kind, measure + payload))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one piece: the bootstrap may be a few lines of C around ``recv``.
    wbufsize = -1

    @property
    def runtime(self) -> CustomRuntime:
        found: CustomRuntime = self.server.runtime  # type: ignore[attr-defined]
        return found

    def do_GET(self) -> None:
        if self.path != "/runtime/invocation/next":
            self._refuse(404, f"there is no GET {self.path}; ask for /runtime/invocation/next")
        elif not self.runtime.is_ready:
            self._refuse(403, "say first that you are ready: POST /runtime/init/ready")
        else:
            headers, body = self.runtime.next_event()
            self._reply(200, body, headers)

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/runtime/init/ready":
            self.runtime.become_ready()
            self._reply(200)
        elif self.path in ("/runtime/invocation/response", "/runtime/invocation/error"):
            if self.runtime.take_result(body, failed=self.path.endswith("error")):
                self._reply(200)
            else:
                self._refuse(409, "there is no event without a result: the first result stands")
        else:
            self._refuse(404, f"there is no POST {self.path}; see /runtime/invocation/response and .../error")

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            pieces = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refuse(self, status: int, message: str) -> None:
        self._reply(status, json.dumps({"error": message}).encode())

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *args: object) -> None:
        pass


def _failure(body: bytes) -> bytes:
    """An error as a bootstrap posts it: JSON with errorMessage, errorType and stackTrace, or any text."""
    text = body.decode("utf-8", "replace")
    facts = {"type": "Error", "message": text.strip(), "stack": ""}
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(text)
        if isinstance(said, dict) and "errorMessage" in said:
            stack = said.get("stackTrace", "")
            facts = {
                "type": str(said.get("errorType", "Error")),
                "message": str(said["errorMessage"]),
                "stack": "\n".join(map(str, stack)) if isinstance(stack, list) else str(stack),
            }
    return json.dumps(facts).encode()
