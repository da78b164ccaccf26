"""What is remembered, for how long, and what that costs."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.api_errors import ResourceNotFoundAsyncEvent
from pytest_scf.platform import records
from pytest_scf.platform.event_index import EventQuery
from pytest_scf.platform.event_store import REMEMBERED, EventStore
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.records import Invocation

FUNCTION = FunctionRecord(
    FunctionConfig(name="f", handler="index.main_handler", code_root=Path("nowhere"), async_run=True)
)
HOUR = 3600.0


@dataclass
class StoppedClock:
    time: float = 0.0

    has_jumped: bool = False

    def now(self) -> float:
        return self.time

    def shown(self, moment: float) -> float:
        return moment


class Store:
    """A store, and events that end in it."""

    def __init__(self) -> None:
        self.clock = StoppedClock()
        self.events = EventStore(self.clock, 72 * HOUR, 72 * HOUR)
        self.count = 0

    def begin(self, *, asynchronous: bool = True) -> Invocation:
        self.count += 1
        event = Invocation(str(self.count), FUNCTION, asynchronous=asynchronous, start_time=self.clock.time)
        self.events.add(event)
        return event

    def end(self, event: Invocation) -> Invocation:
        event.attempt.conclude(Outcome("FINISHED", 200, "the test says so"), self.clock.time)
        event.attempt.publish()
        self.events.finish(event)
        return event


def test_an_event_can_be_asked_for_until_its_retention_is_over() -> None:
    store = Store()
    event = store.end(store.begin())
    store.clock.time = 72 * HOUR - 1
    assert store.events.get(event.request_id) is event
    store.clock.time = 72 * HOUR
    with pytest.raises(ResourceNotFoundAsyncEvent):
        store.events.get(event.request_id)


def test_what_runs_never_expires() -> None:
    store = Store()
    event = store.begin()
    store.clock.time = 1000 * HOUR
    for _ in range(REMEMBERED + 5):
        store.end(store.begin())
    assert store.events.get(event.request_id) is event
    assert store.events.running() == [event]


def test_past_their_retention_no_more_events_are_remembered_than_other_invocations() -> None:
    store = Store()
    for _ in range(3 * REMEMBERED):
        store.end(store.begin())
    assert len(store.events.all()) == 3 * REMEMBERED
    store.clock.time = 80 * HOUR
    new = store.end(store.begin())
    assert len(store.events.all()) == REMEMBERED + 1
    assert store.events.all()[-1] is new
    # Those that are listed are gone too, so that nothing holds them.
    assert [each.event for each in store.events.page(FUNCTION, EventQuery())[1]] == [new]


def test_what_came_after_an_invocation() -> None:
    store = Store()
    events = [store.end(store.begin(asynchronous=number % 2 == 0)) for number in range(10)]
    assert store.events.since(None) == events
    assert store.events.since(events[6]) == events[7:]
    assert store.events.since(events[-1]) == []


def test_what_came_after_an_invocation_that_is_forgotten() -> None:
    store = Store()
    first = store.end(store.begin(asynchronous=False))
    others = [store.end(store.begin(asynchronous=False)) for _ in range(REMEMBERED)]
    assert store.events.find(first.request_id) is None
    assert store.events.since(first) == others


def test_an_ended_event_with_an_instance_of_its_own_is_small(scf_runtime: ScfRuntime) -> None:
    """Without its processes' sockets, the environment and what else is needed only while it runs."""
    fn = scf_runtime.deploy("import time\n\ndef main_handler(event, context):\n    time.sleep(600)\n", async_run=True)

    def end(count: int) -> int:
        for _ in range(count):
            fn.invoke_async().terminate()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = end(20)
        after = end(80)
    finally:
        tracemalloc.stop()
    assert (after - before) / 80 < 5_000


def test_the_attempts_are_told_apart_while_the_next_one_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Invocation("1", FUNCTION, asynchronous=True, start_time=0.0)
    first = message.attempt
    first.conclude(Outcome("FAILED", 430, "the test says so"), 1.0)
    seen = []

    def begin(*given: Any) -> records.Attempt:
        seen.append((message.attempts, len(message.transitions)))  # as another thread may see it
        return attempt(*given)

    attempt = records.Attempt
    monkeypatch.setattr(records, "Attempt", begin)
    message.begin_again()
    assert seen == [([first], 2)]
    assert message.attempts == [first, message.attempt]
