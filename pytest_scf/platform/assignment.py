"""Which attempt is worked on by which instance: instances are started, reused, waited for and repossessed.

It owns the platform's lock, which guards the records, the pools and the queue. The lock is held for moments only: never
while a process, the network or the disk is waited for, and never while code of the user's runs. Methods whose names end
in ``_locked`` are called with it held. What comes after it, where both are held: an instance's own lock, the fork
server's, the reactor's.
"""

from __future__ import annotations

import abc
import threading
from collections.abc import Iterable

from pytest_scf.api_errors import LimitExceededFunctionReservedConcurrencyMemory
from pytest_scf.errors import ScfError
from pytest_scf.instances.observer import Observer
from pytest_scf.instances.reactor import Reactor
from pytest_scf.platform import outcomes
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.event_store import EventStore
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.output import Output
from pytest_scf.platform.pool import InstancePool
from pytest_scf.platform.queue import Queue
from pytest_scf.platform.records import Attempt, InstanceRecord, Invocation
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.starting import InstanceStarter
from pytest_scf.platform.trigger_sources import TRIGGER_SOURCES
from pytest_scf.platform.watchdog import MemoryLimits, TimeLimits

#: seconds that the runtime is given to hand out its coverage before the process is killed or signalled
COVERAGE_DEADLINE = 2.0
#: seconds that a launcher is given to start a container, which are none of the function's time
CONTAINER_DEADLINE = 60.0


class Assignment(abc.ABC):
    """One for each platform; ``Scheduler`` is what listens to the instances."""

    @abc.abstractmethod
    def _observer_of(self, instance: InstanceRecord) -> Observer:
        """Whom an instance tells what happens in it."""

    @abc.abstractmethod
    def _time_is_up(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """A time limit of the instance has passed while it worked on the attempt."""

    @abc.abstractmethod
    def _memory_is_up(self, instance: InstanceRecord, held: int) -> None:
        """The instance holds so many bytes, more than its limit."""

    def __init__(
        self, settings: Settings, clock: Clock, reactor: Reactor, events: EventStore, starter: InstanceStarter
    ) -> None:
        self.lock = threading.RLock()
        self._settings = settings
        self._clock = clock
        self._reactor = reactor
        self._events = events
        self._starter = starter
        self._closed = False
        self._pools: dict[FunctionRecord, InstancePool] = {}
        #: instances of which something may be left
        self._alive: set[InstanceRecord] = set()
        self._all_gone = threading.Condition(self.lock)
        self._queue = Queue(clock, settings, self._try_again, self._waited_too_long)
        self.time_limits = TimeLimits(reactor, self.lock, self._time_is_up)
        self._memory_limits = MemoryLimits(reactor, self._working, self._memory_is_up)
        #: what went wrong in the background, for which no event could be blamed
        self.errors: list[BaseException] = []
        self.output = Output(self.lock, clock, starter)

    def invoke(self, event: Invocation, payload: bytes, *, fresh: bool = False) -> None:
        """Begin an invocation, or let it wait where it is a message; see ``Platform.invoke`` for what is raised."""
        function, config = event.function, event.attempt.config
        if not fresh:
            with self.lock:
                if self._invoke_idle_locked(event, payload):
                    return
        self._starter.host_of(config)  # which takes time where it is started, so without the lock
        with self.lock:
            if not fresh and self._invoke_idle_locked(event, payload):
                return
            self._check_open_locked(function)
            if self._has_room_locked(function):
                self._launch_locked(event.attempt, payload)
                self._events.add(event)
            elif event.message is not None:
                self._queue.refuse_when_full(function)
                self._events.add(event)
                self._queue.put(event)
            else:
                raise LimitExceededFunctionReservedConcurrencyMemory(self._quota_exceeded(function))

    def _invoke_idle_locked(self, event: Invocation, payload: bytes) -> bool:
        """Begin it in an instance that is idle; False where none is."""
        self._check_open_locked(event.function)
        instance = self._pool_locked(event.function).take_idle(event.attempt.config)
        if instance is None:
            return False
        self._events.add(event)
        self._assign_locked(instance, event.attempt, payload)
        return True

    def _check_open_locked(self, function: FunctionRecord) -> None:
        if self._closed:
            raise ScfError("this runtime is closed: its functions cannot be invoked any more")
        function.check_present()  # it may have been deleted since its configuration was looked up

    def _quota_exceeded(self, function: FunctionRecord) -> str:
        quota = function.reserved_memory
        if quota is None:
            quota = self._most_instances(function) * function.config.memory
        return outcomes.quota_exceeded(function.name, quota)

    def _most_instances(self, function: FunctionRecord) -> int:
        if function.reserved_memory is not None:
            return function.reserved_memory // function.config.memory
        return function.config.max_instances or self._settings.max_instances

    def _has_room_locked(self, function: FunctionRecord) -> bool:
        """Whether another instance may be started; it takes the place of one that is idle, of another version."""
        return self._pool_locked(function).occupied < self._most_instances(function)

    def _pool_locked(self, function: FunctionRecord) -> InstancePool:
        pool = self._pools.get(function)
        if pool is None:
            pool = self._pools[function] = InstancePool()
        return pool

    @property
    def instances(self) -> list[InstanceRecord]:
        """All of which something may be left."""
        with self.lock:
            return list(self._alive)

    def instances_of(self, function: FunctionRecord) -> list[InstanceRecord]:
        """Those that are alive, oldest first."""
        pool = self._pools.get(function)
        return [] if pool is None else pool.alive

    def _assign_locked(self, instance: InstanceRecord, attempt: Attempt, payload: bytes) -> None:
        attempt.assign(instance)
        instance.begin(attempt)
        instance.process.resume_output()
        self.begin_locked(instance)
        instance.process.send_event(attempt.request_id, payload, attempt.invocation.take_connection())

    def begin_locked(self, instance: InstanceRecord) -> None:
        """The handler is about to run: its time limit counts from here."""
        self.time_limits.set_locked(instance, instance.config.timeout)
        self._memory_limits.watch_locked()

    def _launch_locked(self, attempt: Attempt, payload: bytes) -> None:
        function, config = attempt.function, attempt.config
        instance = InstanceRecord(function, config)
        source = TRIGGER_SOURCES.get(attempt.invocation.invoke_type, "")
        process = self._starter.start(instance, self._observer_of(instance), source)
        instance.run_in(process)
        instance.begin(attempt)
        attempt.assign(instance, cold=True, payload=payload)
        pool = self._pool_locked(function)
        if len(pool.instances) >= self._most_instances(function):
            self._kill_all_locked(pool.take_oldest_idle())
        pool.add(instance)
        self._alive.add(instance)
        starting = CONTAINER_DEADLINE if process.level.by_launcher else 0.0
        self.time_limits.set_locked(instance, config.init_timeout + starting)

    def release_locked(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """Publish the attempt, and give its instance the next one, or let it be idle, or take it back."""
        function = instance.function
        instance.become_idle(attempt.decided_at)
        if self._closed or not function.serves(instance.config):
            self.publish_locked(attempt)
            instance.process.kill()
        elif self._queue.has(function):
            self.publish_locked(attempt)
            self._serve_locked(self._queue.next(function), instance)
        else:
            self._pool_locked(function).keep_idle(instance)
            self._expect_idle_end_locked(function)
            self.publish_locked(attempt)

    def publish_locked(self, attempt: Attempt) -> None:
        """Let an outcome be seen; but that of an attempt which is to be followed by another."""
        event = attempt.invocation
        self.output.end_locked(attempt)
        if event.message is not None and not self._closed and self._queue.retry(event):
            return
        event.forget_message()
        event.drop_connection()
        attempt.publish()
        self._events.finish(event)
        event.notify_waiters()  # before anybody who waits for the end goes on: what follows it is told of it first
        event.done.open()

    def serve_queue(self, function: FunctionRecord) -> None:
        """Begin with the messages that wait, as far as the function may have instances."""
        with self.lock:
            self._serve_queue_locked(function)

    def _serve_queue_locked(self, function: FunctionRecord) -> None:
        while self._queue.has(function) and not self._closed and self._has_place_locked(self._queue.first(function)):
            self._serve_locked(self._queue.next(function))

    def _has_place_locked(self, event: Invocation) -> bool:
        """Whether a message can begin now, in an instance that is idle or in a new one."""
        if self._has_room_locked(event.function):
            return True
        try:
            config = event.function.resolve(event.qualifier, event.routing_key)
        except ScfError:  # it ends with that when it begins
            return True
        return self._pool_locked(event.function).has_idle(config)

    def _serve_locked(self, event: Invocation, instance: InstanceRecord | None = None) -> None:
        """Begin an attempt at a message, in an idle instance or a new one."""
        assert event.message is not None
        function, attempt = event.function, event.attempt
        try:
            config = function.resolve(event.qualifier, event.routing_key)
            attempt.begin_late(config, self._clock.now())
            if instance is not None and instance.config is not config:
                instance.process.kill()
                instance = None
            instance = instance or self._pool_locked(function).take_idle(config)
            if instance is None:
                self._launch_locked(attempt, event.message)
                return
        except Exception as error:
            self.fail_to_start_locked(attempt, error)
            if instance is not None:
                instance.process.kill()
            return
        self._assign_locked(instance, attempt, event.message)
        event.notify_waiters()

    def fail_to_start_locked(self, attempt: Attempt, error: Exception) -> None:
        """No instance could be started for an attempt, which nobody but its event can be told of."""
        if not isinstance(error, ScfError):
            self.errors.append(error)
        attempt.conclude(outcomes.not_started(error), self._clock.now())
        self.publish_locked(attempt)

    def _try_again(self, event: Invocation) -> None:
        with self.lock:
            if not self._queue.take(event):
                return
            if self._has_place_locked(event):
                self._serve_locked(event)
            else:
                self._queue.put(event)

    def _waited_too_long(self, event: Invocation) -> None:
        with self.lock:
            if self._queue.take(event):
                quota = self._quota_exceeded(event.function)
                outcome = outcomes.waited_too_long(quota, event.function.msg_ttl)
                self._end_unassigned_locked(event.attempt, outcome)

    def _end_unassigned_locked(self, attempt: Attempt, outcome: Outcome) -> bool:
        """End what has no instance, and is to have none."""
        if not attempt.conclude(outcome, self._clock.now()):
            return False
        attempt.invocation.forget_message()
        self.publish_locked(attempt)
        return True

    def remove_locked(self, instance: InstanceRecord, attempt: Attempt | None) -> None:
        """An instance is gone: publish what it worked on, and let its function have another."""
        function = instance.function
        pool = self._pool_locked(function)
        pool.remove(instance)
        instance.become_gone()
        self._alive.discard(instance)
        if attempt is not None:
            self.publish_locked(attempt)
        self._all_gone.notify_all()
        self._serve_queue_locked(function)
        self._forget_deleted_locked(function)

    def _forget_deleted_locked(self, function: FunctionRecord) -> None:
        if function.deleted and not self._pool_locked(function).instances:
            del self._pools[function]

    def _kill_all_locked(self, instances: Iterable[InstanceRecord]) -> None:
        for instance in instances:
            instance.process.kill()

    def kill_after_coverage(self, instance: InstanceRecord) -> None:
        """Kill an instance whose attempt is decided, after its coverage is saved where that is counted."""
        instance.process.save_coverage_then(lambda: self.kill(instance), COVERAGE_DEADLINE)

    def kill(self, instance: InstanceRecord) -> None:
        """Kill an instance whose attempt is decided, after what is to be kept of it has been."""
        before_kill = self._starter.services.before_kill
        if before_kill is None:
            instance.process.kill()
        else:
            before_kill(instance, instance.process.kill)

    def end_by_force_locked(self, attempt: Attempt, outcome: Outcome) -> bool:
        """Conclude an attempt and repossess its instance; False where it was decided already."""
        instance = attempt.instance
        if instance is None:
            self._queue.take(attempt.invocation)
            return self._end_unassigned_locked(attempt, outcome)
        if not attempt.conclude(outcome, self._clock.now()):
            return False
        self.kill_after_coverage(instance)
        return True

    def repossess_outdated(self, function: FunctionRecord) -> list[InstanceRecord]:
        """Take back the idle instances of configurations that nobody calls any more; gives them, not gone yet."""
        with self.lock:
            pool = self._pool_locked(function)
            outdated = pool.take_idle_where(lambda each: not function.serves(each.config))
            self._kill_all_locked(outdated)
            if function.deleted:
                # What waited fails one by one, as its function cannot be resolved any more.
                while self._queue.has(function):
                    self._serve_locked(self._queue.next(function))
                self._forget_deleted_locked(function)
        return outdated

    def _expect_idle_end_locked(self, function: FunctionRecord) -> None:
        pool = self._pool_locked(function)
        if pool.idle_due is None:
            moment = self._clock.now() + self._settings.idle_seconds
            pool.expect_idle_end(self._clock.call_at(moment, lambda: self._repossess_idle(function)))

    def _repossess_idle(self, function: FunctionRecord) -> None:
        """Take back the instances that have been idle long enough; look again when the next will have been."""
        with self.lock:
            pool = self._pools.get(function)
            if pool is None:
                return  # the function has been deleted
            pool.expect_idle_end(None)
            since = self._clock.now() - self._settings.idle_seconds + 1e-6
            elastic = set(pool.elastic_idle)
            old = pool.take_idle_where(lambda each: each in elastic and each.idle_since <= since)
            self._kill_all_locked(old)
            if pool.elastic_idle:
                moment = min(instance.idle_since for instance in pool.elastic_idle) + self._settings.idle_seconds
                pool.expect_idle_end(self._clock.call_at(moment, lambda: self._repossess_idle(function)))
        if not self._reactor.is_current_thread:  # somebody advances the clock, and finds them gone then
            for instance in old:
                instance.gone.wait(CONTAINER_DEADLINE)

    def _working(self) -> list[InstanceRecord]:
        with self.lock:
            return [each for each in self._alive if each.state in ("busy", "starting")]

    def close(self) -> list[Invocation]:
        """Have every instance killed; gives the invocations that were still RUNNING. See ``wait_all_gone``."""
        with self.lock:
            if self._closed:
                return []
            self._closed = True
            running = [event for event in self._events.running() if not event.attempt.decided]
            self._queue.clear()
            outcome = outcomes.cancelled("the runtime was closed while the event ran")
            for event in running:
                if event.attempt.instance is None:
                    self._end_unassigned_locked(event.attempt, outcome)
                else:
                    event.attempt.conclude(outcome, self._clock.now())
            for instance in list(self._alive):
                if instance.attempt is not None and self._starter.counts_coverage:
                    self.kill_after_coverage(instance)
                else:
                    instance.process.kill()
        return running

    def wait_all_gone(self, timeout: float) -> set[InstanceRecord]:
        """Those that are not gone within ``timeout`` seconds."""
        with self._all_gone:
            self._all_gone.wait_for(lambda: not self._alive, timeout)
            return set(self._alive)
