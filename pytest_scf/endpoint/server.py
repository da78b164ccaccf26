"""The API over HTTP on an address of this machine: a thread that accepts, and one for each connection.

Servers of libraries look for the end by polling, or cannot tell a request in flight from an idle connection; what they
share, the reading of HTTP, is h11's: see ``request_reader``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol

from pytest_scf.contract.api import Api
from pytest_scf.endpoint.connection import Connection
from pytest_scf.endpoint.gateway import Answer, Gateway
from pytest_scf.endpoint.listener import listen
from pytest_scf.endpoint.message import ApiRequest, Message
from pytest_scf.endpoint.request_reader import Limits
from pytest_scf.endpoint.signature import Credential
from pytest_scf.errors import UsageError
from pytest_scf.instances.sockets import socketpair

Log = Callable[[Any, Answer, float], None]
#: seconds that requests in flight are given to be done when the endpoint is closed
GRACE = 1.0
#: seconds in which the thread of a connection that answers nothing has left, once its socket is shut down
_LEAVE_DEADLINE = 60.0


def _no_log(peer: Any, answer: Answer, seconds: float) -> None:
    pass


class Served(Protocol):
    """A connection as the server needs it: see ``Connection``."""

    def serve(self) -> None: ...

    def stop(self, *, at_once: bool) -> bool: ...


#: makes the connection of a socket and its peer's address
Connect = Callable[[socket.socket, Any], Served]


def api_connections(answer: Callable[[Message], Answer], limits: Limits | None = None, log: Log = _no_log) -> Connect:
    """Connections of clients of the API."""
    return functools.partial(Connection, limits=limits or Limits(), answer=answer, log=log)


class Server:
    """Serves what comes to a socket that listens, until it is closed.

    Raises OSError where it gets no descriptor, and RuntimeError where it gets no thread: the socket stays open then.
    """

    def __init__(self, listener: socket.socket, connect: Connect) -> None:
        self._listener = listener
        #: of the listener, as ``socket.getsockname`` gives it
        self.address: tuple[Any, ...] = listener.getsockname()
        self._connect = connect
        self._connections: dict[Served, threading.Thread] = {}
        self._lock = threading.Lock()
        self._fewer = threading.Condition(self._lock)
        self._closed = False
        self._owner = os.getpid()
        with contextlib.ExitStack() as undo:
            self._selector = undo.enter_context(selectors.DefaultSelector())
            self._woken, self._wake = socketpair()
            undo.callback(self._woken.close)
            undo.callback(self._wake.close)
            self._thread = threading.Thread(target=self._accept, name="pytest-scf-endpoint", daemon=True)
            self._thread.start()
            undo.pop_all()

    def _accept(self) -> None:
        with self._selector as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    return
                try:
                    sock, peer = self._listener.accept()
                except BlockingIOError:
                    continue
                except OSError:
                    # No descriptor left for it: it stays where it is, until one may have been given back.
                    selector.unregister(self._listener)
                    if selector.select(0.05):
                        return
                    selector.register(self._listener, selectors.EVENT_READ)
                    continue
                self._begin(sock, peer)

    def _begin(self, sock: socket.socket, peer: Any) -> None:
        sock.setblocking(True)
        connection = self._connect(sock, peer)
        thread = threading.Thread(target=self._serve, args=(connection,), name="pytest-scf-client", daemon=True)
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # no thread left for it
            sock.close()
            with self._lock:
                del self._connections[connection]

    def _serve(self, connection: Served) -> None:
        try:
            connection.serve()
        finally:
            with self._lock:
                del self._connections[connection]
                self._fewer.notify_all()

    def close(self, grace: float) -> None:
        """See ``Endpoint.close``."""
        if self._closed or os.getpid() != self._owner:
            return  # in a fork, what is open here is the parent's
        self._closed = True
        self._wake.send(b"x")
        self._thread.join()
        self._listener.close()
        deadline = time.monotonic() + grace
        busy = self._stop_all(at_once=False)
        with self._lock:
            self._fewer.wait_for(
                lambda: busy.isdisjoint(self._connections), timeout=max(0.0, deadline - time.monotonic())
            )
        left = self._stop_all(at_once=True)
        with self._lock:
            threads = [thread for connection, thread in self._connections.items() if connection not in left]
        for thread in threads:
            thread.join(_LEAVE_DEADLINE)  # it finds its socket shut down
        self._woken.close()
        self._wake.close()

    def _stop_all(self, *, at_once: bool) -> set[Served]:
        with self._lock:
            connections = list(self._connections)
        return {connection for connection in connections if connection.stop(at_once=at_once)}


def serve_at(host: str, port: int, connect: Connect) -> Server:
    """A server of its own address. Raises UsageError where that, or a thread for it, cannot be had."""
    listener = listen(host, port)
    try:
        return Server(listener, connect)
    except (OSError, RuntimeError) as error:
        listener.close()
        raise UsageError(f"the endpoint cannot serve {host}:{port}: {error}") from error


class Endpoint:
    """Serves one ``Api`` until it is closed. Bound, and accepting, when it has been made; also a context manager.

    ``secret_id`` and ``secret_key`` are made up where none are given. ``prepare`` is called with each request that is
    let in, before it is done; ``log`` with the client's address, the answer and the seconds that it took. Raises
    UsageError where the address cannot be had.
    """

    def __init__(
        self,
        api: Api,
        *,
        region: str,
        host: str = "127.0.0.1",
        port: int = 0,
        secret_id: str | None = None,
        secret_key: str | None = None,
        limits: Limits | None = None,
        log: Log = _no_log,
        now: Callable[[], float] = time.time,
        prepare: Callable[[ApiRequest], object] = lambda request: None,
    ) -> None:
        made_up = Credential.new()
        self.secret_id = secret_id or made_up.secret_id
        self.secret_key = secret_key or made_up.secret_key
        self.region = region
        gateway = Gateway(api, [Credential(self.secret_id, self.secret_key)], region, now=now, prepare=prepare)
        self._server = serve_at(host, port, api_connections(gateway.answer, limits, log))
        address: str = self._server.address[0]
        self.port: int = self._server.address[1]
        #: what the SDKs call the endpoint: ``HttpProfile(endpoint=..., protocol="http")``
        self.host = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``"""
        return f"http://{self.host}"

    def close(self, grace: float = GRACE) -> None:
        """Accept no more, give requests in flight ``grace`` seconds to be done, and close all connections.

        A request that is not done by then gets ``InternalError``; what it asked for goes on in the runtime, which ends
        it when it is closed.
        """
        self._server.close(grace)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Endpoint {self.url}>"
