"""The limits of what works on an event: time and memory. Both are looked at in the reactor's thread."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable

from pytest_scf.instances import memory
from pytest_scf.instances.reactor import Reactor, Timer
from pytest_scf.platform.records import Attempt, InstanceRecord

#: seconds that looking at memory may take at a time: meanwhile the reactor does nothing else
TURN = 0.005
#: seconds within which the next piece comes of an answer that has begun when its time is up
PIECE = 0.1


class _Limit:
    __slots__ = ("attempt", "deadline", "left", "lifted", "passed", "suspensions", "timer")

    def __init__(self) -> None:
        #: what the time counts for
        self.attempt: Attempt | None = None
        #: ``time.monotonic()``
        self.deadline = 0.0
        #: the deadline that was seen to have passed, and how much of an answer had come then
        self.passed: tuple[float, int] | None = None
        self.timer: Timer | None = None
        #: those that have not been resumed: while there are any, no time counts
        self.suspensions: set[object] = set()
        #: seconds that are left while the limit is suspended
        self.left = 0.0
        #: no limit counts for this instance any more
        self.lifted = False


class TimeLimits:
    """One for each instance. ``expired`` is called without the lock, with the instance and what it worked on then."""

    def __init__(
        self, reactor: Reactor, lock: threading.RLock, expired: Callable[[InstanceRecord, Attempt], object]
    ) -> None:
        self._reactor = reactor
        self._lock = lock
        self._expired = expired
        self._limits: dict[InstanceRecord, _Limit] = {}

    def set_locked(self, instance: InstanceRecord, seconds: float) -> None:
        """Limit the time from now on. One timer serves all limits of an instance: it looks whether that moved on."""
        limit = self._limits.get(instance)
        if limit is None:
            limit = self._limits[instance] = _Limit()
        attempt = instance.attempt
        if attempt is None or attempt.decided or attempt is not limit.attempt:
            limit.attempt = attempt
            limit.suspensions.clear()
        if limit.lifted:
            return
        if limit.suspensions:
            limit.left = seconds
            return
        limit.deadline = time.monotonic() + seconds
        if limit.timer is None or limit.timer.due > limit.deadline:
            self._arm_locked(instance, limit, limit.deadline)

    def _arm_locked(self, instance: InstanceRecord, limit: _Limit, due: float) -> None:
        if limit.timer is not None:
            limit.timer.cancel()
        limit.timer = self._reactor.call_at(due, lambda: self._look(instance))

    def suspend(self, instance: InstanceRecord) -> Callable[[], None]:
        """Let no time count of what the instance works on, until all that this gave has been called.

        Once that is decided, time counts in any case: the thread that this was for may never go on.
        """
        suspension = object()

        def resume() -> None:
            with self._lock:
                if limit is not None and suspension in limit.suspensions:
                    limit.suspensions.remove(suspension)
                    if not limit.suspensions:
                        self.set_locked(instance, limit.left)

        with self._lock:
            limit = self._limits.get(instance)
            if limit is not None:
                if not limit.suspensions:
                    limit.left = max(0.0, limit.deadline - time.monotonic())
                limit.suspensions.add(suspension)
        return resume

    def lift_locked(self, instance: InstanceRecord) -> None:
        """Let no time of the instance count any more, whatever it works on."""
        limit = self._limits.get(instance)
        if limit is not None:
            limit.lifted = True

    def remove_locked(self, instance: InstanceRecord) -> None:
        limit = self._limits.pop(instance, None)
        if limit is not None:
            limit.suspensions.clear()
            if limit.timer is not None:
                limit.timer.cancel()

    def _look(self, instance: InstanceRecord) -> None:
        with self._lock:
            limit = self._limits.get(instance)
            if limit is None:
                return
            limit.timer = None
            # Of an instance without an attempt the next one sets a limit of its own.
            attempt = instance.attempt
            if attempt is None or limit.lifted or limit.suspensions:
                return
            if time.monotonic() < limit.deadline:
                self._arm_locked(instance, limit, limit.deadline)
                return
            process, now = instance.process_if_alive, time.monotonic()
            come = 0 if process is None else process.answer_under_way
            if limit.passed != (limit.deadline, come):
                # The reactor may come late, and the answer wait in its socket. A timer after this very moment leaves
                # it a turn to read that; a great one comes in pieces, and is in time as long as it does.
                limit.passed = limit.deadline, come
                self._arm_locked(instance, limit, now + PIECE if come else math.nextafter(now, math.inf))
                return
        self._expired(instance, attempt)


class MemoryLimits:
    """Looks at all that work, every ``memory.INTERVAL`` seconds, as long as anything does: the kernel tells nobody.

    Where hundreds work it looks at as many as there is time for, which is ``TURN`` seconds, and at the rest next time.
    ``working`` gives those instances, ``exceeded`` is called with one and the bytes that it holds; both without a lock.
    """

    def __init__(
        self,
        reactor: Reactor,
        working: Callable[[], Iterable[InstanceRecord]],
        exceeded: Callable[[InstanceRecord, int], object],
    ) -> None:
        self._reactor = reactor
        self._working = working
        self._exceeded = exceeded
        self._watching = False
        #: those that are still to be looked at before it is anybody's turn again
        self._turn: list[InstanceRecord] = []

    def watch_locked(self) -> None:
        """Something works now."""
        if not self._watching:
            self._watching = True
            self._reactor.call_at(time.monotonic() + memory.INTERVAL, self._look)

    def _look(self) -> None:
        self._watching = False
        if self._turn:
            self.watch_locked()
        else:
            self._turn = list(self._working())
        shared = memory.shared_memory_of_the_machine()
        end = time.monotonic() + TURN
        while self._turn:
            instance = self._turn.pop()
            process = instance.process_if_alive
            if process is None:
                continue
            limit = instance.config.memory * 1024 * 1024
            held = process.held_memory(limit, shared)
            if held > limit:
                self._exceeded(instance, held)
            self.watch_locked()
            if time.monotonic() > end:
                return
