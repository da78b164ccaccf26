"""The section "scf events" in the report of a failed test: what became of each event, why, and what it said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from pytest_scf.plugin import watch

if TYPE_CHECKING:
    from pytest_scf.facade.handles import Event

TITLE = "scf events"
#: of the newest events, and of the end of each log: a report is read by a person
MOST_EVENTS = 20
MOST_LINES = 25
MOST_CHARACTERS = 500

_SHOWN = pytest.StashKey[bool]()


def complete(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the section to a failed test's first failing report."""
    if report.when == "setup":
        # The same item runs again where another plugin repeats failed tests.
        item.stash[_SHOWN] = False
    if not report.failed or item.stash.get(_SHOWN, False):
        return
    lines = [line for watched in watch.state(item.config).runtimes for line in _describe_all(watched)]
    if lines:
        item.stash[_SHOWN] = True
        report.sections.append((TITLE, "\n".join(lines)))


def _describe_all(watched: watch.Watched) -> Iterator[str]:
    try:
        events = watched.events()
    except Exception as error:
        yield f"(the events cannot be listed: {error!r})"
        return
    if len(events) > MOST_EVENTS:
        yield f"({len(events) - MOST_EVENTS} earlier events left out)"
    for event in events[-MOST_EVENTS:]:
        try:
            yield from list(describe(event))
        except Exception as error:
            # The test's own failure is what the user came for; ours must not take its place.
            yield f"(an event cannot be described: {error!r})"


def describe(event: Event) -> Iterator[str]:
    """An event in lines for a person."""
    yield f"{event.function.name} {event.request_id}: {_ending(event.status, event.status_code)}"
    if event.diagnosis:
        yield f"  diagnosis: {event.diagnosis}"
    for transition in event.transitions:
        stamp = transition.time if isinstance(transition.time, str) else _clock(transition.time)
        yield f"  {stamp} {_ending(transition.status, transition.status_code)}: {transition.cause}"
    lines = event.logs.text.splitlines()
    if not lines:
        yield "  log: nothing"
        return
    shown = lines[-MOST_LINES:]
    yield "  log:" if len(shown) == len(lines) else f"  log (the last {len(shown)} of {len(lines)} lines):"
    for line in shown:
        yield f"    {line if len(line) <= MOST_CHARACTERS else line[:MOST_CHARACTERS] + ' ...'}"


def _ending(status: str, code: int) -> str:
    return f"{status} {int(code)}" if code else str(status)


def _clock(time: object) -> str:
    """The time of day with milliseconds; events of one test are seldom a day apart."""
    from datetime import datetime

    moment = time if isinstance(time, datetime) else datetime.fromtimestamp(float(str(time)))
    return moment.strftime("%H:%M:%S.%f")[:-3]
