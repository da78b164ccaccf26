"""The events of one function in the orders in which they are listed: a page costs what it shows, not what there is."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytest_scf.platform.status import RUNNING

if TYPE_CHECKING:
    from pytest_scf.platform.events import EventRecord

Key = tuple[float, float, int]


class Listed(NamedTuple):
    """An event as it was when it was listed: it may end as soon as that is done."""

    event: EventRecord
    status: str
    end_time: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
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


def _by_start(event: EventRecord) -> Key:
    return event.start_time, 0.0, event.number


def _by_end(event: EventRecord) -> Key:
    """SILENT where an event without an end stands in an order by EndTime; here below all others, as its "" does."""
    return -math.inf if event.end_time is None else event.end_time, event.start_time, event.number


def _started(event: EventRecord) -> int:
    return in_microseconds(event.start_time)


def _ended(event: EventRecord) -> int:
    assert event.end_time is not None
    return in_microseconds(event.end_time)


class _Orders:
    """Events of one status, type and qualifier, in both orders."""

    __slots__ = ("by_end", "by_start")

    def __init__(self) -> None:
        self.by_start: list[EventRecord] = []
        self.by_end: list[EventRecord] = []

    def add(self, event: EventRecord) -> None:
        _put(self.by_start, event, _by_start)
        _put(self.by_end, event, _by_end)

    def remove(self, event: EventRecord) -> None:
        """Called before anything that it is ordered by has changed."""
        _take(self.by_start, event, _by_start)
        _take(self.by_end, event, _by_end)


def _put(ordered: list[EventRecord], event: EventRecord, key: Callable[[EventRecord], Key]) -> None:
    if not ordered or key(ordered[-1]) < key(event):  # nearly always
        ordered.append(event)
    else:
        insort(ordered, event, key=key)


def _take(ordered: list[EventRecord], event: EventRecord, key: Callable[[EventRecord], Key]) -> None:
    del ordered[bisect_left(ordered, key(event), key=key)]


class EventIndex:
    """Thread-safe. ``hidden`` and ``window`` are seconds: how young or old an event must not be to be listed."""

    def __init__(self, hidden: float, window: float) -> None:
        self._hidden = hidden
        self._window = window
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        #: not visible yet, in the order of their start
        self._coming: list[EventRecord] = []
        self._by_id: dict[str, EventRecord] = {}
        self._all: list[EventRecord] = []
        self._orders: dict[tuple[str, str, str], _Orders] = {}

    def add(self, event: EventRecord) -> None:
        with self._lock:
            event.number = next(self._numbers)
            if self._hidden:
                _put(self._coming, event, _by_start)
            else:
                self._admit(event)

    def end(self, event: EventRecord, status: str, time: float) -> None:
        """Set an event's final status, which moves it."""
        with self._lock:
            listed = event.request_id in self._by_id
            if listed:
                self._orders_of(event).remove(event)
            event.end_time = time
            event.status = status
            if listed:
                self._orders_of(event).add(event)

    def page(self, wanted: Wanted, now: float) -> tuple[int, list[Listed]]:
        """How many events there are of what is wanted, and those of them that stand on the page."""
        with self._lock:
            self._update(now)
            count, page = self._page(wanted)
            return count, [Listed(event, event.status, event.end_time) for event in page]

    def _admit(self, event: EventRecord) -> None:
        self._by_id[event.request_id] = event
        _put(self._all, event, _by_start)
        self._orders_of(event).add(event)

    def _orders_of(self, event: EventRecord) -> _Orders:
        key = (event.status, event.invoke_type, event.qualifier)
        found = self._orders.get(key)
        if found is None:
            found = self._orders[key] = _Orders()
        return found

    def _update(self, now: float) -> None:
        """Let in what has become visible, and out what is too old; what is still RUNNING never is."""
        if self._coming:
            visible = bisect_right(self._coming, now - self._hidden, key=lambda event: event.start_time)
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

    def _page(self, wanted: Wanted) -> tuple[int, Sequence[EventRecord]]:
        chosen = self._chosen(wanted)
        if wanted.request_id is not None:
            event = self._by_id.get(wanted.request_id)
            one = [] if event is None or self._orders_of(event) not in chosen else [event]
            return self._cut(wanted, [_within(one, wanted)])
        if wanted.ended is not None and (wanted.started is not None or not wanted.by_end):
            # Two spans, or one that is not that of the order: what is within the one must be looked through.
            found = [_span(orders.by_end, wanted.ended, _ended) for orders in chosen]
            return self._cut(wanted, [_sorted(_within(itertools.chain(*found), wanted), wanted)])
        if wanted.started is not None and wanted.by_end:
            found = [_span(orders.by_start, wanted.started, _started) for orders in chosen]
            return self._cut(wanted, [_sorted(itertools.chain(*found), wanted)])
        if wanted.by_end:
            return self._cut(wanted, [_span(orders.by_end, wanted.ended, _ended) for orders in chosen])
        ordered = [self._all] if len(chosen) == len(self._orders) else [orders.by_start for orders in chosen]
        return self._cut(wanted, [_span(each, wanted.started, _started) for each in ordered])

    def _chosen(self, wanted: Wanted) -> list[_Orders]:
        return [
            orders
            for (status, invoke_type, qualifier), orders in self._orders.items()
            if (wanted.statuses is None or status in wanted.statuses)
            and (wanted.invoke_types is None or invoke_type in wanted.invoke_types)
            and (wanted.qualifier is None or qualifier == wanted.qualifier)
            and (wanted.ended is None or status != RUNNING)
        ]

    @staticmethod
    def _cut(wanted: Wanted, parts: list[Sequence[EventRecord]]) -> tuple[int, Sequence[EventRecord]]:
        """One page of what stands, each part in ascending order, in some parts."""
        parts = [part for part in parts if part]
        count = sum(map(len, parts))
        first, last = min(wanted.offset, count), min(wanted.offset + wanted.limit, count)
        if wanted.descending:
            first, last = count - last, count - first
        key = _by_end if wanted.by_end else _by_start
        if len(parts) < 2:
            page = list(parts[0][first:last]) if parts else []
        elif first <= count - last:
            page = list(itertools.islice(heapq.merge(*parts, key=key), first, last))
        else:  # the end is nearer
            turned = heapq.merge(*map(reversed, parts), key=key, reverse=True)
            page = list(itertools.islice(turned, count - last, count - first))[::-1]
        return count, page[::-1] if wanted.descending else page


def _span(
    ordered: list[EventRecord], span: tuple[int, int] | None, moment: Callable[[EventRecord], int]
) -> Sequence[EventRecord]:
    if span is None:
        return ordered
    return ordered[bisect_left(ordered, span[0], key=moment) : bisect_left(ordered, span[1], key=moment)]


def _within(events: Iterable[EventRecord], wanted: Wanted) -> list[EventRecord]:
    """Those within both spans; where one is asked for by their end, they have one."""
    return [
        event
        for event in events
        if (wanted.started is None or wanted.started[0] <= _started(event) < wanted.started[1])
        and (wanted.ended is None or wanted.ended[0] <= _ended(event) < wanted.ended[1])
    ]


def _sorted(events: Iterable[EventRecord], wanted: Wanted) -> list[EventRecord]:
    return sorted(events, key=_by_end if wanted.by_end else _by_start)
