"""The test's end of an instance's probe: a thread for each connection that the instance makes.

What comes is data that hostile code may have written. Whatever is wrong with it ends that connection, and so at worst
the event. Nothing here runs in the reactor's thread or under a lock of the platform's, since what is asked for may be
the user's code, and may take its time.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pytest_scf.instances.sockets import socketpair
from pytest_scf.runtimes.probe import link

if TYPE_CHECKING:
    from pytest_scf.contract.operations import Operations

#: connections that one instance may have at the same time: one for each thread that asks
CONNECTIONS_LIMIT = 256
#: bytes from which on a message is large, and how many of them one instance may be sending at the same time: what the
#: test holds of messages that never end is bounded
LARGE = 1 << 20
LARGE_AT_ONCE = 4
#: characters of what is said of a problem
_TEXT = 500

#: gives the answer's kind and payload, None to end the connection
Answer = Callable[["Connections", int, bytes], "tuple[int, bytes] | None"]


class Gone(Exception):
    """The instance is gone, or what is waited for has been called off."""


class ConnectionEvent(threading.Event):
    """An event that can be waited for beside a connection."""

    def __init__(self) -> None:
        super().__init__()
        self._telling = threading.Lock()
        self._tell: socket.socket | None = None

    def set(self) -> None:
        super().set()
        with self._telling:
            if self._tell is not None:
                self._tell.send(b"x")

    def wait_beside(self, connection: socket.socket) -> bool:
        """Wait until it is set, or there is something on the connection: False then, whether it is set or not."""
        told, tell = socketpair()
        # Of what there is, as it works for the threads of gevent and eventlet, too.
        with told, tell, selectors.DefaultSelector() as selector:
            selector.register(told, selectors.EVENT_READ)
            selector.register(connection, selectors.EVENT_READ)
            with self._telling:
                self._tell = tell
                if self.is_set():
                    tell.send(b"x")
            ready: list[object] = []
            try:
                while not ready:
                    ready = [key.fileobj for key, _ in selector.select()]
            finally:
                with self._telling:
                    self._tell = None
        return connection not in ready


class Connections:
    """Serves one instance. ``answer`` is called in a thread of the connection's."""

    def __init__(
        self,
        platform: Operations,
        config: dict[str, Any],
        answer: Answer,
        refused: Callable[[Connections, str], None],
        ended: Callable[[Connections], None],
    ) -> None:
        """``refused`` is called with what was wrong with what the instance sent, ``ended`` when that is gone."""
        self._platform = platform
        self.config = config
        #: what the event that it has begun last is handled by
        self.plan: Any = None
        #: pdb in this instance
        self.debugged: Any = None
        #: set by the owner
        self.instance: Any = None
        #: the stand-ins in whose calls threads of the instance are held
        self.held: list[str] = []
        self._answer = answer
        self._refused = refused
        self._ended = ended
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._latches: set[threading.Event] = set()
        #: of a thread of ours: the connection that it serves
        self._serving = threading.local()
        self._large = threading.Semaphore(LARGE_AT_ONCE)
        self.gone = False

    def connected(self, connection: socket.socket) -> None:
        with self._lock:
            if self.gone or len(self._open) >= CONNECTIONS_LIMIT:
                _refuse(connection, f"an instance has no more than {CONNECTIONS_LIMIT} connections to it at a time")
                connection.close()
                return
            self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), name="pytest-scf-probe", daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]
            try:
                thread.start()
            except RuntimeError as error:  # no more threads can be had
                self._open.discard(connection)
                _refuse(connection, str(error))
                connection.close()
                return
            self._threads.append(thread)

    def closed(self) -> None:
        """The instance is gone: whoever waits for it is let go."""
        with self._lock:
            self.gone = True
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for latch in self._latches:
                latch.set()
        self._ended(self)

    def join(self, timeout: float) -> bool:
        """Wait for the threads, once the instance is gone; False where one, in the user's code, is still at work."""
        deadline = time.monotonic() + timeout
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def wait(self, latch: threading.Event) -> None:
        """Wait until the latch is set. Raises Gone where the instance goes before.

        With a ConnectionEvent also where whoever asked has left, as a signal handler raised or the call was cancelled.
        """
        with self._lock:
            if self.gone:
                raise Gone
            self._latches.add(latch)
        left = False
        try:
            if isinstance(latch, ConnectionEvent):
                # Who asks says nothing more until the answer is there: it can but be the end.
                left = not latch.wait_beside(self.connection)
            else:
                latch.wait()
        finally:
            with self._lock:
                self._latches.discard(latch)
        if left or self.gone:
            raise Gone

    def ask(self, kind: int, payload: bytes) -> tuple[int, bytes]:
        """Ask whoever waits for the answer that this thread is about to give. Raises Gone."""
        connection = self._serving.connection
        try:
            link.send(connection, kind, payload)
            message = self._receive(connection)
        except OSError:
            message = None
        if message is None:
            raise Gone
        return message

    @contextlib.contextmanager
    def holding(self, stand_in: str) -> Iterator[None]:
        """Within the block a thread of the instance is held in a call."""
        self.held.append(stand_in)
        try:
            yield
        finally:
            self.held.remove(stand_in)

    def catch_up(self) -> None:
        """Wait until what the instance has said and written by now, over other ways than this, is known."""
        process = self.instance.process_if_alive
        if process is not None:
            process.catch_up()

    def lift_limits(self) -> None:
        """Somebody debugs the instance: no time of it counts any more."""
        self._platform.lift_limits(self.instance)

    def suspend(self) -> Callable[[], None]:
        """A thread of the instance is stopped on purpose: limits stand still until what this gives is called."""
        return self._platform.suspend_limits(self.instance)

    @property
    def connection(self) -> socket.socket:
        """In a thread of ours: the connection that it serves."""
        found: socket.socket = self._serving.connection
        return found

    def at_end(self, call: Callable[[], None]) -> None:
        """In a thread of ours: what is called when its connection ends."""
        self._serving.at_end.callback(call)

    def _serve(self, connection: socket.socket) -> None:
        self._serving.connection = connection
        with contextlib.ExitStack() as at_end:
            at_end.callback(self._close, connection)
            self._serving.at_end = at_end
            self._answer_all(connection)

    def _close(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _answer_all(self, connection: socket.socket) -> None:
        try:
            while message := self._receive(connection):
                answer = self._answer(self, *message)
                if answer is None:
                    raise link.LinkError("it was asked what it does not expect")
                link.send(connection, *answer)
        except (OSError, Gone):
            pass  # the other end has gone, in the middle of a message or of what it asked for
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"[:_TEXT]
            self._refused(self, problem)
            _refuse(connection, problem)

    def _receive(self, connection: socket.socket) -> tuple[int, bytes] | None:
        head = link.receive_header(connection)
        if head is None:
            return None
        length, kind = head
        with self._large if length > LARGE else contextlib.nullcontext():
            payload = link.exactly(connection, length)
        return None if payload is None else (kind, payload)


def _refuse(connection: socket.socket, problem: str) -> None:
    """Say why there is no answer, where that can be said at once."""
    payload = problem.encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError):
        connection.send(link.HEADER.pack(len(payload), link.REFUSED) + payload, getattr(socket, "MSG_DONTWAIT", 0))
