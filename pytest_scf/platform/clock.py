"""The clock of the platform: real time, plus what a test has advanced it by."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator

from pytest_scf.errors import UsageError
from pytest_scf.instances.reactor import Reactor, Timer


class Due:
    """Work that is due at a moment of the clock."""

    __slots__ = ("call", "moment")

    def __init__(self, moment: float, call: Callable[[], object]) -> None:
        self.moment = moment
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class Clock:
    """Tells the platform's time in seconds since the epoch, and fires what is due.

    It runs with real time; ``advance`` moves it ahead. It is the time of what the cloud remembers (retention,
    windows, idle instances). How long a handler has run is real time, which no test can move: a function's Timeout
    is measured on that.

    ``jump`` changes what is told of the time, and nothing else: ``now`` goes on steadily, and so does all that is due.
    """

    def __init__(self, reactor: Reactor) -> None:
        self._reactor = reactor
        self._offset = time.time() - time.monotonic()
        self._lock = threading.RLock()
        #: of two who advance the clock at once one comes after the other, or it would move by less than both want
        self._advancing = threading.RLock()
        self._due: list[tuple[float, int, Due]] = []
        self._sequence = itertools.count()
        self._timer: Timer | None = None
        #: somebody advances it, and does all that is due: the reactor does nothing of it meanwhile
        self._is_advanced = False
        self._after_step: list[Callable[[], object]] = []
        self._after_advance: list[Callable[[], object]] = []
        self._closed = False
        #: from, until (by ``now``), and by how much
        self._jumps: list[tuple[float, float, float]] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.monotonic() + self._offset

    @property
    def has_jumped(self) -> bool:
        """Whether ``shown`` is another time than it is given, for some."""
        return bool(self._jumps)

    def shown(self, moment: float) -> float:
        """What is told of a moment of ``now``: with a jump of the clock where it lies within one."""
        return moment + sum(amount for since, until, amount in self._jumps if since <= moment < until)

    @contextlib.contextmanager
    def jump(self, seconds: float) -> Iterator[None]:
        """Tell the time so much later (below 0: earlier) within the block."""
        begun = (self.now(), math.inf, seconds)
        with self._lock:
            self._jumps = [*self._jumps, begun]
        try:
            yield
        finally:
            with self._lock:
                self._jumps = [each if each is not begun else (begun[0], self.now(), seconds) for each in self._jumps]

    def call_at(self, moment: float, call: Callable[[], object]) -> Due:
        """Have ``call`` called once the clock reaches ``moment``: by ``advance``, or in the background."""
        due = Due(moment, call)
        with self._lock:
            heapq.heappush(self._due, (moment, next(self._sequence), due))
            self._arm()
        return due

    def after_step(self, call: Callable[[], object]) -> None:
        """Have ``call`` called by ``advance`` after each piece of work that it did; it may wait."""
        self._after_step.append(call)

    def after_advance(self, call: Callable[[], object]) -> None:
        """Have ``call`` called by ``advance`` when all is done; what it raises is raised by that."""
        self._after_advance.append(call)

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> None:
        """Move the clock ahead; all work that becomes due is done before this returns, in order, each at its moment.

        Raises UsageError for an amount below zero: time does not go back. Raises ApiError, when all is done, where the
        call of a timer was refused.
        """
        amount = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        if not amount >= 0:
            raise UsageError(f"the clock can only be advanced, not moved by {amount:g} s")
        with self._advancing:
            with self._lock:
                target = self.now() + amount
                advanced_before, self._is_advanced = self._is_advanced, True
            try:
                while True:
                    with self._lock:
                        call = self._take(target)
                    if call is None:
                        break
                    call()
                    for settle in self._after_step:
                        settle()
            finally:
                with self._lock:
                    self._is_advanced = advanced_before
                    self._offset += max(0.0, target - self.now())
                    self._arm()
            for tell in self._after_advance:
                tell()

    def _take(self, until: float) -> Callable[[], object] | None:
        """The earliest call due by then, with the clock moved to its moment."""
        while self._due and self._due[0][0] <= until:
            moment, _, due = heapq.heappop(self._due)
            if due.call is not None:
                self._offset += max(0.0, moment - self.now())
                return due.call
        return None

    def _arm(self) -> None:
        """Have the reactor look when the earliest work falls due in real time."""
        if self._closed or not self._due:
            return
        due = self._due[0][0] - self._offset
        if self._timer is not None and self._timer.call is not None and self._timer.due <= due:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._reactor.call_at(due, self._fire)

    def _fire(self) -> None:
        while True:
            with self._lock:
                self._timer = None
                if self._closed or self._is_advanced:
                    return
                call = self._take(self.now())
                if call is None:
                    self._arm()
                    return
            try:
                call()
            except BaseException:  # which the reactor reports; what else is due is due all the same
                with self._lock:
                    self._arm()
                raise

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._due.clear()
            if self._timer is not None:
                self._timer.cancel()

    def __repr__(self) -> str:
        ahead = self._offset - (time.time() - time.monotonic())
        return f"<Clock {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(self.now()))} UTC, advanced by {ahead:.0f} s>"
