"""One connection of a client: HTTP/1.1, request after request, until one of the two sides ends it.

Every answer is HTTP 200 with JSON in the cloud's shape, also one to bytes that are no HTTP.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

from pytest_scf.api_errors import InternalError
from pytest_scf.endpoint.gateway import Answer, refusal
from pytest_scf.endpoint.message import Message
from pytest_scf.endpoint.request_reader import Limits, Refused, RequestReader


class Connection:
    """``serve`` returns when the connection has ended; ``stop`` may be called from another thread."""

    def __init__(
        self,
        sock: socket.socket,
        peer: Any,
        limits: Limits,
        answer: Callable[[Message], Answer],
        log: Callable[[Any, Answer, float], None],
    ) -> None:
        self._sock = sock
        self._peer = peer
        self._limits = limits
        self._answer = answer
        self._log = log
        self._reader = RequestReader(sock, limits)
        self._lock = threading.Lock()
        self._stopped = False
        #: "reading", "answering" or "writing": whoever leads it from the second to the third may write to the socket
        self._state = "reading"

    def serve(self) -> None:
        """Read and answer requests until the connection ends."""
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while self._serve_one():
                pass
        except OSError:
            pass  # the client is gone, says nothing, or reads nothing
        finally:
            self._sock.close()

    def _serve_one(self) -> bool:
        """Whether another request may come."""
        try:
            message = self._reader.read()
        except Refused as refused:
            self._refuse(refused)
            return False
        if message is None or not self._begin_answer():
            return False
        return self._finish(self._answer(message), keep_alive=self._reader.keep_alive)

    def _refuse(self, refused: Refused) -> None:
        """Answer a request of which the rest may not have been read."""
        if self._begin_answer():
            self._finish(refusal(refused.error), keep_alive=False, head=refused.head)
            self._drain()

    def _drain(self) -> None:
        """Take what the client still sends, for a while: closed at once, it might never read the answer."""
        sock = self._sock
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

    def _begin_answer(self) -> bool:
        with self._lock:
            if self._stopped:
                return False
            self._state = "answering"
            return True

    def _finish(self, answer: Answer, *, keep_alive: bool, head: bool = False) -> bool:
        """Whether another request may come."""
        with self._lock:
            if self._state != "answering":
                return False  # ``stop`` has answered
            self._state = "writing"
            keep_alive = keep_alive and not self._stopped
        self._write(answer, self._limits.request_seconds, keep_alive=keep_alive, head=head)
        with self._lock:
            self._state = "reading"
            return keep_alive and not self._stopped

    def _write(self, answer: Answer, timeout: float, *, keep_alive: bool, head: bool = False) -> None:
        self._log(self._peer, answer, time.perf_counter() - self._reader.began)
        headers = (
            "HTTP/1.1 200 OK\r\nServer: pytest-scf\r\n"
            f"Date: {formatdate(usegmt=True)}\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(answer.body)}\r\n"
            f"Connection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n"
        )
        self._sock.settimeout(timeout)
        self._sock.sendall(headers.encode() + (b"" if head else answer.body))

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
                error = InternalError("The endpoint was closed before the request was done.")
                self._write(refusal(error), 1.0, keep_alive=False)
            self._sock.shutdown(socket.SHUT_RDWR)
        return busy
