"""Where the functions of a runtime reach its API from inside: a port of 127.0.0.1, of which nobody else is told.

Nearly no function calls the API, so until the first one does there is a socket only: the thread begins with it.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pytest_scf.endpoint.listener import listen
from pytest_scf.errors import InstanceError
from pytest_scf.instances import descriptors, host

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.endpoint.server import Server

#: has a call made in the background when a descriptor becomes readable, and gives what takes that back
WhenReadable = Callable[[int, Callable[[], object]], Callable[[], None]]

_REMEDY = (
    "sign with the credential in the function's environment (TENCENTCLOUD_SECRETID, _SECRETKEY and _SESSIONTOKEN), or "
    "let this one in by the setting credentials: {SecretId: SecretKey}, or 'any'"
)
#: seconds until it is tried again to serve the first call, where this process had no descriptor or thread for it
_RETRY_INTERVAL = 0.05


class LoopbackEndpoint:
    """``credential`` (id, key and token) is what the functions have in their environment. Any region is served.

    ``others`` are let in as well: {SecretId: SecretKey}; "any": whoever has signed a call; "own": nobody.
    """

    def __init__(
        self,
        api: Api,
        credential: tuple[str, str, str],
        when_readable: WhenReadable,
        others: str | Mapping[str, str] = "own",
    ) -> None:
        self._api = api
        self._credential = credential
        self._others = others
        self._when_readable = when_readable
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._port = 0
        self._server: Server | None = None
        #: ends the wait for the first call; None where nothing waits for it
        self._forget: Callable[[], None] | None = None
        self._closed = False
        self._owner = os.getpid()

    def port(self) -> int:
        """The port, listening; 0 after the end, and where the test process may have no such socket.

        Raises InstanceError where this process has no descriptors left.
        """
        with self._lock:
            if not self._port and not self._closed:
                try:
                    self._listener = listen("127.0.0.1", 0)
                except Exception as error:  # whatever a tool that forbids sockets in tests raises
                    cause = error.__cause__
                    if isinstance(cause, OSError) and descriptors.has_run_out(cause):
                        raise InstanceError(f"an instance cannot be started: {descriptors.explain(cause)}") from error
                    self._closed = True
                    return 0
                self._port = self._listener.getsockname()[1]
                self._forget = self._when_readable(self._listener.fileno(), self._open)
            return self._port

    def _open(self) -> None:
        """Serve the first call, and all others."""
        with self._lock:
            if self._closed or self._listener is None or self._forget is None:
                return
            self._forget()
            self._forget = None
            try:
                self._server = self._serve(self._listener)
            except (OSError, RuntimeError, ImportError):  # no descriptor, or no thread: the call waits for one
                current = host.current()
                assert current is not None
                due = time.monotonic() + _RETRY_INTERVAL
                self._forget = current.reactor.call_at(due, self._wait_again).cancel

    def _wait_again(self) -> None:
        with self._lock:
            if self._forget is not None and self._listener is not None:
                self._forget = self._when_readable(self._listener.fileno(), self._open)

    def _serve(self, listener: socket.socket) -> Server:
        from pytest_scf.endpoint.gateway import Gateway
        from pytest_scf.endpoint.server import Server, api_connections
        from pytest_scf.endpoint.signature import Credential

        known: list[Credential] | None = [Credential(*self._credential)]
        if isinstance(self._others, str):
            known = None if self._others == "any" else known
        else:
            known = [Credential(*self._credential), *(Credential(*pair) for pair in self._others.items())]
        gateway = Gateway(self._api, known, None, remedy=_REMEDY)
        return Server(listener, api_connections(gateway.answer))

    def withdraw(self) -> None:
        """Take no first call any more; calls of functions that have called before are still answered."""
        if os.getpid() != self._owner:
            return  # in a fork, what is open here is the parent's
        with self._lock:
            self._closed = True
            self._port = 0
            if self._forget is not None:
                self._forget()
                self._forget = None

    def close(self) -> None:
        """Requests in flight are answered by an error at once: who sent them has been ended."""
        if os.getpid() != self._owner:
            return
        self.withdraw()
        if self._server is not None:
            self._server.close(grace=0)
        elif self._listener is not None:
            self._listener.close()
