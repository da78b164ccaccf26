"""Topics of message queues (CKafka, CMQ): what is sent to one is delivered to the functions with a trigger of it.

CMQ calls asynchronously, as timers do. CKafka calls synchronously, batch after batch: a batch that fails is tried
again, all of it, each minute of the clock, and the messages of its partition behind it wait.

Choice: what one ``send`` gives is delivered at once; the time that the cloud waits for a fuller batch is not emulated.
A batch that has failed ``retry`` times is passed over. An over-limit refusal counts as a failure.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_scf import trigger_events
from pytest_scf.errors import ScfError
from pytest_scf.platform.triggers import Armed, Fired, Triggers
from pytest_scf.triggers.rules import CkafkaRule, CmqRule

if TYPE_CHECKING:
    from pytest_scf.platform.clock import Clock
    from pytest_scf.platform.records import Invocation
    from pytest_scf.platform.settings import Settings


@dataclass(eq=False)
class _Lane:
    """The messages of one partition for one trigger, the oldest first; one thread at a time delivers them."""

    armed: Armed
    topic: str
    partition: int
    messages: deque[tuple[int, str | None, object]] = field(default_factory=deque)
    lock: threading.RLock = field(default_factory=threading.RLock)
    #: how often the first batch has failed
    failed: int = 0
    #: messages of the first batch, once it has failed: it is tried again as it was
    size: int = 0
    waits: bool = False


class Topics:
    """The topics of one runtime. ``finish`` waits for the end of an invocation."""

    def __init__(
        self, settings: Settings, clock: Clock, triggers: Triggers, finish: Callable[[Invocation], object]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._triggers = triggers
        self._finish = finish
        self._lock = threading.Lock()
        self._offsets: dict[tuple[str, int], int] = {}
        self._lanes: dict[tuple[Armed, str, int], _Lane] = {}
        self._retrying: set[threading.Thread] = set()
        clock.after_step(self._wait_for_retries)

    def send(self, topic: str, bodies: Sequence[object], *, key: str | None, partition: int, tags: str) -> Fired:
        """Deliver messages; gives what was called for them, in order. Of CKafka these have ended."""
        fired = Fired()
        for armed in self._triggers.enabled("cmq"):
            rule = armed.trigger.rule
            if armed.trigger.name == topic and isinstance(rule, CmqRule) and rule.fires(tags):
                for body in bodies:
                    event = trigger_events.cmq(body, topic=topic, tags=tags, owner=self._settings.appid)
                    self._triggers.fire_also(fired, armed, event)
        with self._lock:
            first = self._offsets.get((topic, partition), 0)
            self._offsets[(topic, partition)] = first + len(bodies)
        for armed in self._triggers.enabled("ckafka"):
            rule = armed.trigger.rule
            if isinstance(rule, CkafkaRule) and rule.is_of(topic, armed.trigger.name):
                with self._lock:
                    lane = self._lanes.setdefault((armed, topic, partition), _Lane(armed, topic, partition))
                with lane.lock:
                    lane.messages += [(number, key, body) for number, body in enumerate(bodies, first)]
                    if not lane.waits:
                        self._deliver(lane, fired.invocations)
        return fired

    def _deliver(self, lane: _Lane, called: list[Invocation]) -> None:
        """Until there is no message, or a batch failed. The caller holds the lane's lock."""
        while lane.messages:
            rule = lane.armed.trigger.rule
            assert isinstance(rule, CkafkaRule)
            size = lane.size or min(rule.most, len(lane.messages))
            records: list[Any] = []
            for number, key, body in list(lane.messages)[:size]:
                records += trigger_events.ckafka(
                    body, topic=lane.topic, partition=lane.partition, offset=number, key=key
                )["Records"]
            if self._call(lane, {"Records": records}, called) or lane.failed >= rule.retry:
                for _ in range(size):
                    lane.messages.popleft()
                lane.failed = lane.size = 0
                continue
            lane.failed += 1
            lane.size = size
            lane.waits = True
            self._try_later(lane)
            return

    def _call(self, lane: _Lane, event: dict[str, Any], called: list[Invocation]) -> bool:
        """Whether the batch was worked on without an error."""
        try:
            invocation = self._triggers.fire(lane.armed, event, asynchronous=False)
        except ScfError:  # over the limit, deleted, or closed
            return False
        called.append(invocation)
        self._finish(invocation)
        return invocation.attempt.status_code == 200

    def _try_later(self, lane: _Lane) -> None:
        self._clock.call_at(self._clock.now() + self._settings.retry_seconds, lambda: self._retry(lane))

    def _retry(self, lane: _Lane) -> None:
        """Due by the clock, perhaps in the reactor's thread, which must not wait."""
        if not self._triggers.has(lane.armed):
            with self._lock:
                del self._lanes[(lane.armed, lane.topic, lane.partition)]
            return
        if not lane.armed.trigger.enabled:
            self._try_later(lane)  # it may be enabled again
            return
        thread = threading.Thread(target=self._try_again, args=(lane,), name="pytest-scf-topic", daemon=True)
        with self._lock:
            try:
                thread.start()
            except RuntimeError:  # no more threads can be had now
                self._try_later(lane)
            else:
                self._retrying.add(thread)

    def _try_again(self, lane: _Lane) -> None:
        try:
            with lane.lock:
                lane.waits = False
                self._deliver(lane, [])
        finally:
            with self._lock:
                self._retrying.discard(threading.current_thread())

    def _wait_for_retries(self) -> None:
        """While the clock is advanced: what was tried again ends before time goes on."""
        with self._lock:
            threads = list(self._retrying)
        for thread in threads:
            thread.join()
