"""An event that is stopped at a line, as the test has it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from pytest_scf.errors import EventEnded, UsageError, WaitTimeout
from pytest_scf.facade.probing.function_probe import check
from pytest_scf.facade.probing.lines import line_text

if TYPE_CHECKING:
    from pytest_scf.facade.probing.plans import Plan, Stopped
    from pytest_scf.facade.session import Session
    from pytest_scf.platform.records import Invocation


#: the Python from which on lines are seen by sys.monitoring
_MONITORED = (3, 12)


class StackEntry(NamedTuple):
    file: str
    line: int
    function: str


class Stop:
    """A thread of the function, held before a line; ``event.wait_for_stop()`` gives it. Time limits stand still."""

    def __init__(self, session: Session, record: Invocation, stopped: Stopped) -> None:
        self._stopped = stopped
        self._root = record.attempt.config.code_root
        origins = session.origins.get(record.function, {})
        name = stopped.place.file
        #: the file's name as the function has it, or that of the file which it was taken from
        self.file = str(origins.get(name, name))
        self.line = stopped.place.line
        #: which time the line was reached: 1 is the first
        self.occurrence = stopped.place.occurrence
        #: the name of the thread
        self.thread = stopped.thread
        #: the variables of the innermost frame of the function's own code, as reprs
        self.locals = dict(stopped.locals)
        #: the frames of the function's own code, outermost first
        self.stack = [
            StackEntry(str(origins.get(file, file)), line, function) for file, line, function in stopped.stack
        ]

    @property
    def source(self) -> str:
        """The line's text, without its indentation; "" where it cannot be read."""
        return line_text(self._root / self._stopped.place.file, self.line)

    def release(self) -> None:
        """Let it go on. A second call does nothing."""
        self._stopped.released.set()

    def __repr__(self) -> str:
        state = "released" if self._stopped.released.is_set() else "stopped"
        return f"<Stop at {self.file}:{self.line}, {state}: {self.source}>"


class Stoppable(Protocol):
    """An event that may be stopped; ``handles.Event`` is one."""

    _record: Invocation
    _session: Session

    @property
    def diagnosis(self) -> str: ...


def wait_for_stop(event: Stoppable, plan: Plan | None, timeout: float) -> Stop:
    """The next stop of an event that has not been given yet. Raises EventEnded, WaitTimeout, UsageError."""
    record, session = event._record, event._session
    if plan is None:
        raise UsageError(f"{event!r} is to be stopped nowhere: say where with invoke_async(..., stop_at='index.py:31')")

    def look(invocation: Invocation) -> Stopped | EventEnded | None:
        final = invocation.final
        for stopped in plan.stopped:
            if stopped not in plan.given:
                plan.given.append(stopped)
                return stopped
        if final:
            missed = ", ".join(str(each) for each in plan.stops if each not in [done.place for done in plan.stopped])
            said = f"{event!r} ended without coming to {missed or 'another stop'}; {event.diagnosis}"
            interpreter = invocation.attempt.config.interpreter
            version = sys.version_info if interpreter is None else interpreter.version
            if plan.stopped and invocation.attempt.signals and version < _MONITORED:
                said += "; up to Python 3.11 a thread is stopped no more once a signal handler has raised out of a stop"
            return EventEnded(said)
        return None

    try:
        found = cast(
            "Stopped | EventEnded", session.patiently(lambda left: session.platform.wait(record, look, left), timeout)
        )
    except WaitTimeout:
        raise WaitTimeout(f"{event!r} did not come to a stop within {timeout:g} s: {event.diagnosis}") from None
    if isinstance(found, EventEnded):
        check(record)
        raise found
    return Stop(session, record, found)
