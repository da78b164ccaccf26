"""WebSocket connections to web functions (docs/cloud-contract.md#websocket)."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_scf.errors import UsageError, WaitTimeout, WebSocketClosed
from pytest_scf.facade.values import Answered
from pytest_scf.facade.web import Response, pack_request
from pytest_scf.instances.sockets import socketpair
from pytest_scf.runtimes import wire
from pytest_scf.runtimes.websocket import NO_CLOSE_FRAME

if TYPE_CHECKING:
    from wsproto import WSConnection
    from wsproto.events import Event

    from pytest_scf.contract.operations import Operations
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Invocation

_R = TypeVar("_R", bound=Answered)


def connect(
    platform: Operations, record: FunctionRecord, path: str, headers: Sequence[tuple[str, str]]
) -> tuple[Invocation, socket.socket]:
    """Begin an invocation that is a WebSocket connection, with the client's ``headers``; gives the client's side of it.

    What comes over it first is the response to the upgrade, if the server agrees to that; nothing, if it does not or
    cannot. Raises UsageError where the function takes no WebSocket connections, and what ``Platform.invoke`` raises.
    """
    server = record.config.server
    if server is None or server.websocket_idle is None:
        raise UsageError(
            f"the function {record.name} takes no WebSocket connections: that is deploy_web(..., websocket=True)"
        )
    head, _body = wire.unpack_message(pack_request("GET", path, headers, None, None))
    head["websocket_idle"] = server.websocket_idle
    ours, theirs = socketpair()
    try:
        packed = wire.pack_message(head, b"")
        invocation = platform.invoke(record, packed, asynchronous=False, as_request=True, connection=theirs)
    except BaseException:
        ours.close()
        theirs.close()
        raise
    return invocation, ours


class WebSocket(Generic[_R]):
    """A connection to a web function: one request, one invocation, in an instance of its own meanwhile.

    A context manager: it is open inside, and closed with code 1000 at the end; where an exception ends it, the
    connection is dropped. ``Function.websocket`` gives it. Pings are answered while the test sends or receives.
    """

    def __init__(
        self,
        platform: Operations,
        result_of: Callable[[Invocation], _R],
        record: FunctionRecord,
        path: str,
        headers: Mapping[str, str],
        subprotocols: Sequence[str],
    ) -> None:
        try:
            from wsproto import ConnectionType, WSConnection
        except ImportError:
            raise UsageError("WebSocket connections need wsproto: pip install 'pytest-scf[websocket]'") from None
        self._platform = platform
        self._result_of = result_of
        self._record = record
        self._path = path
        self._headers = list(headers.items())
        self._subprotocols = list(subprotocols)
        self._protocol: WSConnection = WSConnection(ConnectionType.CLIENT)
        self._sock: socket.socket | None = None
        self._begun: Invocation | None = None
        self._ended = False
        self._closing = False
        self._unsent = bytearray()
        self._parts: list[str | bytes] = []
        self._received: deque[str | bytes] = deque()
        #: the subprotocol that the server has chosen; None: none
        self.subprotocol: str | None = None
        #: the code of the server's close frame; 1005: it had none; None: there was no close frame (yet)
        self.close_code: int | None = None
        self.close_reason = ""

    @property
    def invocation(self) -> _R:
        """The invocation behind it: its log, its instance, and after the end its status code and diagnosis."""
        return self._result_of(self._invocation)

    @property
    def _invocation(self) -> Invocation:
        if self._begun is None:
            raise UsageError("the connection is not open yet: with function.websocket(...) as connection")
        return self._begun

    def __enter__(self) -> WebSocket[_R]:
        from wsproto.events import Request

        if self._begun is not None:
            raise UsageError("a connection is opened once: function.websocket(...) gives another")
        request = Request(host="127.0.0.1", target="/", subprotocols=self._subprotocols)
        lines = self._protocol.send(request).decode("latin-1").split("\r\n")[1:]
        handshake = [(name, value) for name, separator, value in (line.partition(": ") for line in lines) if separator]
        given = {name.lower() for name, _value in self._headers}
        handshake = [pair for pair in handshake if pair[0].lower() not in given]
        self._begun, self._sock = connect(self._platform, self._record, self._path, [*handshake, *self._headers])
        try:
            self._pass_until(lambda: self._protocol.connection is not None, None)
        except BaseException:
            self._drop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._drop()

    def send(self, message: str | bytes) -> None:
        """Send a message: text, or bytes. Raises WebSocketClosed."""
        from wsproto.events import BytesMessage, TextMessage

        if isinstance(message, str):
            event: Event = TextMessage(message)
        elif isinstance(message, (bytes, bytearray, memoryview)):
            event = BytesMessage(bytes(message))
        else:
            raise UsageError(f"a message is a str or bytes; got {type(message).__name__}")
        self._put(event)
        self._pass_until(lambda: not self._unsent, None)

    def receive(self, timeout: float | None = None) -> str | bytes:
        """The next message: a str, or bytes.

        Waits until there is one, or for ``timeout`` seconds, after which it raises WaitTimeout. Raises WebSocketClosed
        where the connection ends and none is left.
        """
        if timeout is not None and not timeout >= 0:
            raise UsageError(f"timeout must be a number of seconds, 0 or more; got {timeout!r}")
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._received:
            self._pass_until(lambda: bool(self._received), deadline)
        return self._received.popleft()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection with a code, and wait until its invocation has ended. Nothing where it is closed."""
        from wsproto.events import CloseConnection

        if isinstance(code, bool) or not isinstance(code, int) or not 1000 <= code <= 4999 or code in (1005, 1006):
            raise UsageError(f"code must be one that may be sent, from 1000 to 4999; got {code!r}")
        if len(reason.encode()) > 123:
            raise UsageError("reason must not be longer than 123 bytes")
        if self._sock is not None and self.close_code is None and not self._ended:
            self._put(CloseConnection(code, reason))
            self._closing = True
            with contextlib.suppress(WebSocketClosed):
                self._pass_until(lambda: self._ended, None)
        self._drop()

    def _put(self, event: Event) -> None:
        if self._sock is None or self._ended or self.close_code is not None:
            raise self._closed()
        self._unsent += self._protocol.send(event)

    def _drop(self) -> None:
        """End this side as it is, and wait until the invocation has ended."""
        invocation = self._invocation
        if self._sock is not None:
            self._write(self._sock)  # the answer to a close frame, which the server waits for
            self._sock.close()
            self._sock = None
        self._ended = True
        self._platform.wait_final(invocation)

    def _pass_until(self, reached: Callable[[], bool], deadline: float | None) -> None:
        """Send what waits, and take what comes, so that the server need never wait for this side to read."""
        while not reached():
            if self._sock is None or self._ended or (self.close_code is not None and not self._closing):
                raise self._closed()
            poll = select.poll()
            poll.register(self._sock, select.POLLIN | (select.POLLOUT if self._unsent else 0))
            left = None if deadline is None else deadline - time.monotonic()
            ready = poll.poll(None if left is None else max(0.0, left) * 1000)
            if not ready:
                raise WaitTimeout(f"no message came over the WebSocket connection to {self._record.name} in time")
            if ready[0][1] & select.POLLOUT:
                self._write(self._sock)
            if ready[0][1] & ~select.POLLOUT:
                self._read(self._sock)

    def _write(self, sock: socket.socket) -> None:
        try:
            del self._unsent[: sock.send(self._unsent, socket.MSG_DONTWAIT)]
        except BlockingIOError:
            pass
        except OSError:  # nobody takes it any more; what the server had said is still to be read
            self._unsent.clear()

    def _read(self, sock: socket.socket) -> None:
        from wsproto.utilities import RemoteProtocolError

        try:
            data = sock.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._ended = True
        elif self.close_code is None:
            try:
                self._protocol.receive_data(data)
            except RemoteProtocolError as error:
                self._drop()
                problem = f"{self._record.name} answered the upgrade as no WebSocket server does: {error}"
                raise WebSocketClosed(problem, NO_CLOSE_FRAME) from None
            for event in self._protocol.events():
                self._take(event)

    def _take(self, event: Event) -> None:
        from wsproto.connection import ConnectionState
        from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Ping, TextMessage

        if isinstance(event, AcceptConnection):
            self.subprotocol = event.subprotocol
        elif isinstance(event, TextMessage | BytesMessage):
            self._parts.append(event.data if isinstance(event, TextMessage) else bytes(event.data))
            if event.message_finished:
                empty: str | bytes = "" if isinstance(event, TextMessage) else b""
                self._received.append(empty.join(self._parts))  # type: ignore[arg-type]
                self._parts.clear()
        elif isinstance(event, Ping):
            self._unsent += self._protocol.send(event.response())
        elif isinstance(event, CloseConnection):
            self.close_code, self.close_reason = int(event.code), event.reason or ""
            if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                self._unsent += self._protocol.send(event.response())

    def _closed(self) -> WebSocketClosed:
        """What happened to it: waits for that to be known."""
        from pytest_scf.platform.diagnosis import diagnose

        invocation = self._invocation
        opened = self._protocol.connection is not None
        self._drop()
        code = NO_CLOSE_FRAME if self.close_code is None else self.close_code
        why = diagnose(invocation.attempt)
        if opened:
            return WebSocketClosed(f"the WebSocket connection to {self._record.name} is closed: {why}", code)
        response = Response(self._result_of(invocation), invocation.attempt.response, invocation.attempt.err_msg)
        if invocation.attempt.response:
            why = f"the server answered {response.status_code} {response.reason}".rstrip()
        return WebSocketClosed(f"{self._record.name} did not open a WebSocket connection: {why}", code, response)

    def __repr__(self) -> str:
        return f"<WebSocket {self._path} of {self._record.name}>"
