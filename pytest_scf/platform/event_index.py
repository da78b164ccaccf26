"""The events of one function in the orders in which they are listed: a page costs what it shows, not what there is."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pytest_scf.platform.status import RUNNING

Key = tuple[float, float, int]


class Listable(Protocol):
    """What an event is listed by."""

    request_id: str
    start_time: float
    end_time: float | None
    status: str
    invoke_type: str
    qualifier: str
    #: tells two of the same moment apart: later ones have greater numbers
    number: int
    #: seconds after its start for which it is not to be listed, where that is more than the index hides all for
    hidden_for: float

    def finish(self) -> None:
        """Take over the final status and the end."""


class EventSnapshot(NamedTuple):
    """An event as it was when it was listed: it may end as soon as that is done."""

    event: Listable
    status: str
    end_time: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What is to be listed; None: any. Spans are closed-open, in microseconds since the epoch."""

    request_id: str | None = None
    statuses: frozenset[str] | None = None
    invoke_types: frozenset[str] | None = None
    qualifier: str | None = None
    started: tuple[int, int] | None = None
    ended: tuple[int, int] | None = None
    by_end: bool = False
    descending: bool = True
    offset: int = 0
    limit: int = 20


def in_microseconds(epoch: float) -> int:
    return round(epoch * 1_000_000)


def _by_start(event: Listable) -> Key:
    return event.start_time, 0.0, event.number


def _by_end(event: Listable) -> Key:
    """Choice: in an order by EndTime an event without an end stands below all others, as its "" does."""
    return -math.inf if event.end_time is None else event.end_time, event.start_time, event.number


def visible_from(event: Listable, hidden: float) -> float:
    """When an event comes to be seen; ``hidden``: how long after its start any event is hidden, in seconds."""
    return event.start_time + max(hidden, event.hidden_for)


def _started(event: Listable) -> int:
    return in_microseconds(event.start_time)


def _ended(event: Listable) -> int:
    assert event.end_time is not None
    return in_microseconds(event.end_time)


class _Orders:
    """Events of one status, type and qualifier, in both orders."""

    __slots__ = ("by_end", "by_start")

    def __init__(self) -> None:
        self.by_start: list[Listable] = []
        self.by_end: list[Listable] = []

    def add(self, event: Listable) -> None:
        _put(self.by_start, event, _by_start)
        _put(self.by_end, event, _by_end)

    def remove(self, event: Listable) -> None:
        """Called before anything that it is ordered by has changed."""
        _take(self.by_start, event, _by_start)
        _take(self.by_end, event, _by_end)


def _put(ordered: list[Listable], event: Listable, key: Callable[[Listable], Key]) -> None:
    if not ordered or key(ordered[-1]) < key(event):  # nearly always
        ordered.append(event)
    else:
        insort(ordered, event, key=key)


def _take(ordered: list[Listable], event: Listable, key: Callable[[Listable], Key]) -> None:
    del ordered[bisect_left(ordered, key(event), key=key)]


class EventIndex:
    """Thread-safe. ``hidden`` and ``window`` are seconds: how young or old an event must not be to be listed."""

    def __init__(self, hidden: float, window: float) -> None:
        self._hidden = hidden
        self._window = window
        self._lock = threading.Lock()
        #: not visible yet, in the order in which they will be
        self._coming: list[Listable] = []
        self._by_id: dict[str, Listable] = {}
        self._all: list[Listable] = []
        self._orders: dict[tuple[str, str, str], _Orders] = {}

    def add(self, event: Listable) -> None:
        with self._lock:
            if self._hidden or event.hidden_for:
                insort(self._coming, event, key=self._visible_from)
            else:
                self._admit(event)

    def finish(self, event: Listable) -> None:
        """Have an event take over its final status, which moves it."""
        with self._lock:
            listed = event.request_id in self._by_id
            if listed:
                self._orders_of(event).remove(event)
            event.finish()
            if listed:
                self._orders_of(event).add(event)

    def page(
        self, query: EventQuery, now: float, shown: Callable[[float], float] | None = None
    ) -> tuple[int, list[EventSnapshot]]:
        """How many events there are of what is asked for, and those of them that stand on the page.

        ``shown``: what is shown for a moment, where that may be another one; spans and orders are of what is shown.
        """
        with self._lock:
            self._update(now)
            count, page = self._page(query) if shown is None else self._page_as_shown(query, shown)
            return count, [EventSnapshot(event, event.status, event.end_time) for event in page]

    def _visible_from(self, event: Listable) -> float:
        return visible_from(event, self._hidden)

    def _admit(self, event: Listable) -> None:
        self._by_id[event.request_id] = event
        _put(self._all, event, _by_start)
        self._orders_of(event).add(event)

    def _orders_of(self, event: Listable) -> _Orders:
        key = (event.status, event.invoke_type, event.qualifier)
        found = self._orders.get(key)
        if found is None:
            found = self._orders[key] = _Orders()
        return found

    def _update(self, now: float) -> None:
        """Let in what has become visible, and out what is too old; what is still RUNNING never is."""
        if self._coming:
            visible = bisect_right(self._coming, now, key=self._visible_from)
            for event in self._coming[:visible]:
                self._admit(event)
            del self._coming[:visible]
        first = bisect_right(self._all, now - self._window, key=lambda event: event.start_time)
        old = {event for event in self._all[:first] if event.status != RUNNING}
        if not old:
            return
        self._all[:first] = [event for event in self._all[:first] if event not in old]
        for event in old:
            del self._by_id[event.request_id]
        for orders in self._orders.values():
            for ordered in (orders.by_start, orders.by_end):
                ordered[:] = [event for event in ordered if event not in old]

    def _page(self, query: EventQuery) -> tuple[int, Sequence[Listable]]:
        chosen = self._chosen(query)
        if query.request_id is not None:
            event = self._by_id.get(query.request_id)
            one = [] if event is None or self._orders_of(event) not in chosen else [event]
            return self._cut(query, [_within(one, query)])
        if query.ended is not None and (query.started is not None or not query.by_end):
            # Two spans, or one that is not that of the order: what is within the one must be looked through.
            found = [_span(orders.by_end, query.ended, _ended) for orders in chosen]
            return self._cut(query, [_sorted(_within(itertools.chain(*found), query), query)])
        if query.started is not None and query.by_end:
            found = [_span(orders.by_start, query.started, _started) for orders in chosen]
            return self._cut(query, [_sorted(itertools.chain(*found), query)])
        if query.by_end:
            return self._cut(query, [_span(orders.by_end, query.ended, _ended) for orders in chosen])
        ordered = [self._all] if len(chosen) == len(self._orders) else [orders.by_start for orders in chosen]
        return self._cut(query, [_span(each, query.started, _started) for each in ordered])

    def _page_as_shown(self, query: EventQuery, shown: Callable[[float], float]) -> tuple[int, Sequence[Listable]]:
        """The clock has jumped: two events may be shown in another order than the one in which they began."""
        found: list[tuple[Key, Listable]] = []
        for event in itertools.chain(*(orders.by_start for orders in self._chosen(query))):
            start = shown(event.start_time)
            end = None if event.end_time is None else shown(event.end_time)
            if (
                query.request_id in (None, event.request_id)
                and _is_in(query.started, start)
                and _is_in(query.ended, end)
            ):
                first = start if not query.by_end else -math.inf if end is None else end
                found.append(((first, start, event.number), event))
        found.sort(key=lambda each: each[0])
        return self._cut(query, [[event for _key, event in found]])

    def _chosen(self, query: EventQuery) -> list[_Orders]:
        return [
            orders
            for (status, invoke_type, qualifier), orders in self._orders.items()
            if (query.statuses is None or status in query.statuses)
            and (query.invoke_types is None or invoke_type in query.invoke_types)
            and (query.qualifier is None or qualifier == query.qualifier)
            and (query.ended is None or status != RUNNING)
        ]

    @staticmethod
    def _cut(query: EventQuery, parts: list[Sequence[Listable]]) -> tuple[int, Sequence[Listable]]:
        """One page of what stands, each part in ascending order, in some parts."""
        parts = [part for part in parts if part]
        count = sum(map(len, parts))
        first, last = min(query.offset, count), min(query.offset + query.limit, count)
        if query.descending:
            first, last = count - last, count - first
        key = _by_end if query.by_end else _by_start
        if len(parts) < 2:
            page = list(parts[0][first:last]) if parts else []
        elif first <= count - last:
            page = list(itertools.islice(heapq.merge(*parts, key=key), first, last))
        else:  # the end is nearer
            turned = heapq.merge(*map(reversed, parts), key=key, reverse=True)
            page = list(itertools.islice(turned, count - last, count - first))[::-1]
        return count, page[::-1] if query.descending else page


def _span(
    ordered: list[Listable], span: tuple[int, int] | None, moment: Callable[[Listable], int]
) -> Sequence[Listable]:
    if span is None:
        return ordered
    return ordered[bisect_left(ordered, span[0], key=moment) : bisect_left(ordered, span[1], key=moment)]


def _is_in(span: tuple[int, int] | None, moment: float | None) -> bool:
    return span is None or (moment is not None and span[0] <= in_microseconds(moment) < span[1])


def _within(events: Iterable[Listable], query: EventQuery) -> list[Listable]:
    """Those within both spans."""
    return [
        event for event in events if _is_in(query.started, event.start_time) and _is_in(query.ended, event.end_time)
    ]


def _sorted(events: Iterable[Listable], query: EventQuery) -> list[Listable]:
    return sorted(events, key=_by_end if query.by_end else _by_start)
