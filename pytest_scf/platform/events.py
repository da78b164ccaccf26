"""What the platform remembers of an invocation, and its state machine.

RUNNING → FINISHED | FAILED | ABORTED. Return, exception, crash, timeout and termination race in real life: whichever
decides the record first wins, the others are noted and lose. A decided event is published, its status changed for
everyone to see, once what the outcome entails has happened: when it repossesses the instance, no process of that is
left.
"""

from __future__ import annotations

import copy
import json
import math
import os
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_scf.api_errors import ResourceNotFoundAsyncEvent
from pytest_scf.platform.event_index import EventIndex, Listed, Wanted
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.logs import EventLog, Frame
from pytest_scf.platform.status import RUNNING, StatusCode

if TYPE_CHECKING:
    from pytest_scf.instances.process import ProcessExit
    from pytest_scf.platform.clock import Clock
    from pytest_scf.platform.instance import InstanceRecord

#: invocations that are no events, and have ended, of which so many are remembered: for reports and logs
REMEMBERED = 1000


class Transition(NamedTuple):
    """``time`` in seconds since the epoch; ``cause`` says what brought the event here."""

    time: float
    status: str
    status_code: int
    cause: str


@dataclass
class Registration:
    """What the code of an instance last did about SIGTERM."""

    disposition: str
    name: str
    file: str
    line: int
    #: the event during which it was done; None while the instance started
    event: EventRecord | None


@dataclass(frozen=True)
class SignalNote:
    """A termination signal: when it was sent, whether there was a process to take it, what that did with it then."""

    time: float
    delivered: bool
    disposition: str
    registration: Registration | None


class Waiter:
    """Somebody who waits for something to be true of an event."""

    __slots__ = ("latch", "predicate", "result")

    def __init__(self, predicate: Callable[[EventRecord], object]) -> None:
        self.predicate = predicate
        self.result: object = None
        self.latch = threading.Lock()
        self.latch.acquire()


class EventRecord:
    """One invocation. ``asynchronous`` ones are events: listed, asked for, terminated."""

    def __init__(
        self,
        request_id: str,
        function: FunctionRecord,
        config: FunctionConfig | None = None,
        *,
        asynchronous: bool,
        invoke_type: str,
        qualifier: str,
        start_time: float,
    ) -> None:
        self.request_id = request_id
        self.function = function
        self.config = config or function.config
        self.asynchronous = asynchronous
        self.invoke_type = invoke_type
        self.qualifier = qualifier
        self.start_time = start_time
        self.done = threading.Lock()
        self.done.acquire()

    # Defaults of the class, and what an ordinary invocation never needs is made when it is: this is on the way of
    # every invocation.
    end_time: float | None = None
    status: str = RUNNING
    status_code: int = 0
    ret_msg: str = ""
    #: ``ret_msg`` is text, not JSON: the body of a server's answer that does not call itself JSON
    is_text: bool = False
    #: a web function's response, as ``wire.pack_message`` makes it
    response: bytes = b""
    err_msg: str = ""
    duration_ms: float = 0.0
    memory_bytes: int = 0
    instance: InstanceRecord | None = None
    #: the instance was started for this event
    cold: bool = False
    exit: ProcessExit | None = None
    #: kept only while the invocation waits for an instance
    payload: bytes = b""
    signals: tuple[SignalNote, ...] = ()
    notices: tuple[str, ...] = ()
    #: causes that came when the event was decided already
    too_late: tuple[Transition, ...] = ()
    waiters: tuple[Waiter, ...] = ()
    #: what an asynchronous invocation without asynchronous execution is to be called with: in each of its attempts
    routing_key: str = ""
    message: bytes | None = None
    #: how often it was tried before
    retry_num: int = 0
    #: those attempts, which failed, oldest first
    attempts: tuple[EventRecord, ...] = ()
    #: what it waits for, in words that follow "waits"; "" while it does not
    waits: str = ""
    #: when the attempt got its instance, where that was not when the invocation was asked for
    assigned: float | None = None
    #: where it is listed, and its number there
    index: EventIndex | None = None
    number: int = 0
    _decided: Transition | None = None

    @property
    def log(self) -> EventLog:
        found: EventLog | None = self.__dict__.get("_log")
        # setdefault: of two threads that come here first, both get the same log
        return found if found is not None else self.__dict__.setdefault("_log", self._new_log())

    def _new_log(self) -> EventLog:
        return EventLog(self._frame, self.function.spill)

    @property
    def transitions(self) -> list[Transition]:
        """RUNNING, then the final one once it is published."""
        steps = [Transition(self.start_time, RUNNING, 0, "invoked")]
        for past in self.attempts:
            time, _, code, cause = past.outcome
            steps.append(Transition(time, RUNNING, 0, f"attempt {past.retry_num + 1} failed with {code}: {cause}"))
        if self.final and self._decided is not None:
            steps.append(self._decided)
        return steps

    @property
    def began(self) -> float:
        """When the attempt got its instance; while it waits for one, when the invocation was asked for."""
        return self.start_time if self.assigned is None else self.assigned

    @property
    def final(self) -> bool:
        return self.status != RUNNING

    @property
    def decided(self) -> bool:
        """The outcome stands, even if it is not published yet."""
        return self._decided is not None

    @property
    def bill_duration_ms(self) -> int:
        return math.ceil(self.duration_ms)

    @property
    def outcome(self) -> Transition:
        """The last transition, published or not."""
        return self._decided or self.transitions[-1]

    def decide(self, status: str, code: StatusCode | int, cause: str, now: float) -> bool:
        """Set the outcome if there is none yet. Called with the platform's lock held."""
        number = code if isinstance(code, int) else code.code
        transition = Transition(max(now, self.start_time), status, number, cause)
        if self._decided is not None:
            self.too_late += (transition,)
            return False
        self._decided = transition
        return True

    def fail(self, message: str, stack: str = "") -> None:
        """Compose what RetMsg and ErrMsg say of a failure; its status code is the decided one.

        SILENT on the exact shape: errorCode, errorMessage, requestId, stackTrace, statusCode.
        """
        assert self._decided is not None
        error = {
            "errorCode": -1,
            "errorMessage": message,
            "requestId": self.request_id,
            "stackTrace": stack,
            "statusCode": self._decided.status_code,
        }
        self.ret_msg = self.err_msg = json.dumps(error, ensure_ascii=False)

    def publish(self) -> None:
        """Let the outcome be seen. Called once, with the platform's lock held."""
        transition = self._decided
        assert transition is not None
        self.status_code = transition.status_code
        if self.index is not None:
            self.index.end(self, transition.status, transition.time)
        else:
            self.end_time = transition.time
            self.status = transition.status  # last: whoever sees it sees the rest
        self.done.release()
        self.touch()

    def begin_again(self) -> None:
        """Put the attempt that was decided away, and be RUNNING, as before it. Called with the platform's lock held."""
        past = copy.copy(self)
        past.waiters, past.attempts, past.message = (), (), None
        past.done = threading.Lock()
        past.done.acquire()
        if "_log" in past.__dict__:
            past.log.frame = past._frame
        past.publish()
        self.attempts += (past,)
        self.retry_num += 1
        for name in _OF_ONE_ATTEMPT:
            self.__dict__.pop(name, None)

    def touch(self) -> None:
        """Something about the event changed: let those who wait look. Called with the platform's lock held."""
        if not self.waiters:
            return
        for waiter in self.waiters:
            result = waiter.predicate(self)
            if result is not None and result is not False:
                waiter.result = result
                self.forget(waiter)
                waiter.latch.release()

    def forget(self, waiter: Waiter) -> None:
        self.waiters = tuple(each for each in self.waiters if each is not waiter)

    def _frame(self) -> Frame:
        """The platform's lines of the log, contract 7."""
        rid = self.request_id
        between: list[str] = []
        initialised = self.began
        memory = self.config.memory
        instance = self.instance
        if self.cold and instance is not None and instance.init is not None:
            init = instance.init
            initialised = init.time
            between = [
                f"Init Report RequestId: {rid} Coldstart: {init.total_ms:.0f}ms (PullCode: 0ms InitRuntime: "
                f"{init.runtime_ms:.0f}ms InitFunction: {init.function_ms:.0f}ms) Memory: {memory}MB "
                f"MemUsage: {init.memory_bytes / 1048576:.2f}MB"
            ]
        after: list[str] = []
        if self.final:
            if self.err_msg:
                after.append(f"ERROR RequestId:{rid} Result:{self.err_msg}")
            after += [
                f"Response RequestId:{rid} RetMsg:{self.ret_msg}",
                f"END RequestId:{rid}",
                f"Report RequestId:{rid} Duration:{self.duration_ms:.0f}ms Memory:{memory}MB "
                f"MemUsage:{self.memory_bytes / 1048576:.2f}MB",
            ]
        return Frame(self.began, [f"START RequestId:{rid}"], initialised, between, self.end_time or 0.0, after)

    def __repr__(self) -> str:
        return f"<event {self.request_id} of {self.function.name}: {self.status} {self.status_code}>"


_OF_ONE_ATTEMPT = (
    "ret_msg",
    "is_text",
    "response",
    "err_msg",
    "duration_ms",
    "memory_bytes",
    "instance",
    "cold",
    "exit",
    "payload",
    "signals",
    "notices",
    "too_late",
    "assigned",
    "_decided",
    "_log",
)


class EventStore:
    """All invocations by request id; for an event (an asynchronous one) with retention (contract 1)."""

    def __init__(self, clock: Clock, retention: float, window: float, hidden: float = 0.0) -> None:
        self._clock = clock
        self._retention = retention
        self._window = window
        self._hidden = hidden
        self._by_id: dict[str, EventRecord] = {}
        self._synchronous: deque[EventRecord] = deque()

    def add(self, event: EventRecord) -> None:
        if event.asynchronous:
            self._by_id[event.request_id] = event
            self._list(event)
        else:
            for _ in range(2):  # so that it shrinks again when many that were running have ended
                if len(self._synchronous) >= REMEMBERED:
                    oldest = self._synchronous.popleft()
                    if oldest.final:
                        self._by_id.pop(oldest.request_id, None)
                    else:
                        self._synchronous.append(oldest)
            self._synchronous.append(event)
            self._by_id[event.request_id] = event

    def _list(self, event: EventRecord) -> None:
        function = event.function
        if not function.config.trace:
            function.index = None  # what was before tracking is switched on again is not shown then
            return
        if function.index is None:
            function.index = EventIndex(self._hidden, self._window)
        event.index = function.index
        event.index.add(event)

    def get(self, request_id: str) -> EventRecord:
        """An invocation as the status actions know it.

        Raises ResourceNotFound.AsyncEvent for an event that is not known, not visible yet, or ended longer ago than it
        is kept.
        """
        event = self._by_id.get(request_id)
        if event is None or self._expired(event) or self._is_hidden(event):
            raise ResourceNotFoundAsyncEvent(f"The asynchronous event {request_id} does not exist or has expired.")
        return event

    def find(self, request_id: str) -> EventRecord | None:
        """Any invocation that is remembered, expired or not; None where there is none."""
        return self._by_id.get(request_id)

    def page(self, function: FunctionRecord, wanted: Wanted) -> tuple[int, list[Listed]]:
        """What ListAsyncEvents shows of a function: how many events there are, and a page of them.

        Those since tracking was switched on, no older than the window; one that is RUNNING never expires.
        """
        if function.index is None or not function.config.trace:
            return 0, []
        return function.index.page(wanted, self._clock.now())

    def all(self) -> list[EventRecord]:
        """Everything that is remembered, in the order of the invocations."""
        return sorted(self._by_id.values(), key=_start_time)

    def running(self) -> list[EventRecord]:
        return [event for event in list(self._by_id.values()) if event.status == RUNNING]

    def _is_hidden(self, event: EventRecord) -> bool:
        return event.asynchronous and self._clock.now() - event.start_time < self._hidden

    def _expired(self, event: EventRecord) -> bool:
        if not event.asynchronous:
            return False
        return event.end_time is not None and self._clock.now() - event.end_time >= self._retention


def _start_time(event: EventRecord) -> float:
    return event.start_time


_random = b""
_random_at = 0
_random_lock = threading.Lock()


def new_request_id() -> str:
    """A version 4 UUID. The random bytes are fetched many at a time, since this is on the way of every invocation."""
    global _random, _random_at
    with _random_lock:
        if _random_at >= len(_random):
            _random, _random_at = os.urandom(4096), 0
        raw = _random[_random_at : _random_at + 16].hex()
        _random_at += 16
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{'89ab'[int(raw[16], 16) & 3]}{raw[17:20]}-{raw[20:]}"
