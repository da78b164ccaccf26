"""What there is to say about an event, in the form that failures and reports show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from pytest_scf.facade.tracebacks import shortened
from pytest_scf.facts import RUNNING

if TYPE_CHECKING:
    from pytest_scf.facade.values import Described, LogLine, Transition

#: the last lines of a log that are shown, and of one that is shown whole with -v
LOG_LINES = 20
VERBOSE_LOG_LINES = 200
LINE_LENGTH = 400
#: how many lines of a log's end the cloud may have written
_FRAME_LINES = 8
_STILL_RUNNING = "the event is still RUNNING"
#: the lines of a log that the cloud writes for every request: they tell what the status tells
#: of faulthandler's stack in the log, which is shown as a traceback
_FAULT = re.compile(r'  File "[^"]+", line \d+ in |Stack \(most recent call first\):|Current thread 0x')
_FRAME = re.compile(r"(START|END|Report|Response|ERROR|Init Report|Provisioned Report) RequestId: ?\S")


def state(event: Described) -> str:
    """ "FINISHED 200", "RUNNING", ..."""
    return f"{event.status} {int(event.status_code)}" if event.final else RUNNING


def title(event: Described) -> str:
    more = ", which has no asynchronous execution (async_run=True)" if event.kind == "asynchronous invocation" else ""
    return f"{event.kind} {event.request_id} of function {event.function.name}{more}"


def headline(event: Described, wanted: str = "") -> str:
    """State and reason in one line: "FAILED 430, not FINISHED 200: the handler raised ValueError: no such job"."""
    reason = one_line(event.diagnosis)
    reason = "" if reason == _STILL_RUNNING else f": {reason.removeprefix(f'{_STILL_RUNNING}; ')}"
    return f"{state(event)}{f', not {wanted}' if wanted else ''}{reason}"


def describe(event: Described, *, verbose: bool = False, said: str = "") -> list[str]:
    """The event's title, the course of it by time, and the traceback of the user's code.

    The times count from the invocation. The lines that the cloud adds to each log are left out unless ``verbose``.
    A diagnosis that stands in ``said`` is not repeated.
    """
    lines = [title(event)]
    final = event.final  # before the steps are read, whose last one is the end then
    steps = list(event.transitions)
    started = steps[0].time
    lines += [f"{_since(started, step.time):>9}  {step.cause}" for step in steps[:1]]
    for time, text in _course(event, steps[1:-1] if final else steps[1:], verbose):
        lines.append(f"{_since(started, time) if time else '':>9}  {text}")
    diagnosis = one_line(event.diagnosis)
    known = diagnosis in said or diagnosis == _STILL_RUNNING
    end = state(event) if known else headline(event)
    lines.append(f"{_since(started, steps[-1].time) if final else '':>9}  {end}")
    trace = shortened(event.traceback).splitlines()
    # Where no line of the user's code was run the traceback is the error alone, which the diagnosis has.
    if len(trace) > 1 or (trace and one_line(trace[0]) not in diagnosis):
        lines += trace
    return lines


def _course(event: Described, steps: Iterable[Transition], verbose: bool) -> Iterator[tuple[datetime | None, str]]:
    most = VERBOSE_LOG_LINES if verbose else LOG_LINES
    more, log = event._last_lines(most + _FRAME_LINES)
    log = [line for line in log if verbose or not _is_frame(line)]
    if more or len(log) > most:
        yield None, "(earlier lines are left out)"
    shown: list[tuple[datetime, str]] = [(line.time, f"| {_cut(line.text)}") for line in log[-most:]]
    shown += [(step.time, step.cause) for step in steps]
    yield from sorted(shown, key=lambda entry: entry[0])


def _is_frame(line: LogLine) -> bool:
    return (_FRAME if line.source == "Platform" else _FAULT).match(line.text) is not None


def _since(start: datetime, time: datetime) -> str:
    milliseconds = (time - start).total_seconds() * 1000
    return f"+{milliseconds:.0f} ms" if milliseconds < 10_000 else f"+{milliseconds / 1000:.1f} s"


def _cut(text: str) -> str:
    return text if len(text) <= LINE_LENGTH else text[:LINE_LENGTH] + "..."


def one_line(text: str) -> str:
    return _cut(" ".join(text.split()))
