"""What the handles of events and of results have in common."""

from __future__ import annotations

import abc
import json
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_scf.errors import UsageError
from pytest_scf.facade import explanation
from pytest_scf.facade.assertions import Status, StatusNumber
from pytest_scf.facade.description import one_line
from pytest_scf.facade.log_handle import Handle, Logs
from pytest_scf.facade.values import LogLine, Named
from pytest_scf.facts import FINISHED, RUNNING
from pytest_scf.platform.records import Attempt, Invocation

if TYPE_CHECKING:
    from pytest_scf.facade.assertions import Checked
    from pytest_scf.facade.session import Session

_I = TypeVar("_I", bound="InvocationHandle")


class InvocationHandle(Handle, abc.ABC):
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
    @abc.abstractmethod
    def function(self) -> Named:
        """The function, as its handle."""

    @property
    @abc.abstractmethod
    def instance(self) -> Any:
        """The instance that works, or worked, on it, as its handle."""

    @abc.abstractmethod
    def _event(self) -> Checked: ...

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
    def duration(self) -> float:
        """Milliseconds that the handler took; 0.0 while it runs."""
        return self._attempt.duration_ms


def reason(invocation: InvocationHandle) -> str:
    """Why it failed, for ``repr()``, which pytest shows where an assertion about it fails."""
    from pytest_scf.platform.diagnosis import diagnose

    if invocation._state in (RUNNING, FINISHED):
        return ""
    # Without advice, as pytest may show it several times over; the failure begins with the whole diagnosis.
    attempt = invocation._attempt
    session = invocation._session
    text = diagnose(attempt, session.origins.get(attempt.function))
    return f", {one_line(session.files(attempt).renamed(text))}"


def check_inside(record: Invocation) -> None:
    __tracebackhide__ = True
    if record.attempt.config.probe is not None:
        from pytest_scf.facade.probing.function_probe import check

        check(record)


def check_timeout(timeout: object) -> None:
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout >= 0:
        raise UsageError(f"timeout must be a number of seconds, 0 or more; got {timeout!r}")
