"""What a test holds in its hands: functions, events, instances and results.

Handles are received, from ``deploy`` and from each other, and never constructed. Two handles of the same thing are
equal. They stay readable after the runtime is closed.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_scf.api_errors import UnsupportedOperationAsyncRunEnable
from pytest_scf.contract.actions import async_events, invoking
from pytest_scf.errors import EventEnded, UsageError, WaitTimeout
from pytest_scf.facade import assertions, explanation
from pytest_scf.facade.assertions import Status, StatusNumber
from pytest_scf.facade.asynchronous import EMPTY, AsyncEvent, AsyncFunction
from pytest_scf.facade.description import describe, headline, one_line
from pytest_scf.facade.log_handle import Handle, Logs
from pytest_scf.facade.payload import encode
from pytest_scf.facade.values import LogLine, Provisioned, Transition
from pytest_scf.facts import FINISHED, RUNNING
from pytest_scf.platform.records import Attempt, Invocation

if TYPE_CHECKING:
    from pytest_scf.facade.probing.stops import Stop
    from pytest_scf.facade.probing.stubs import Stub
    from pytest_scf.facade.session import Session
    from pytest_scf.facade.termination_map.moments import Moment
    from pytest_scf.facade.termination_map.options import Options
    from pytest_scf.facade.termination_map.result import TerminationMap
    from pytest_scf.facade.termination_map.runner import MapRunner
    from pytest_scf.facade.triggers import FunctionTriggers
    from pytest_scf.facade.web import Response
    from pytest_scf.facade.websocket import WebSocket
    from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
    from pytest_scf.platform.records import InstanceRecord


_I = TypeVar("_I", bound="_Invocation")


class Function(Handle):
    """A deployed function."""

    __slots__ = ()
    _given_by = "runtime.deploy(...) gives it"
    _record: FunctionRecord

    @property
    def name(self) -> str:
        return self._record.name

    @property
    def namespace(self) -> str:
        return self._record.namespace

    @property
    def config(self) -> FunctionConfig:
        """What the function was deployed with."""
        return self._record.config

    @property
    def instances(self) -> list[Instance]:
        """The instances that are alive, oldest first."""
        return [Instance._of(self._session, record) for record in self._session.platform.instances_of(self._record)]

    @property
    def provisioned(self) -> list[Provisioned]:
        """The versions of which instances are kept warm, by ``deploy(provisioned=2)`` or the API."""
        states = self._session.platform.provisioning.states(self._record)
        return [Provisioned(each.version, each.allocated, each.available, each.status, each.reason) for each in states]

    def invoke(self, event: Any = EMPTY) -> InvokeResult:
        """Call the function and wait for its answer; the function's own timeout ends it. ``event`` is {} by default.

        Raises UsageError where a stand-in or the set-up of the test's could not be put in place.
        """
        payload = encode(event).encode()
        record = self._session.api.perform("Invoke", invoking.call_and_wait, self._record, payload)
        self._note_text(event, record)
        return self._result_of(record)

    def invoke_async(self, event: Any = EMPTY, *, stop_at: str | Sequence[str] | None = None) -> Event:
        """Have the function called, and give the event without waiting. ``event`` is {} by default.

        ``stop_at`` holds it before a line, or several, each once: "index.py:31", or "index.py:31#5" for the fifth time
        that it comes there. ``event.wait_for_stop()`` gives the stop. Raises UsageError, with the nearest line, for one
        at which code cannot be stopped.

        Without asynchronous execution it is a message in a queue: it waits where all instances are busy, and is tried
        again where it fails (see ``Event.attempts``). Raises the API's errors, 429 and 432 among them.
        """
        if stop_at is None:
            record = self._begin(event)
        else:
            from pytest_scf.facade.probing import function_probe, lines, plans

            function_probe.refuse_other_runtimes(self._record)
            origins = self._session.origins.get(self._record, {})
            places = lines.parse(stop_at, self._record.config.code_root, origins)
            probe = function_probe.trace(self._session, self._record)
            record = probe.begin(plans.Plan(places, details=True), lambda: self._begin(event))
        if not record.asynchronous:
            self._session.queued.add(record.request_id)
        return Event._of(self._session, record)

    def _begin(self, event: Any) -> Invocation:
        payload = encode(event).encode()
        record = self._session.api.perform("Invoke", invoking.start, self._record, payload, asynchronous=True)
        self._note_text(event, record)
        return record

    def stub(self, target: str, *, autospec: bool = True) -> Stub:
        """Put a stand-in in the place of ``target``, in every instance that starts afterwards; idle ones are gone.

        ``target`` is a dotted name as ``unittest.mock.patch`` takes it: "index.cos.put_object". Gives a MagicMock in
        the test: what it returns or raises is what the function gets, and it knows the calls. ``held()`` keeps a call
        from returning. With ``autospec`` a call that the original would refuse is refused, and a method gets its
        ``self`` first, as ``patch(autospec=True)`` does. See docs/inside.md.

        Raises UsageError for what is no dotted name, and for a function whose handler is not Python. A target that does
        not exist ends the event in whose instance it is looked for with 443, and is raised as a UsageError, with the
        nearest names, by what waits for that event: ``invoke``, ``event.wait``, the assertions; else at the end.
        """
        from pytest_scf.facade.probing.function_probe import add_stub

        return add_stub(self._session, self._record, target, autospec=autospec)

    def termination_map(
        self,
        event: Any = EMPTY,
        *,
        graceful: bool = True,
        check: Callable[..., object] | None = None,
        prepare: Callable[[Moment[Event]], object] | None = None,
        resume: bool = False,
        occurrences: str = "all",
        limit: int | None = 1000,
        moments: str = "lines",
        only: str | Sequence[str] | None = None,
        fresh: bool = False,
        parallel: int | None = None,
        timeout: float = 10.0,
        record_for: float = 5.0,
    ) -> TerminationMap[Event]:
        """Terminate the function at every moment: before each line of its own code that runs, each time that it runs.

        Records once which lines run, also in the init phase and which of them block, then invokes it for each moment,
        stops there, terminates it (gracefully or by force), lets it go and waits up to ``timeout`` seconds. An event
        that does not end by itself is recorded for ``record_for`` seconds.

        ``prepare(moment)`` is called before and ``check(event, moment)`` after each; what it raises is that moment's
        failure. With ``resume`` the function is invoked again afterwards, with the same event, and
        ``check(event, resumed, moment)`` gets both. ``occurrences="ends"`` takes the first and the last time of each
        line, ``limit`` bounds the number of moments, ``only="index.py:31#5"`` runs one. ``moments="log"`` terminates
        after each log line instead, in functions of all kinds.

        ``parallel`` moments are run at a time: one more than there are processors, one with ``prepare`` or stand-ins. A
        moment of the handler is run in an instance that has served another one well, unless ``fresh``; what fails there
        is run again in a fresh one, and that counts. See docs/inside.md. Raises UsageError.
        """
        from pytest_scf.facade.termination_map.options import Options

        options = Options(
            graceful=graceful,
            check=check,
            prepare=prepare,
            resume=resume,
            occurrences=occurrences,
            limit=limit,
            moments=moments,
            only=only,
            fresh=fresh,
            parallel=parallel,
            timeout=timeout,
            record_for=record_for,
        )
        return self._map_runner(event, options).run()

    def _map_runner(self, event: Any, options: Options) -> MapRunner[Event]:
        from pytest_scf.facade.termination_map.runner import MapRunner

        return MapRunner(self._session, self._record, partial(Event._of, self._session), event, options)

    @property
    def triggers(self) -> FunctionTriggers[Event]:
        """Its triggers: ``fn.triggers.timer("0 30 1 * * * *")`` adds one."""
        from pytest_scf.facade.triggers import FunctionTriggers

        return FunctionTriggers(
            self._session.platform, self._session.api, self._record, partial(Event._of, self._session)
        )

    def request(
        self,
        method: str,
        path: str = "/",
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str | None = None,
        json: Any = None,
        via: str = "url",
    ) -> Response[InvokeResult]:
        """Send an HTTP request to the function and wait for the response; its own timeout ends it.

        A web function gets the request as it is. Another one gets the event of its function URL ("url"), or of the API
        gateway ("apigw"), and what it returns is taken apart by the rules of that; see ``facade.http_answers``. Of a
        project file's function it has to be one of the paths that the file declares for the gateway.

        Raises UsageError, and InvalidParameter.RequestTooLarge (6 MB).
        """
        from pytest_scf.facade.web import send

        given = list((headers or {}).items())
        routes = self._session.routes.get(self._record) if via == "apigw" else None
        gateway = None
        if routes:
            from pytest_scf.facade.projects.routes import route_of

            gateway = route_of(routes, method, path)
        return send(
            self._session.platform, self._result_of, self._record, method, path, given, body, json, via, gateway
        )

    def websocket(
        self, path: str = "/", *, headers: Mapping[str, str] | None = None, subprotocols: Sequence[str] = ()
    ) -> WebSocket[InvokeResult]:
        """A WebSocket connection to a web function (``deploy_web(websocket=True)``), which is one invocation.

        ``with fn.websocket("/chat") as connection`` opens it, with ``send``, ``receive`` and ``close``; afterwards
        ``connection.invocation`` has the status code: 200, 439 (closed by the server with another code than 1000, 1010
        or 1011, or without), 456 (by the client), 455 (idle), 433, ... Entering raises WebSocketClosed where the server
        does not open it. Raises UsageError, also where wsproto is missing.
        """
        from pytest_scf.facade.websocket import WebSocket

        platform = self._session.platform
        return WebSocket(platform, self._result_of, self._record, path, headers or {}, subprotocols)

    def _result_of(self, invocation: Invocation) -> InvokeResult:
        _check_inside(invocation)
        return InvokeResult._of(self._session, invocation)

    @property
    def aio(self) -> AsyncFunction[InvokeResult]:
        """``invoke`` and ``request`` as coroutines."""
        return AsyncFunction(self.invoke, self.request)

    def _note_text(self, event: Any, record: Invocation) -> None:
        if isinstance(event, str) and event.lstrip()[:1] in ("{", "["):
            self._session.given_as_text.add(record.request_id)

    def __repr__(self) -> str:
        return f"<Function {self.name} in namespace {self.namespace}>"


class Instance(Handle):
    """An instance of a function."""

    __slots__ = ()
    _given_by = "event.instance and function.instances give it"
    _record: InstanceRecord

    @property
    def id(self) -> str:
        return self._record.id

    @property
    def function(self) -> Function:
        return Function._of(self._session, self._record.function)

    @property
    def alive(self) -> bool:
        """Whether anything of the instance is left: a process, or its /tmp."""
        return self._record.alive

    @property
    def state(self) -> str:
        """ "starting", "idle", "busy" or "gone"."""
        return self._record.state

    @property
    def tmp(self) -> Path:
        """The instance's /tmp, for reading; the path exists as long as the instance is alive."""
        return self._record.tmp

    @property
    def pid(self) -> int | None:
        """The PID of the user's process as this process sees it; None where there is none yet."""
        return self._record.pid

    @property
    def isolation(self) -> str:
        """ "namespaces" or "directory"."""
        return self._record.level.name

    def __repr__(self) -> str:
        return f"<Instance {self.id}: {self.state}>"


class _Invocation(Handle):
    """What events and results have in common."""

    __slots__ = ("_fixed",)
    _record: Invocation
    #: one of several attempts, where that is meant and not the invocation as a whole
    _fixed: Attempt | None

    @classmethod
    def _of(cls: type[_I], session: Session, record: object, attempt: Attempt | None = None) -> _I:
        self = super()._of(session, record)
        self._fixed = attempt
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self._record is other._record and self._fixed is other._fixed

    __hash__ = Handle.__hash__

    @property
    def _attempt(self) -> Attempt:
        return self._fixed or self._record.attempt

    @property
    def _state(self) -> str:
        return self._record.status if self._fixed is None else self._fixed.status

    @property
    def request_id(self) -> str:
        return self._record.request_id

    @property
    def function(self) -> Function:
        return Function._of(self._session, self._record.function)

    @property
    def return_value(self) -> Any:
        """What the handler returned, as JSON carries it; None where it did not return.

        Of an image function it is the body of the answer: a str, unless the answer calls itself JSON.
        """
        attempt = self._attempt
        if self._state != FINISHED or not attempt.ret_msg:
            self._note_early("return_value")
            if self._state != FINISHED:
                self._session.read_as_none = self.request_id
            return None
        return attempt.ret_msg if attempt.is_text else json.loads(attempt.ret_msg)

    @property
    def status(self) -> str:
        """ "RUNNING", "FINISHED", "FAILED" or "ABORTED"."""
        status = Status(self._state)
        status.scf_event = self._event()
        return status

    @property
    def status_code(self) -> int:
        """0 while it is RUNNING, then 200, 430, 433, 434, 437, 439, 499, ..."""
        number = StatusNumber(self._attempt.status_code if self._state != RUNNING else 0)
        number.scf_event = self._event()
        return number

    @property
    def diagnosis(self) -> str:
        """One sentence: what was so when the termination signal was sent, what ended the invocation, and why."""
        given_as_text = self.request_id in self._session.given_as_text
        return explanation.diagnosis(self._session, self._attempt, given_as_text=given_as_text)

    @property
    def traceback(self) -> str:
        """The traceback of the user's code, as text, with the paths of this machine; "" where there is none.

        Where the time was up, or the process crashed, it is the stack of Python code at that moment.
        """
        return explanation.traceback(self._session, self._attempt)

    @property
    def logs(self) -> Logs:
        """The log, with its lines, its times and what of it the user's code wrote; readable while it runs."""
        self._note_early("logs")
        return Logs._of(self._session, self._fixed or self._record)

    @property
    def log(self) -> str:
        """The whole log as the cloud shows it, as ``logs.text``."""
        return self.logs.text

    def _last_lines(self, count: int) -> tuple[bool, list[LogLine]]:
        """Whether there is more, and the last lines of the log."""
        return Logs._of(self._session, self._fixed or self._record)._last(count)

    def _event(self) -> Event:
        return Event._of(self._session, self._record, self._fixed)

    def _note_early(self, what: str) -> None:
        if self._state == RUNNING:
            self._session.read_early[self.request_id] = what

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of a failure as the cloud answers it: errorCode, errorMessage, statusCode, and stackTrace where it
        is one of the user's code, requestId where it is not; None where there is none.
        """
        text = self._attempt.err_msg if self._attempt.final else ""
        if not text:
            return None
        try:
            error = json.loads(text)
        except ValueError:
            error = None
        return error if isinstance(error, dict) else {"errorMessage": text}

    @property
    def error_message(self) -> str:
        """What went wrong, in words; "" where nothing did."""
        outcome = self._attempt.outcome if self._attempt.final else None
        return "" if outcome is None else outcome.message

    @property
    def instance(self) -> Instance:
        """The instance that works, or worked, on it.

        Raises UsageError while an asynchronous invocation still waits for one (which an event never does).
        """
        record = self._attempt.instance
        if record is None:
            waits = self._record.waits
            raise UsageError(
                f"invocation {self.request_id} of function {self._record.function.name} has no instance: "
                + (f"it waits {waits}" if waits else "it was ended while it waited for one")
            )
        return Instance._of(self._session, record)

    @property
    def duration(self) -> float:
        """Milliseconds that the handler took; 0.0 while it runs."""
        return self._attempt.duration_ms


class InvokeResult(_Invocation):
    """What came of a synchronous call."""

    __slots__ = ()
    _given_by = "function.invoke(...) gives it"

    @property
    def result(self) -> dict[str, Any]:
        """The API's Result: RetMsg, ErrMsg, MemUsage, Duration, BillDuration, InvokeResult, ..."""
        return dataclasses.asdict(invoking.result_of(self._attempt))

    @property
    def memory(self) -> int:
        """The most memory that the instance used, in bytes."""
        return self._attempt.memory_bytes

    def assert_finished(self, value: object = assertions.ANY) -> None:
        """FINISHED with 200, and with this return value where one is given."""
        __tracebackhide__ = True
        assertions.assert_finished(self._event(), value)

    def assert_failed(self, code: int | None = None) -> None:
        """FAILED, with this status code where one is given."""
        __tracebackhide__ = True
        assertions.assert_failed(self._event(), code)

    if not TYPE_CHECKING:  # for type checkers it has these attributes and no more

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):
                return object.__getattribute__(self, name)  # for the error that it has raised
            hint = ""
            if not name.startswith("_") and hasattr(Event, name):
                hint = ", as fn.invoke() has waited for the end: fn.invoke_async() gives an event, which has"
            raise AttributeError(f"'InvokeResult' object has no attribute {name!r}{hint}")

    def __repr__(self) -> str:
        return f"<InvokeResult {self.request_id}: {int(self.status_code)}{_reason(self)}>"


class Event(_Invocation):
    """An event: an asynchronous execution of a function."""

    __slots__ = ()
    _given_by = "function.invoke_async(...) and runtime.events() give it"

    @property
    def asynchronous(self) -> bool:
        """Whether it is an asynchronous execution, which the API lists and terminates."""
        return self._record.asynchronous

    @property
    def kind(self) -> str:
        """What it is, in words: "event", "asynchronous invocation" (no asynchronous execution) or "invocation"."""
        record = self._record
        if record.asynchronous:
            return "event"
        return "asynchronous invocation" if self.request_id in self._session.queued else "invocation"

    @property
    def final(self) -> bool:
        return self._state != RUNNING

    @property
    def start_time(self) -> datetime:
        return self._session.moment(self._record.start_time)

    @property
    def end_time(self) -> datetime | None:
        end = self._attempt.end_time if self.final else None
        return None if end is None else self._session.moment(end)

    @property
    def transitions(self) -> list[Transition]:
        return [
            Transition(self._session.moment(step.time), step.status, step.status_code, step.cause)
            for step in (self._fixed or self._record).transitions
        ]

    def wait(self, timeout: float = 60) -> Event:
        """Wait until the event has ended; gives the event.

        Raises WaitTimeout where it has not within ``timeout`` seconds, and UsageError where a stand-in or the set-up of
        the test's could not be put in place.
        """
        _check_timeout(timeout)
        terminal = self._session.terminal
        debugged = 0.0 if terminal is None else terminal.seconds()
        left = timeout
        while not self._session.platform.wait_final(self._record, left):
            if terminal is None or (left := terminal.seconds() - debugged) <= 0:
                raise self._timed_out("did not end", timeout)
            debugged += left  # what was spent in pdb does not count
        _check_inside(self._record)
        return self

    def __await__(self) -> Generator[Any, None, Event]:
        """``await event`` is ``wait()`` while the event loop goes on."""
        return self.aio.wait().__await__()

    @property
    def aio(self) -> AsyncEvent[Event]:
        """``wait``, the other waits, the assertions and ``terminate`` as coroutines."""
        return AsyncEvent(self)

    @property
    def retries(self) -> int:
        """How often it was tried again: an asynchronous invocation of a function without asynchronous execution."""
        return self._record.retry_num if self._fixed is None else self._fixed.number

    @property
    def attempts(self) -> list[Event]:
        """Its attempts, oldest first, each with a status, a status code and a log of its own; the last is the event."""
        if self._fixed is not None:
            return [self]
        return [*(Event._of(self._session, self._record, attempt) for attempt in self._record.past), self]

    def wait_for_attempt(self, number: int = 1, timeout: float = 60) -> Event:
        """Wait until an attempt (the first is number 1) has ended; gives that attempt.

        The next one follows by the clock: ``clock.advance(minutes=1)``, or the setting ``retry_seconds``.
        Raises EventEnded where the event has ended without that many, and WaitTimeout.
        """
        _check_timeout(timeout)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"number must be an int, 1 for the first attempt or more; got {number!r}")

        def ended(record: Invocation) -> bool:
            return record.final or len(record.past) >= number

        try:
            self._session.platform.wait(self._record, ended, timeout)
        except WaitTimeout:
            raise self._timed_out(f"did not end its attempt {number}", timeout) from None
        found = self.attempts
        _check_inside(self._record)
        if len(found) < number:
            raise EventEnded(f"{self!r} ended with {len(found)} attempts, and attempt {number} was waited for")
        return found[number - 1]

    def wait_for_signal_handler(self, timeout: float = 30) -> Event:
        """Wait until the event's process catches SIGTERM, that is, has registered a signal handler; gives the event.

        Raises EventEnded where the event ends before, and WaitTimeout.
        """
        _check_timeout(timeout)
        try:
            self._session.platform.wait_for_signal_handler(self._record, timeout)
        except WaitTimeout:
            raise self._timed_out("did not register a signal handler for SIGTERM", timeout) from None
        except EventEnded:
            raise self._ended("ended before it registered a signal handler for SIGTERM") from None
        return self

    def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float = 30) -> re.Match[str]:
        """Wait until the log holds a pattern: a text, a regular expression, or a compiled one; gives the match.

        Raises EventEnded where the event ends without it, and WaitTimeout.
        """
        _check_timeout(timeout)
        look = assertions.compiled(pattern)
        text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
        try:
            return self._session.platform.wait_for_log(self._record, look, timeout)
        except WaitTimeout:
            raise self._timed_out(f"did not log {text!r}", timeout) from None
        except EventEnded:
            raise self._ended(f"ended without logging {text!r}") from None

    def wait_for_stop(self, timeout: float = 30) -> Stop:
        """Wait until the event has come to a line that ``invoke_async(..., stop_at=...)`` named; gives the next stop.

        Raises EventEnded where the event ends before, and WaitTimeout.
        """
        from pytest_scf.facade.probing import function_probe, stops

        _check_timeout(timeout)
        return stops.wait_for_stop(self, function_probe.plan_of(self._record), timeout)

    def terminate(self, graceful: bool = False) -> None:
        """Terminate the event: by force, which returns when the instance is gone, or gracefully, by SIGTERM.

        Raises the API's errors: an event that is not RUNNING, or that is no asynchronous execution.
        """
        record = self._record
        if not isinstance(graceful, bool):
            raise UsageError(f"graceful must be True or False; got {graceful!r}")
        if not record.asynchronous:
            raise UnsupportedOperationAsyncRunEnable(
                f"{self.kind} {self.request_id} of function {record.function.name} cannot be terminated, since the "
                "function has no asynchronous execution: deploy(..., async_run=True) gives it that."
            )
        self._session.api.perform("TerminateAsyncEvent", async_events.terminate, record, graceful=graceful)

    def assert_finished(self, value: object = assertions.ANY, *, timeout: float = 30) -> None:
        """FINISHED with 200, and with this return value where one is given. Waits for the end up to ``timeout`` s."""
        __tracebackhide__ = True
        assertions.assert_finished(self, value, timeout=timeout)

    def assert_aborted(self, *, timeout: float = 30) -> None:
        """ABORTED with 499. Waits for the end up to ``timeout`` seconds."""
        __tracebackhide__ = True
        assertions.assert_aborted(self, timeout=timeout)

    def assert_failed(self, code: int | None = None, *, timeout: float = 30) -> None:
        """FAILED, with this status code where one is given. Waits for the end up to ``timeout`` seconds."""
        __tracebackhide__ = True
        assertions.assert_failed(self, code, timeout=timeout)

    def assert_logged(self, pattern: str | re.Pattern[str], *, timeout: float = 30) -> re.Match[str]:
        """The log holds the pattern (see ``wait_for_log``). Waits for it up to ``timeout`` seconds; gives the match."""
        __tracebackhide__ = True
        return assertions.assert_logged(self, pattern, timeout=timeout)

    def assert_repossessed(self, *, timeout: float = 30) -> None:
        """The event has ended and its instance is gone. Waits for that up to ``timeout`` seconds."""
        __tracebackhide__ = True
        assertions.assert_repossessed(self, timeout=timeout)

    def _timed_out(self, what: str, timeout: float) -> WaitTimeout:
        return WaitTimeout(self._explained(f"the event {what} within {timeout:g} s"))

    def _ended(self, what: str) -> EventEnded:
        _check_inside(self._record)
        return EventEnded(self._explained(f"the event {what}: {headline(self)}"))

    def _explained(self, what: str) -> str:
        return "\n".join([what, *describe(self, said=what)])

    def __repr__(self) -> str:
        code = f" {self._attempt.status_code}" if self.final else ""
        return f"<Event {self.request_id} of {self._record.function.name}: {self._state}{code}{_reason(self)}>"


def _reason(invocation: InvokeResult | Event) -> str:
    """Why it failed, for ``repr()``, which pytest shows where an assertion about it fails."""
    from pytest_scf.platform.diagnosis import diagnose

    if invocation._state in (RUNNING, FINISHED):
        return ""
    # Without advice, as pytest may show it several times over; the failure begins with the whole diagnosis.
    attempt = invocation._attempt
    session = invocation._session
    text = diagnose(attempt, session.origins.get(attempt.function))
    return f", {one_line(session.files(attempt).renamed(text))}"


def _check_inside(record: Invocation) -> None:
    __tracebackhide__ = True
    if record.attempt.config.probe is not None:
        from pytest_scf.facade.probing.function_probe import check

        check(record)


def _check_timeout(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise UsageError(f"timeout must be a number of seconds, 0 or more; got {timeout!r}")
