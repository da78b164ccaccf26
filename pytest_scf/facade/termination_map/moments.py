"""The moments at which an event can be terminated, and what became of it at each."""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_scf.errors import UsageError
from pytest_scf.facade.probing.lines import Place
from pytest_scf.facade.values import Described
from pytest_scf.facts import ABORTED, FAILED, FINISHED, RUNNING

if TYPE_CHECKING:
    from pytest_scf.facade.log_handle import Logs
    from pytest_scf.facade.probing.plans import Recorded
    from pytest_scf.platform.records import Invocation

INIT, HANDLER = "init", "handler"
OCCURRENCES = ("all", "ends")


class Terminated(Described, Protocol):
    """An event that was terminated; ``handles.Event`` is one."""

    _record: Invocation

    @property
    def error_message(self) -> str: ...
    @property
    def logs(self) -> Logs: ...


E = TypeVar("E", bound=Terminated)


@dataclass(eq=False)
class Moment(Generic[E]):
    """One moment: before a line is run for the n-th time, or while it blocks; and what a termination there led to."""

    file: str
    line: int
    occurrence: int
    #: "init" while the instance starts, "handler" while the handler works on the event
    phase: str
    #: not before the line, but while it blocks (a sleep, a request)
    blocked: bool = False
    #: the line's text
    source: str = ""
    graceful: bool = True
    #: what was terminated; None where it was not run
    event: E | None = None
    #: with ``resume``: what was invoked afterwards, with the same event
    resumed: E | None = None
    #: the event came here, and was terminated here
    reached: bool = False
    #: what is wrong with it, in a sentence; "" where nothing is
    problem: str = ""
    #: what ``prepare`` or ``check`` raised
    error: BaseException | None = None
    #: how many lines of the user's code run before it, in its phase
    position: int = -1
    #: how many lines of the user's code ran before it in the recording
    index: int = -1
    #: ``check`` has looked at it, so it is what decides
    checked: bool = False
    #: it was signalled and went on, until it was terminated by force
    ran_on: bool = False
    #: it may end as it likes before a signal handler is registered; not so where none is registered at any moment
    excused: bool = True
    #: the call that runs it again, as text
    example: str = ""
    #: the name of the file that ``file`` is a copy of, such as the test's own; "" where it is none
    copied_from: str = ""

    @property
    def name(self) -> str:
        """ "index.py:31", "index.py:31#5" for the fifth time, "index.py:31#5 blocked" while it blocks."""
        place = (
            f"log:{self.line}"
            if self.file == LOG
            else str(Place(self.copied_from or self.file, self.line, self.occurrence))
        )
        return f"{place} blocked" if self.blocked else place

    @property
    def outcome(self) -> str:
        """ "FINISHED 200", "FAILED 430", "ABORTED 499"; "RUNNING" where it went on after the signal; "not reached"."""
        if self.event is None or not self.reached:
            return "not reached"
        return f"{self.event.status} {int(self.event.status_code)}" if not self.ran_on else RUNNING

    @property
    def unregistered(self) -> bool:
        """The signal came before the code had registered a signal handler at all, so nothing of it could act on it."""
        if not self.graceful or self.event is None or not self.reached:
            return False
        signals = self.event._record.attempt.signals
        return bool(signals) and signals[0].disposition == "default" and signals[0].registration is None

    @property
    def ok(self) -> bool:
        """Nothing is wrong with it: ``check`` found nothing or, without one, it ended as it should.

        Before a signal handler is registered a graceful termination ends the process, which is nobody's fault, unless
        the function registers none at all.
        """
        return not self.problem if self.checked else not self.is_unfinished()

    @property
    def unfinished(self) -> str:
        """Why it did not end as a function should that is ready for a termination; "" where it did."""
        if self.problem:
            return self.problem
        if not self.reached or self.event is None:
            return "not reached"
        if self.ran_on:
            return "it went on after the signal, and was then terminated by force"
        if self.resumed is not None and self.resumed.status != FINISHED:
            return f"invoked again it ended {self.resumed.status} {int(self.resumed.status_code)}"
        wanted = FINISHED if self.graceful else ABORTED
        return "" if self.event.status == wanted else f"it ended {self.outcome}"

    def is_unfinished(self, *, strict: bool = False) -> bool:
        """Whether ``assert_finished`` would raise."""
        return bool(self.unfinished) and (strict or not (self.excused and self.unregistered) or bool(self.problem))

    def excuse_nothing(self) -> None:
        """It may not end as it likes before a signal handler is registered."""
        if self.excused and self.unregistered and self.example.startswith("fn.") and not self.checked:
            self.example += ".assert_finished(strict=True)"  # run alone it would be excused
        self.excused = False

    def assert_finished(self, *, strict: bool = False) -> None:
        """It was reached, and ended FINISHED gracefully; by force, what was invoked again did (with ``resume``).

        Before a signal handler is registered that cannot be, and is asked for only where this is ``strict`` or the
        function registers none at all.
        """
        __tracebackhide__ = True
        if self.is_unfinished(strict=strict):
            raise AssertionError(self.describe())

    def describe(self) -> str:
        """A few lines: what is wrong, what is known of the event, and how it is run again."""
        problem = self.unfinished if not self.checked else self.problem
        found = [problem or self.outcome]
        for event in (self.event, self.resumed):
            if event is not None and event.status == FAILED:
                found.append(event.error_message)
        if self.event is not None and self.event.status == FAILED:
            found.append(self.event.diagnosis)
        # What an assertion of the check says may hold the rest.
        found = [each for at, each in enumerate(found) if not any(each in before for before in found[:at])]
        if self.example:
            found.append(f"run it again: {self.example}")
        head = f"{self.name} ({self.phase}) {self.source}".rstrip()
        return "\n".join([head, *(f"  {line}".rstrip() for each in found for line in each.splitlines())])

    def __repr__(self) -> str:
        return f"<Moment {self.name}: {self.outcome}>"


#: what stands for a file where moments are log lines
LOG = "log"


#: where it is the same what the events are
AnyMoment = Moment[Any]


def of_recording(recorded: Recorded, end: int, source: Callable[[str, int], str]) -> list[AnyMoment]:
    """The moments of a recording's first ``end`` lines, in their order."""
    found: list[AnyMoment] = []
    counts: Counter[tuple[str, int]] = Counter()
    loaded_at = recorded.loaded_at
    for index, (file, line) in enumerate(recorded.lines(end)):
        if line < 1:
            continue  # an empty module: its code begins at line 0, where nothing can be stopped
        counts[file, line] += 1
        in_handler = 0 <= loaded_at <= index
        moment = AnyMoment(file, line, counts[file, line], HANDLER if in_handler else INIT, source=source(file, line))
        moment.position = index - loaded_at if in_handler else index
        moment.index = index
        found.append(moment)
        blocked_at = recorded.blocked.get(index, end)
        if blocked_at < end:
            during = AnyMoment(file, line, moment.occurrence, moment.phase, blocked=True, source=moment.source)
            during.position, during.index = moment.position, blocked_at
            found.append(during)
    return found


def chosen(moments: Sequence[AnyMoment], occurrences: str, limit: int | None) -> list[AnyMoment]:
    """Those that are to be run: with "ends" the first and the last of each line, and of more than the limit a part."""
    if occurrences == "ends":
        last = {(each.file, each.line, each.blocked): each.occurrence for each in moments}
        first = {(each.file, each.line, each.blocked): each.occurrence for each in reversed(moments)}
        moments = [
            each
            for each in moments
            if each.occurrence in (first[each.file, each.line, each.blocked], last[each.file, each.line, each.blocked])
        ]
    if limit is None or len(moments) <= limit:
        return list(moments)
    # Each line at least once, then evenly: what is left out are times of lines that come often.
    seen: set[tuple[str, int, bool]] = set()
    once: list[int] = []
    more: list[int] = []
    for at, each in enumerate(moments):
        key = (each.file, each.line, each.blocked)
        (more if key in seen else once).append(at)
        seen.add(key)
    once = _evenly(once, limit)
    return [moments[at] for at in sorted([*once, *_evenly(more, limit - len(once))])]


def _evenly(places: list[int], count: int) -> list[int]:
    """So many of them, the first among them, or all where they are no more."""
    return [places[number * len(places) // count] for number in range(count)] if count < len(places) else places


def check_occurrences(occurrences: object, limit: object) -> None:
    """Raises UsageError."""
    if occurrences not in OCCURRENCES:
        raise UsageError(f"occurrences is one of {', '.join(map(repr, OCCURRENCES))}, not {occurrences!r}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise UsageError(f"limit is a number of moments, 1 or more, or None; got {limit!r}")


def without_excuse(moments: Sequence[AnyMoment]) -> list[str]:
    """Excuse none of them where a signal handler was registered at none of them; gives what is to be known of that."""
    reached = [each for each in moments if each.reached]
    if not reached or not all(each.unregistered for each in reached):
        return []
    for moment in moments:
        moment.excuse_nothing()
    return [
        "no signal handler for SIGTERM was registered at any of these moments, so nothing acted on the signal: "
        "register one with signal.signal(signal.SIGTERM, ...) where the module is loaded"
    ]


def raised(what: str, error: BaseException) -> str:
    """What is said of an error that a function of the test raised, ``what``, and in which of its lines."""
    entry = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call of it
    lines = [f"{os.path.basename(each.filename)}:{each.lineno}" for each in entry if each.filename == entry[0].filename]
    place = f" at {lines[-1]}" if lines else ""
    return f"{what} raised {type(error).__name__}{place}: {error}".rstrip(": ")


def left_alone(event: Terminated) -> str:
    """What is to be known of an event that was recorded to its end."""
    why = f": {event.diagnosis}" if event.status == FAILED else ""
    return f"left alone, it ends {event.status} {int(event.status_code)}{why}"


def written(event: Terminated) -> list[str]:
    """Whole lines that the function wrote."""
    return event.logs.user.split("\n")[:-1]
