"""What all handles have in common, and the handle of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from pytest_scf.facade.session import Session
from pytest_scf.facade.values import LogLine
from pytest_scf.platform.records import Attempt, Invocation

if TYPE_CHECKING:
    from pytest_scf.platform.logs import EventLog

_H = TypeVar("_H", bound="Handle")


class Handle:
    __slots__ = ("_record", "_session")
    _given_by: ClassVar[str] = ""
    _record: Any
    _session: Session

    def __new__(cls, *args: object, **kwargs: object) -> Handle:
        raise TypeError(f"{cls.__name__} is received, not constructed: {cls._given_by}")

    @classmethod
    def _of(cls: type[_H], session: Session, record: object) -> _H:
        self = object.__new__(cls)
        self._session = session
        self._record = record
        return self

    def __eq__(self, other: object) -> bool:
        return self._record is other._record if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._record)


class Logs(Handle):
    """The log of one event or invocation, readable while it runs."""

    __slots__ = ()
    _given_by = "event.logs gives it"
    _record: Invocation | Attempt

    @property
    def text(self) -> str:
        """The whole log, the platform's lines included, as the cloud shows it; where it was tried again, of all."""
        return "".join(log.text() for log in self._all())

    @property
    def lines(self) -> list[LogLine]:
        moment = self._session.moment
        return [LogLine(moment(line.time), line.source, line.text) for log in self._all() for line in log.lines()]

    @property
    def user(self) -> str:
        """What the user's processes wrote, without the platform's lines."""
        return "".join(log.user_text() for log in self._all())

    @property
    def platform(self) -> list[str]:
        """The platform's ``[PLATFORM]`` lines."""
        return [line for log in self._all() for line in log.platform_lines()]

    def _last(self, count: int) -> tuple[bool, list[LogLine]]:
        """Whether there is more, and the last ``count`` lines, which cost what they are, not what the log is."""
        moment = self._session.moment
        found: list[LogLine] = []
        for log in reversed(self._all()):
            if len(found) == count:
                return True, found
            more, lines = log.last_lines(count - len(found))
            found = [*(LogLine(moment(line.time), line.source, line.text) for line in lines), *found]
            if more:
                return True, found
        return False, found

    def _all(self) -> list[EventLog]:
        record = self._record
        attempts = record.begun if isinstance(record, Invocation) else [record]
        return [attempt.log for attempt in attempts]

    def __contains__(self, text: str) -> bool:
        return text in self.text

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<Logs of {self._record.request_id}>"
