"""The list of events in whatever order it comes about, against the plain way of making it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_scf.platform.event_index import EventIndex, EventQuery, in_microseconds
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.records import Invocation

FUNCTION = FunctionRecord(FunctionConfig(name="worker", handler="index.main_handler", code_root=Path("nowhere")))
WINDOW = 100.0
STATUSES = ("RUNNING", "FINISHED", "FAILED", "ABORTED")
TYPES = ("OTHERS", "COS", "CMQ")
#: seconds after the last event's start, type, qualifier, seconds until it ends, final status
EVENTS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0]),
        st.sampled_from(TYPES),
        st.sampled_from(["$LATEST", "1"]),
        st.none() | st.sampled_from([0.0, 0.5, 2.0, 7.0]),
        st.sampled_from(STATUSES[1:]),
    ),
    max_size=25,
)
SPANS = st.none() | st.tuples(st.integers(0, 40), st.integers(0, 40)).map(
    lambda span: (min(span) * 500_000, max(span) * 500_000)
)
WANTED = st.builds(
    EventQuery,
    request_id=st.none() | st.sampled_from(["0", "3", "99"]),
    statuses=st.none() | st.frozensets(st.sampled_from(STATUSES), min_size=1),
    invoke_types=st.none() | st.frozensets(st.sampled_from(TYPES), min_size=1),
    qualifier=st.sampled_from([None, None, "$LATEST", "2"]),
    started=SPANS,
    ended=SPANS,
    by_end=st.booleans(),
    descending=st.booleans(),
    offset=st.integers(0, 30),
    limit=st.integers(1, 12),
)


def naive(events: list[Invocation], wanted: EventQuery, since: float, until: float) -> list[Invocation]:
    found = [
        event
        for event in events
        if event.start_time <= until
        and (event.start_time > since or event.status == "RUNNING")
        and wanted.request_id in (None, event.request_id)
        and (wanted.statuses is None or event.status in wanted.statuses)
        and (wanted.invoke_types is None or event.invoke_type in wanted.invoke_types)
        and wanted.qualifier in (None, event.qualifier)
        and (wanted.started is None or wanted.started[0] <= in_microseconds(event.start_time) < wanted.started[1])
        and (
            wanted.ended is None
            or (event.end_time is not None and wanted.ended[0] <= in_microseconds(event.end_time) < wanted.ended[1])
        )
    ]
    found.sort(key=lambda event: event.start_time)
    if wanted.by_end:
        found.sort(key=lambda event: -math.inf if event.end_time is None else event.end_time)
    return found[::-1] if wanted.descending else found


def finish(index: EventIndex, event: Invocation, status: str, moment: float) -> None:
    event.attempt.conclude(Outcome(status, 200, "the test says so"), moment)
    event.attempt.publish()
    index.finish(event)


@settings(max_examples=300, deadline=None)
@given(
    EVENTS, st.lists(WANTED, min_size=1, max_size=4), st.sampled_from([0.0, 2.0]), st.sampled_from([0.0, 95.0, 130.0])
)
def test_a_page_is_what_looking_at_all_events_gives(
    made: list[Any], asked: list[EventQuery], hidden: float, later: float
) -> None:
    index = EventIndex(hidden, WINDOW)
    events: list[Invocation] = []
    moments = list(itertools.accumulate(after for after, *_ in made))
    ends: list[tuple[float, Invocation, str]] = []
    for number, (start, (_, invoke_type, qualifier, until, status)) in enumerate(zip(moments, made, strict=True)):
        event = Invocation(
            str(number),
            FUNCTION,
            asynchronous=True,
            invoke_type=invoke_type,
            qualifier=qualifier,
            start_time=start,
        )
        index.add(event)
        events.append(event)
        if until is not None:
            ends.append((start + until, event, status))
    ends.sort(key=lambda each: each[0])
    now = (moments[-1] if moments else 0.0) + later
    for step in range(3):
        for wanted in asked:
            count, page = index.page(wanted, now)
            expected = naive(events, wanted, now - WINDOW, now - hidden)
            assert count == len(expected)
            assert [each.event.request_id for each in page] == [
                each.request_id for each in expected[wanted.offset : wanted.offset + wanted.limit]
            ]
            # Where the clock has jumped all are looked at, which must give the same.
            assert index.page(wanted, now, lambda moment: moment) == (count, page)
            assert [(each.status, each.end_time) for each in page] == [
                (each.event.status, each.event.end_time) for each in page
            ]
        share = ends[: len(ends) // 2] if step == 0 else ends
        ends = ends[len(share) :]
        for moment, event, status in share:
            finish(index, event, status, moment)


def test_the_pages_of_a_list_are_the_list() -> None:
    index = EventIndex(0, math.inf)
    for number in range(500):
        event = Invocation(
            str(number),
            FUNCTION,
            asynchronous=True,
            invoke_type=TYPES[number % 3],
            qualifier="$LATEST",
            start_time=float(number // 2),
        )
        index.add(event)
        if number % 7:
            finish(index, event, STATUSES[1 + number % 3], float(500 - number % 50))
    for wanted in (
        EventQuery(),
        EventQuery(by_end=True),
        EventQuery(invoke_types=frozenset(TYPES[:2]), descending=False),
    ):
        count, whole = index.page(replace(wanted, limit=1000), 0.0)
        pages = [index.page(replace(wanted, offset=offset, limit=7), 0.0)[1] for offset in range(0, count, 7)]
        assert list(itertools.chain(*pages)) == whole
        assert len(whole) == count
