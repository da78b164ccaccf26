"""What the platform remembers: invocations, their attempts, and the instances that work on them.

An invocation is RUNNING, then FINISHED | FAILED | ABORTED, and final is final. Return, exception, crash, timeout and
termination race in real life: whichever concludes the attempt first wins, the others are noted. A concluded attempt is
published once what the outcome entails has happened: where it repossesses the instance, no process of that is left.
Methods that change a record are called with the platform's lock held. Reading needs no lock.
"""

from __future__ import annotations

import itertools
import math
import time
from typing import TYPE_CHECKING

from pytest_scf.platform import status
from pytest_scf.platform.event_index import EventIndex
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.held_process import HeldProcess
from pytest_scf.platform.latch import Latch, Waiter
from pytest_scf.platform.logs import EndReport, EventLog, Frame, log_frame
from pytest_scf.platform.notes import AttemptNotes, InitReport, Registration, Transition
from pytest_scf.platform.outcomes import Outcome, error_json

if TYPE_CHECKING:
    import socket

    from pytest_scf.instances.process_exit import ProcessExit
    from pytest_scf.platform.log_blocks import LogBlocks

_invocation_numbers = itertools.count(1)
_instance_numbers = itertools.count(1)


class Attempt(AttemptNotes):
    """One try at an invocation. All have one; a message that failed and is tried again has one for each try."""

    # Defaults of the class: what an ordinary attempt never needs costs it nothing, in time or in memory.
    #: set when the attempt is published
    status: str = status.RUNNING
    outcome: Outcome | None = None
    #: when the outcome was decided, in seconds since the epoch
    decided_at: float = 0.0
    ret_msg: str = ""
    #: ``ret_msg`` is text, not JSON: the body of a server's answer that does not call itself JSON
    is_text: bool = False
    #: a web function's response, as ``wire.pack_message`` makes it
    response: bytes = b""
    err_msg: str = ""
    duration_ms: float = 0.0
    memory_bytes: int = 0
    instance: InstanceRecord | None = None
    #: the instance was started for this attempt
    cold: bool = False
    exit: ProcessExit | None = None
    #: kept only while the instance starts
    payload: bytes = b""
    #: causes that came when the attempt was decided already
    too_late: tuple[Transition, ...] = ()
    #: when it got its instance, where that was not when the invocation was asked for
    assigned: float | None = None

    def __init__(self, invocation: Invocation, config: FunctionConfig, number: int = 0) -> None:
        self.invocation = invocation
        self.config = config
        #: how many came before it
        self.number = number

    @property
    def request_id(self) -> str:
        return self.invocation.request_id

    @property
    def function(self) -> FunctionRecord:
        return self.invocation.function

    @property
    def log(self) -> EventLog:
        found: EventLog | None = self.__dict__.get("_log")
        # setdefault: of two threads that come here first, both get the same log
        return found if found is not None else self.__dict__.setdefault("_log", self._new_log())

    def _new_log(self) -> EventLog:
        return EventLog(self._frame, self.invocation.blocks)

    @property
    def began(self) -> float:
        """When it got its instance; while it waits for one, when the invocation was asked for."""
        return self.invocation.start_time if self.assigned is None else self.assigned

    @property
    def final(self) -> bool:
        return self.status != status.RUNNING

    @property
    def decided(self) -> bool:
        """The outcome stands, even if it is not published yet."""
        return self.outcome is not None

    @property
    def status_code(self) -> int:
        """0 until it is published."""
        return self.outcome.code if self.outcome is not None and self.final else 0

    @property
    def end_time(self) -> float | None:
        return self.decided_at if self.final else None

    @property
    def bill_duration_ms(self) -> int:
        return math.ceil(self.duration_ms)

    @property
    def transitions(self) -> list[Transition]:
        """RUNNING, then the final one once it is published."""
        steps = [Transition(self.began, status.RUNNING, 0, "invoked")]
        if self.outcome is not None and self.final:
            steps.append(Transition(self.decided_at, self.outcome.status, self.outcome.code, self.outcome.cause))
        return steps

    # changing it

    def conclude(self, outcome: Outcome, now: float) -> bool:
        """Set the outcome if there is none yet; whether this one stands."""
        moment = max(now, self.invocation.start_time)
        if self.outcome is not None:
            self.too_late += (Transition(moment, outcome.status, outcome.code, outcome.cause),)
            return False
        self.decided_at = moment
        if outcome.failed:
            self.ret_msg = self.err_msg = error_json(outcome, self.request_id)
        self.outcome = outcome
        return True

    def measure(self, seconds: float, peak_kib: int) -> None:
        self.duration_ms = seconds * 1000
        self.memory_bytes = peak_kib * 1024

    def answer(self, ret_msg: str, *, is_text: bool = False, response: bytes = b"") -> None:
        self.ret_msg, self.is_text, self.response = ret_msg, is_text, response

    def assign(self, instance: InstanceRecord, *, cold: bool = False, payload: bytes = b"") -> None:
        self.instance = instance
        if cold:
            self.cold = True
            self.payload = payload

    def take_payload(self) -> bytes:
        payload, self.payload = self.payload, b""
        return payload

    def begin_late(self, config: FunctionConfig, now: float) -> None:
        """A message that waited gets an instance now, of the configuration that its qualifier leads to by now."""
        self.config, self.assigned = config, now

    def lose_instance(self, exit: ProcessExit | None, init: InitReport | None) -> None:
        """Its instance is gone: what is not measured yet is measured by its end."""
        self.exit = exit
        if exit is not None:
            self.memory_bytes = self.memory_bytes or exit.peak_bytes
        if not self.memory_bytes and init is not None:
            self.memory_bytes = init.memory_bytes
        if not self.duration_ms:
            started = self.began if init is None else max(init.time, self.began)
            self.duration_ms = max(0.0, self.decided_at - started) * 1000

    def publish(self) -> None:
        """Let the outcome be seen. Called once."""
        assert self.outcome is not None
        self.status = self.outcome.status  # last: whoever sees it sees the rest

    def _frame(self) -> Frame:
        init = self.instance.init if self.cold and self.instance is not None else None
        end = None
        if self.final:
            end = EndReport(self.decided_at, self.duration_ms, self.memory_bytes, self.ret_msg, self.err_msg)
        return log_frame(self.request_id, self.began, self.config.memory, init, end, self.invocation.provisions)

    def __repr__(self) -> str:
        return f"<attempt {self.number + 1} at {self.invocation!r}>"


class Invocation:
    """What one call of Invoke started. ``asynchronous`` ones are events: listed, asked for, terminated."""

    #: what an asynchronous invocation without asynchronous execution is called with, in each of its attempts
    message: bytes | None = None
    provisions = False  #: whether it is the start of a provisioned instance
    routing_key: str = ""
    #: where it is listed, if it is
    index: EventIndex | None = None
    #: what it waits for, in words that follow "waits"; "" while it does not
    waits: str = ""
    status: str = status.RUNNING
    end_time: float | None = None
    waiters: tuple[Waiter, ...] = ()
    #: see ``Listable``
    hidden_for: float = 0.0
    #: until its instance has it
    connection: socket.socket | None = None
    #: the attempts that failed and were followed by another, oldest first
    past: tuple[Attempt, ...] = ()

    def __init__(
        self,
        request_id: str,
        function: FunctionRecord,
        config: FunctionConfig | None = None,
        *,
        asynchronous: bool,
        invoke_type: str = "OTHERS",
        qualifier: str = "$LATEST",
        start_time: float,
        message: bytes | None = None,
        routing_key: str = "",
        blocks: LogBlocks | None = None,
    ) -> None:
        self.request_id = request_id
        self.function = function
        self.asynchronous = asynchronous
        self.invoke_type = invoke_type
        self.qualifier = qualifier
        self.start_time = start_time
        #: later ones have greater numbers
        self.number = next(_invocation_numbers)
        self.blocks = blocks
        if message is not None:
            self.message, self.routing_key = message, routing_key
        self.done = Latch()
        #: the attempt that is under way, or was the last
        self.attempt = Attempt(self, config or function.config)

    @property
    def attempts(self) -> list[Attempt]:
        """All of them, oldest first."""
        attempt = self.attempt  # first: the next one comes once this is among the past ones
        return [*self.past[: attempt.number], attempt]

    @property
    def begun(self) -> list[Attempt]:
        """Those that have, or had, an instance."""
        return [*self.past] if self.waits else self.attempts

    @property
    def retry_num(self) -> int:
        """How often it was tried again."""
        return len(self.past)

    @property
    def final(self) -> bool:
        return self.status != status.RUNNING

    @property
    def status_code(self) -> int:
        """0 while it is RUNNING."""
        return self.attempt.status_code

    @property
    def transitions(self) -> list[Transition]:
        """RUNNING, then the final one once it is published."""
        steps = [Transition(self.start_time, status.RUNNING, 0, "invoked")]
        *before, attempt = self.attempts
        for past in before:
            assert past.outcome is not None
            cause = f"attempt {past.number + 1} failed with {past.outcome.code}: {past.outcome.cause}"
            steps.append(Transition(past.decided_at, status.RUNNING, 0, cause))
        return steps + attempt.transitions[1:]

    def listed_in(self, index: EventIndex) -> None:
        self.index = index

    def finish(self) -> None:
        """Take over the final status of the last attempt, which is published."""
        self.end_time = self.attempt.end_time
        self.status = self.attempt.status

    def begin_again(self) -> None:
        """Put the attempt that was decided away, and be RUNNING, as before it."""
        self.attempt.publish()
        self.past += (self.attempt,)
        self.attempt = Attempt(self, self.attempt.config, len(self.past))

    def wait_for(self, what: str) -> None:
        """``what`` follows "waits"; "": it waits no more."""
        self.waits = what

    def forget_message(self) -> None:
        self.message = None

    def bring_connection(self, connection: socket.socket) -> None:
        """The function's side of a WebSocket connection: the invocation's own from now on."""
        self.connection = connection

    def take_connection(self) -> list[int]:
        """Its descriptor, which is the caller's from now on; empty where there is none."""
        connection, self.connection = self.connection, None
        return [] if connection is None else [connection.detach()]

    def drop_connection(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def notify_waiters(self) -> None:
        """Something about the invocation changed: have those who wait look at it, in their own threads."""
        for waiter in self.waiters:
            waiter.set()

    def add_waiter(self, waiter: Waiter) -> None:
        self.waiters += (waiter,)

    def remove_waiter(self, waiter: Waiter) -> None:
        self.waiters = tuple(each for each in self.waiters if each is not waiter)

    def __repr__(self) -> str:
        return f"<event {self.request_id} of {self.function.name}: {self.status} {self.status_code}>"


class InstanceRecord(HeldProcess):
    """``state`` goes starting → busy ⇄ idle → gone; an instance starts because an attempt needs it."""

    def __init__(self, function: FunctionRecord, config: FunctionConfig) -> None:
        super().__init__()
        self.function = function
        self.config = config
        self.id = f"{function.name}-{next(_instance_numbers)}"
        self.state = "starting"
        self.attempt: Attempt | None = None
        self.init: InitReport | None = None
        self.registration: Registration | None = None
        #: {type, message, stack} of an error that nothing caught, and that ends the process
        self.uncaught: dict[str, str] | None = None
        self.idle_since = 0.0
        #: signals that the init has been asked to send and has not yet confirmed
        self.signals_under_way = 0
        #: the attempt has ended, and a signal that was meant for it may still be taking effect
        self.settling = False
        self.launched = time.monotonic()
        #: set when nothing of the instance is left
        self.gone = Latch()

    @property
    def alive(self) -> bool:
        return self.state != "gone"

    def begin(self, attempt: Attempt) -> None:
        """Work on an attempt: now where it was idle, once it has started otherwise."""
        self.attempt = attempt
        if self.state == "idle":
            self.state = "busy"

    def become_ready(self, init: InitReport) -> None:
        self.init = init
        self.state = "busy"

    def become_idle(self, since: float) -> None:
        self.attempt = None
        self.state = "idle"
        self.idle_since = since

    def become_gone(self) -> None:
        """Nothing of it is left: let go of what was held for its processes, as an ended event keeps its instance."""
        self.let_go()
        self.state = "gone"
        self.attempt = None
        self.gone.open()

    def register(self, registration: Registration) -> None:
        self.registration = registration

    def note_uncaught(self, facts: dict[str, str]) -> None:
        self.uncaught = facts

    def settle(self, settling: bool) -> None:
        self.settling = settling

    def expect_signal(self, count: int) -> None:
        self.signals_under_way += count

    def __repr__(self) -> str:
        return f"<instance {self.id}, {self.state}, PID {self.pid}>"
