"""Asynchronous invocations of functions without asynchronous execution: messages that wait, and are tried again.

A message waits for an instance where all that its function may have are busy, which is no failure. An attempt that
fails is repeated, ``retry_num`` times at most, ``retry_seconds`` after it failed. No message is kept for longer than
its function's ``msg_ttl``. All of it goes by the platform's clock (docs/cloud-contract.md#asynchronous-invocation).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from pytest_scf.api_errors import LimitExceededQuota
from pytest_scf.platform.outcomes import is_retried

if TYPE_CHECKING:
    from pytest_scf.platform.clock import Clock, Due
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Invocation
    from pytest_scf.platform.settings import Settings

FOR_AN_INSTANCE = "for an instance: all that the function may have are busy"


class Queue:
    """The messages of one platform. All methods are called with the platform's lock held.

    ``due`` is called, without the lock, with a message whose next attempt is due; ``expired`` with one that has waited
    for an instance for as long as it is kept.
    """

    def __init__(
        self,
        clock: Clock,
        settings: Settings,
        due: Callable[[Invocation], object],
        expired: Callable[[Invocation], object],
    ) -> None:
        self._clock = clock
        self._most = settings.queue_messages
        self._retry_seconds = settings.retry_seconds
        self._on_due = due
        self._on_expired = expired
        self._ready: dict[FunctionRecord, deque[Invocation]] = {}
        #: of each message that waits, what happens when it has waited long enough
        self._dues: dict[Invocation, Due] = {}

    def __len__(self) -> int:
        return len(self._dues)

    def refuse_when_full(self, function: FunctionRecord) -> None:
        """Raises LimitExceeded.Quota. Choice: one message too many is refused."""
        if len(self._dues) >= self._most:
            raise LimitExceededQuota(
                f"Function [ {function.name} ] cannot be invoked asynchronously: {self._most} messages wait already.",
                status_code=429,
            )

    def put(self, event: Invocation) -> None:
        """Let a message wait for an instance."""
        event.wait_for(FOR_AN_INSTANCE)
        self._ready.setdefault(event.function, deque()).append(event)
        end = event.start_time + event.function.msg_ttl
        self._dues[event] = self._clock.call_at(end, lambda: self._on_expired(event))

    def has(self, function: FunctionRecord) -> bool:
        """Whether a message of the function waits for an instance."""
        return function in self._ready

    def first(self, function: FunctionRecord) -> Invocation:
        """What ``next`` would give."""
        return self._ready[function][0]

    def next(self, function: FunctionRecord) -> Invocation:
        """The message of the function that has waited longest for an instance; there must be one."""
        event = self._ready[function].popleft()
        if not self._ready[function]:
            del self._ready[function]
        self._remove(event)
        return event

    def retry(self, event: Invocation) -> bool:
        """Whether a message whose attempt is over is tried again; if so the attempt is put away, and it waits."""
        attempt, function = event.attempt, event.function
        outcome = attempt.outcome
        assert outcome is not None
        moment = attempt.decided_at + self._retry_seconds
        kept_until = event.start_time + function.msg_ttl
        if not is_retried(
            outcome,
            retries=event.retry_num,
            retry_num=function.retry_num,
            next_attempt=moment,
            kept_until=kept_until,
        ):
            return False
        event.begin_again()
        event.wait_for(
            f"for attempt {event.retry_num + 1} of {function.retry_num + 1}, {self._retry_seconds:g} s of the clock "
            f"(retry_seconds) after attempt {event.retry_num} failed with {outcome.code}: {outcome.cause}"
        )
        self._dues[event] = self._clock.call_at(moment, lambda: self._on_due(event))
        event.notify_waiters()
        return True

    def take(self, event: Invocation) -> bool:
        """Take a message out, whatever it waits for; False where it waits no more."""
        if event not in self._dues:
            return False
        waiting = self._ready.get(event.function)
        if waiting is not None and event in waiting:
            waiting.remove(event)
            if not waiting:
                del self._ready[event.function]
        self._remove(event)
        return True

    def clear(self) -> None:
        for due in self._dues.values():
            due.cancel()
        for event in self._dues:
            event.wait_for("")
        self._dues.clear()
        self._ready.clear()

    def _remove(self, event: Invocation) -> None:
        event.wait_for("")
        self._dues.pop(event).cancel()
