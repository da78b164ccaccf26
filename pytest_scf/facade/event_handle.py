"""The handle of an event without what leads to other handles, which is in ``handles``."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from pytest_scf.api_errors import UnsupportedOperationAsyncRunEnable
from pytest_scf.contract.actions import async_events
from pytest_scf.errors import EventEnded, UsageError, WaitTimeout
from pytest_scf.facade import assertions
from pytest_scf.facade.description import describe, headline
from pytest_scf.facade.invocation import InvocationHandle, check_inside, check_timeout, reason
from pytest_scf.facade.values import Transition
from pytest_scf.facts import RUNNING
from pytest_scf.platform.records import Invocation

if TYPE_CHECKING:
    from pytest_scf.facade.probing.stops import Stop

_E = TypeVar("_E", bound="EventHandle")


class EventHandle(InvocationHandle):
    """What a test reads of an event, waits for, and does with it."""

    __slots__ = ()

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

    def wait(self: _E, timeout: float = 60) -> _E:
        """Wait until the event has ended; gives the event.

        Raises WaitTimeout where it has not within ``timeout`` seconds, and UsageError where a stand-in or the set-up of
        the test's could not be put in place.
        """
        check_timeout(timeout)

        def wait(seconds: float) -> None:
            if not self._session.platform.wait_final(self._record, seconds):
                raise WaitTimeout

        try:
            self._session.patiently(wait, timeout)
        except WaitTimeout:
            raise self._timed_out("did not end", timeout) from None
        check_inside(self._record)
        return self

    @property
    def retries(self) -> int:
        """How often it was tried again: an asynchronous invocation of a function without asynchronous execution."""
        return self._record.retry_num if self._fixed is None else self._fixed.number

    @property
    def attempts(self: _E) -> list[_E]:
        """Its attempts, oldest first, each with a status, a status code and a log of its own; the last is the event."""
        if self._fixed is not None:
            return [self]
        return [*(type(self)._of(self._session, self._record, attempt) for attempt in self._record.past), self]

    def wait_for_attempt(self: _E, number: int = 1, timeout: float = 60) -> _E:
        """Wait until an attempt (the first is number 1) has ended; gives that attempt.

        The next one follows by the clock: ``clock.advance(minutes=1)``, or the setting ``retry_seconds``.
        Raises EventEnded where the event has ended without that many, and WaitTimeout.
        """
        check_timeout(timeout)
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise UsageError(f"number must be an int, 1 for the first attempt or more; got {number!r}")

        def ended(record: Invocation) -> bool:
            return record.final or len(record.past) >= number

        try:
            self._session.patiently(lambda left: self._session.platform.wait(self._record, ended, left), timeout)
        except WaitTimeout:
            raise self._timed_out(f"did not end its attempt {number}", timeout) from None
        found = self.attempts
        check_inside(self._record)
        if len(found) < number:
            raise EventEnded(f"{self!r} ended with {len(found)} attempts, and attempt {number} was waited for")
        return found[number - 1]

    def wait_for_signal_handler(self: _E, timeout: float = 30) -> _E:
        """Wait until the event's process catches SIGTERM, that is, has registered a signal handler; gives the event.

        Raises EventEnded where the event ends before, and WaitTimeout.
        """
        check_timeout(timeout)
        try:
            wait = self._session.platform.wait_for_signal_handler
            self._session.patiently(lambda left: wait(self._record, left), timeout)
        except WaitTimeout:
            raise self._timed_out("did not register a signal handler for SIGTERM", timeout) from None
        except EventEnded:
            raise self._ended("ended before it registered a signal handler for SIGTERM") from None
        return self

    def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float = 30) -> re.Match[str]:
        """Wait until the log holds a pattern: a text, a regular expression, or a compiled one; gives the match.

        Raises EventEnded where the event ends without it, and WaitTimeout.
        """
        check_timeout(timeout)
        look = assertions.compiled(pattern)
        text = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
        try:
            wait = self._session.platform.wait_for_log
            return self._session.patiently(lambda left: wait(self._record, look, left), timeout)
        except WaitTimeout:
            raise self._timed_out(f"did not log {text!r}", timeout) from None
        except EventEnded:
            raise self._ended(f"ended without logging {text!r}") from None

    def wait_for_stop(self, timeout: float = 30) -> Stop:
        """Wait until the event has come to a line that ``invoke_async(..., stop_at=...)`` named; gives the next stop.

        Raises EventEnded where the event ends before, and WaitTimeout.
        """
        from pytest_scf.facade.probing import function_probe, stops

        check_timeout(timeout)
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
        check_inside(self._record)
        return EventEnded(self._explained(f"the event {what}: {headline(self)}"))

    def _explained(self, what: str) -> str:
        return "\n".join([what, *describe(self, said=what)])

    def __repr__(self) -> str:
        code = f" {self._attempt.status_code}" if self.final else ""
        return f"<Event {self.request_id} of {self._record.function.name}: {self._state}{code}{reason(self)}>"
