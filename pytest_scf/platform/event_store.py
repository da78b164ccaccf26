"""All invocations that are remembered, by request id."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from pytest_scf.api_errors import ResourceNotFoundAsyncEvent
from pytest_scf.platform.event_index import EventIndex, EventQuery, EventSnapshot, visible_from
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.records import Invocation

#: invocations that have ended, of which so many are remembered for reports and logs: beside the events that are kept
REMEMBERED = 1000


class Now(Protocol):
    @property
    def has_jumped(self) -> bool: ...
    def now(self) -> float: ...
    def shown(self, moment: float) -> float: ...


class EventStore:
    """Thread-safe. ``retention``, ``window`` and ``hidden`` are seconds of the clock.

    Remembered are: what is RUNNING; an event (an asynchronous execution) for ``retention`` after its end; and the
    latest ``REMEMBERED`` of the others. What an event costs is independent of how many there were before it.
    """

    def __init__(self, clock: Now, retention: float, window: float, hidden: float = 0.0) -> None:
        self._clock = clock
        self._retention = retention
        self._window = window
        self._hidden = hidden
        self._lock = threading.Lock()
        #: in the order of the invocations
        self._by_id: dict[str, Invocation] = {}
        #: events in the order of their end, of which the first are the first to expire
        self._ended: deque[Invocation] = deque()
        #: what is remembered although nobody can ask the API for it any more
        self._others: deque[Invocation] = deque()
        self._indexes: dict[FunctionRecord, EventIndex] = {}

    def add(self, event: Invocation) -> None:
        with self._lock:
            self._by_id[event.request_id] = event
            index = self._index_for_locked(event) if event.asynchronous else None
        if index is not None:
            index.add(event)

    def _index_for_locked(self, event: Invocation) -> EventIndex | None:
        function = event.function
        if not function.config.trace:
            # What was before tracking is switched on again is not shown then.
            self._indexes.pop(function, None)
            return None
        index = self._indexes.get(function)
        if index is None:
            index = self._indexes[function] = EventIndex(self._hidden, self._window)
        event.listed_in(index)
        return index

    def finish(self, event: Invocation) -> None:
        """The last attempt of an invocation is published: let its final status be seen."""
        if event.index is not None:
            event.index.finish(event)
        else:
            event.finish()
        with self._lock:
            (self._ended if event.asynchronous else self._others).append(event)
            self._forget_old_locked()

    def _forget_old_locked(self) -> None:
        now = self._clock.now()
        while self._ended and self._expired(self._ended[0], now):
            self._others.append(self._ended.popleft())
        while len(self._others) > REMEMBERED:
            self._by_id.pop(self._others.popleft().request_id, None)

    def get(self, request_id: str) -> Invocation:
        """An invocation as the status actions know it.

        Raises ResourceNotFound.AsyncEvent for an event that is not known, not visible yet, or ended longer ago than it
        is kept.
        """
        event = self._by_id.get(request_id)
        if event is None or self._is_hidden(event) or (event.asynchronous and self._expired(event, self._clock.now())):
            raise ResourceNotFoundAsyncEvent(f"The asynchronous event {request_id} does not exist or has expired.")
        return event

    def find(self, request_id: str) -> Invocation | None:
        """Any invocation that is remembered, expired or not; None where there is none."""
        return self._by_id.get(request_id)

    def page(self, function: FunctionRecord, query: EventQuery) -> tuple[int, list[EventSnapshot]]:
        """What ListAsyncEvents shows of a function: how many events there are, and a page of them.

        Those since tracking was switched on, no older than the window; one that is RUNNING never expires.
        """
        index = self._indexes.get(function)
        if index is None or not function.config.trace:
            return 0, []
        return index.page(query, self._clock.now(), self._clock.shown if self._clock.has_jumped else None)

    def forget_function(self, function: FunctionRecord) -> None:
        """A deleted function's events are listed no more; each can be asked for while it is kept."""
        with self._lock:
            self._indexes.pop(function, None)

    def all(self) -> list[Invocation]:
        """Everything that is remembered, in the order of the invocations."""
        with self._lock:
            return list(self._by_id.values())

    def since(self, last: Invocation | None) -> list[Invocation]:
        """What was invoked after ``last``, in order; all where it is None. Costs what it gives."""
        with self._lock:
            newest: Iterator[Invocation] = reversed(self._by_id.values())
            if last is not None and last.request_id in self._by_id:
                newest = itertools.takewhile(lambda each: each is not last, newest)
            elif last is not None:
                newest = itertools.takewhile(lambda each: each.number > last.number, newest)
            return list(newest)[::-1]

    def running(self) -> list[Invocation]:
        return [event for event in self.all() if not event.final]

    def _is_hidden(self, event: Invocation) -> bool:
        return event.asynchronous and self._clock.now() < visible_from(event, self._hidden)

    def _expired(self, event: Invocation, now: float) -> bool:
        return event.end_time is not None and now - event.end_time >= self._retention
