"""The section "scf events" in the report of a failed test: what became of each event, why, and what it said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_scf.plugin import watch

TITLE = "scf events"
#: the newest ones: a report is read by a person
MOST_EVENTS = 20

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
    from pytest_scf.facade import assertions

    try:
        events = watched.events()
    except Exception as error:
        yield f"(the events cannot be listed: {error!r})"
        return
    if len(events) > MOST_EVENTS:
        yield f"({len(events) - MOST_EVENTS} earlier events left out)"
    for event in events[-MOST_EVENTS:]:
        try:
            title, *facts = assertions.describe(event)
        except Exception as error:
            # The test's own failure is what the user came for; ours must not take its place.
            title, facts = f"(event {event.request_id} cannot be described: {error!r})", []
        yield title
        yield from (f"  {fact}" for fact in facts)
