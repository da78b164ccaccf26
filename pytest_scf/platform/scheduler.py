"""Assigns attempts to instances, takes in what instances say, and repossesses them.

It owns the platform's lock, which guards the records, the pools and the queue. The lock is held for moments only: never
while a process, the network or the disk is waited for, and never while code of the user's runs. Methods whose names end
in ``_locked`` are called with it held. What comes after it, where both are held: an instance's own lock, the fork
server's, the reactor's.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from pytest_scf.api_errors import LimitExceededFunctionReservedConcurrencyMemory
from pytest_scf.errors import ScfError
from pytest_scf.facts import MIB
from pytest_scf.instances import memory, netstat, procstatus
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.stack_dump import StackDump
from pytest_scf.platform import outcomes
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.event_store import EventStore
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.outcomes import Fate, Outcome
from pytest_scf.platform.pool import InstancePool
from pytest_scf.platform.queue import Queue
from pytest_scf.platform.records import Attempt, InitReport, InstanceRecord, Invocation, Registration
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.starting import InstanceStarter
from pytest_scf.platform.trigger_sources import TRIGGER_SOURCES
from pytest_scf.platform.watchdog import MemoryLimits, TimeLimits
from pytest_scf.runtimes import wire

#: seconds that the runtime is given to hand out its coverage before the process is killed or signalled
COVERAGE_DEADLINE = 2.0
#: seconds that a launcher is given to start a container, which are none of the function's time
CONTAINER_DEADLINE = 60.0
#: seconds that a signal handler is given to end when the event it was meant for has ended already
SETTLE_DEADLINE = 5.0


class _Observer(NamedTuple):
    """What an instance calls in the reactor's thread; see ``instances.process.Observer``."""

    on_message: Callable[[int, bytes], None]
    on_output: Callable[[], None]
    on_gone: Callable[[str], None]


class Scheduler:
    """One for each platform."""

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

    # -- invoking ------------------------------------------------------------------------------------------------

    def invoke(self, event: Invocation, payload: bytes, *, fresh: bool = False) -> None:
        """Begin an invocation, or let it wait where it is a message; see ``Platform.invoke`` for what is raised."""
        function, config = event.function, event.attempt.config
        self._starter.host_of(config)  # which takes time where it is started, so before the lock is taken
        with self.lock:
            self._refuse_when_closed_locked()
            function.check_present()  # it may have been deleted since its configuration was looked up
            pool = self._pool_locked(function)
            instance = None if fresh else pool.take_idle(config)
            if instance is not None:
                self._events.add(event)
                self._assign_locked(instance, event.attempt, payload)
            elif self._has_room_locked(function):
                self._launch_locked(event.attempt, payload)
                self._events.add(event)
            elif event.message is not None:
                self._queue.refuse_when_full(function)
                self._events.add(event)
                self._queue.put(event)
            else:
                raise LimitExceededFunctionReservedConcurrencyMemory(self._quota_exceeded(function))

    def _refuse_when_closed_locked(self) -> None:
        if self._closed:
            raise ScfError("this runtime is closed: its functions cannot be invoked any more")

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
        return self._pool_locked(function).working < self._most_instances(function)

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
        self._begin_locked(instance)
        instance.process.send_event(attempt.request_id, payload)

    def _begin_locked(self, instance: InstanceRecord) -> None:
        """The handler is about to run: its time limit counts from here."""
        self.time_limits.set_locked(instance, instance.config.timeout)
        self._memory_limits.watch_locked()

    def _launch_locked(self, attempt: Attempt, payload: bytes) -> None:
        function, config = attempt.function, attempt.config
        instance = InstanceRecord(function, config)
        process = self._starter.start(
            instance,
            _Observer(
                lambda kind, payload: self._on_message(instance, kind, payload),
                lambda: self._on_output(instance),
                lambda error: self._on_gone(instance, error),
            ),
            source=TRIGGER_SOURCES.get(attempt.invocation.invoke_type, ""),
        )
        instance.run_in(process)
        instance.begin(attempt)
        attempt.assign(instance, cold=True, payload=payload)
        pool = self._pool_locked(function)
        if len(pool.instances) >= self._most_instances(function):
            self._kill_all_locked(pool.take_oldest_idle())
        pool.add(instance)
        self._alive.add(instance)
        starting = CONTAINER_DEADLINE if process.level == "container" else 0.0
        self.time_limits.set_locked(instance, config.init_timeout + starting)

    # -- what instances say (reactor's thread) -------------------------------------------------------------------

    def _on_message(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        with self.lock:
            attempt = instance.attempt
            if kind in outcomes.ANSWERS or kind in outcomes.FAILURES:
                self._answered_locked(instance, kind, payload)
            elif kind == wire.READY:
                self._ready_locked(instance, payload)
            elif kind == wire.INIT_STARTED:
                self.time_limits.set_locked(instance, instance.config.init_timeout)
            elif kind == wire.PONG:
                self._settled_locked(instance)
            elif kind == wire.SIGNAL_HANDLER:
                self._registered_locked(instance, json.loads(payload))
            elif kind == wire.UNCAUGHT:
                instance.note_uncaught(json.loads(payload))
            elif kind == wire.SHARED_TMP and attempt is not None:
                facts = json.loads(payload)
                attempt.note(f"the handler touched the shared {facts['path']} ({facts['operation']})")

    def _on_output(self, instance: InstanceRecord) -> None:
        with self.lock:
            attempt = instance.attempt
            if self.take_output_locked(instance) and attempt is not None:
                attempt.invocation.notify_waiters()
        if attempt is not None:
            attempt.log.put_away()

    def take_output_locked(self, instance: InstanceRecord) -> bool:
        """Move what was written so far to the log; whether there was anything."""
        attempt, process = instance.attempt, instance.process_if_alive
        if process is None:
            return False
        if attempt is None:
            # Written by what the last request left running: it waits, and shows in the log of the next one.
            process.pause_output()
            return False
        data = process.drain()
        if data:
            attempt.log.write(data, self._clock.now())
            if self._starter.services.on_output is not None:
                self._starter.services.on_output(data)
        return bool(data)

    def _ready_locked(self, instance: InstanceRecord, payload: bytes) -> None:
        attempt = instance.attempt
        if attempt is None or instance.init is not None:
            return
        self.take_output_locked(instance)
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        total = (time.monotonic() - instance.launched) * 1000
        instance.become_ready(InitReport(self._clock.now(), total, seconds * 1000, peak_kib * 1024))
        attempt.log.end_init()
        if attempt.decided or self._peak_was_too_high_locked(instance, peak_kib):
            return
        self._begin_locked(instance)
        # Sent only now, so that what the handler writes can be told from what the init phase wrote.
        instance.process.send_event(attempt.request_id, attempt.take_payload())
        attempt.invocation.notify_waiters()

    def _registered_locked(self, instance: InstanceRecord, facts: dict[str, Any]) -> None:
        attempt = instance.attempt
        during = attempt if instance.init is not None else None
        registration = Registration(facts["disposition"], facts["name"], facts["file"], facts["line"], during)
        instance.register(registration)
        if attempt is not None:
            attempt.explain_signal(registration)
            attempt.invocation.notify_waiters()

    def _answered_locked(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        attempt = instance.attempt
        if attempt is None:
            return
        self.take_output_locked(instance)
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        if self._peak_was_too_high_locked(instance, peak_kib):
            return
        body = payload[wire.MEASURE.size :]
        if kind in outcomes.ANSWERS:
            outcome = outcomes.answered(kind)
        else:
            outcome = outcomes.from_failure(kind, body, self._settings.missing_handler_code)
        if attempt.conclude(outcome, self._clock.now()):
            attempt.measure(seconds, peak_kib)
            if kind == wire.RESPONDED:
                attempt.answer("", response=body)
            elif kind in outcomes.ANSWERS:
                attempt.answer(body.decode("utf-8", "backslashreplace"), is_text=kind == wire.RETURNED_TEXT)
            self.settle_locked(instance, attempt)
        if kind == wire.LOAD_FAILED:
            instance.process.kill()

    # -- after an answer -----------------------------------------------------------------------------------------

    def settle_locked(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """The runtime has answered and waits for more: keep the instance, or repossess it and publish then."""
        process, outcome = instance.process, attempt.outcome
        assert outcome is not None
        if process.exit is not None:
            return  # it answered and died, and is about to be gone
        fate = outcomes.fate_of_instance(
            outcome,
            asynchronous=attempt.invocation.asynchronous,
            initialised=instance.init is not None,
            signalled=any(note.delivered for note in attempt.signals),
            signal_pending=any(note.disposition == "blocked" for note in attempt.signals),
        )
        if fate is Fate.REPOSSESS:
            self._kill(instance)
        elif instance.signals_under_way:
            pass  # done again when they have been sent
        elif fate is Fate.WAIT_FOR_SIGNAL:
            # The event may have ended just as the signal came: what was signalled before it is asked for a sign of
            # life has died, or run its signal handler, when that comes.
            instance.settle(True)
            self.time_limits.set_locked(instance, SETTLE_DEADLINE)
            process.ping()
        else:
            self._release_locked(instance, attempt)

    def _settled_locked(self, instance: InstanceRecord) -> None:
        attempt = instance.attempt
        if not instance.settling or attempt is None:
            return
        instance.settle(False)
        self.take_output_locked(instance)
        if instance.pid is not None and procstatus.is_pending(instance.pid, signal.SIGTERM):
            instance.process.kill()  # it is blocked by now, and would reach the next event
        else:
            self._release_locked(instance, attempt)

    def _release_locked(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """Publish the attempt, and give its instance the next one, or let it be idle, or take it back."""
        function = instance.function
        instance.become_idle(attempt.decided_at)
        if self._closed or not function.serves(instance.config):
            self._publish_locked(attempt)
            instance.process.kill()
        elif self._queue.has(function):
            self._publish_locked(attempt)
            self._serve_locked(self._queue.next(function), instance)
        else:
            self._pool_locked(function).keep_idle(instance)
            self._expect_idle_end_locked(function)
            self._publish_locked(attempt)

    def _publish_locked(self, attempt: Attempt) -> None:
        """Let an outcome be seen; but that of an attempt which is to be followed by another."""
        event = attempt.invocation
        if event.message is not None and not self._closed and self._queue.retry(event):
            return
        event.forget_message()
        attempt.publish()
        self._events.finish(event)
        event.done.open()
        event.notify_waiters()

    # -- messages that waited; see ``pytest_scf.platform.queue`` -------------------------------------------------

    def serve_queue(self, function: FunctionRecord) -> None:
        """Begin with the messages that wait, as far as the function may have instances."""
        with self.lock:
            self._serve_queue_locked(function)

    def _serve_queue_locked(self, function: FunctionRecord) -> None:
        while self._queue.has(function) and not self._closed and self._has_room_locked(function):
            self._serve_locked(self._queue.next(function))

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
        except ScfError as error:
            attempt.conclude(outcomes.not_started(error), self._clock.now())
            self._publish_locked(attempt)
            if instance is not None:
                instance.process.kill()
            return
        self._assign_locked(instance, attempt, event.message)
        event.notify_waiters()

    def _try_again(self, event: Invocation) -> None:
        with self.lock:
            if not self._queue.take(event):
                return
            if self._has_room_locked(event.function):
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
        self._publish_locked(attempt)
        return True

    # -- the end of an instance ----------------------------------------------------------------------------------

    def _on_gone(self, instance: InstanceRecord, error: str) -> None:
        """Every process of the instance has ended, and what it had said before has been heard."""
        with self.lock:
            attempt = instance.attempt
            self.time_limits.remove_locked(instance)
            self._pool_locked(instance.function).remove(instance)
            try:
                if attempt is not None:
                    self._lose_instance_locked(instance, attempt, error)
            except Exception as problem:
                self.errors.append(problem)
                if attempt is not None:
                    attempt.conclude(outcomes.internal_error(f"{type(problem).__name__}: {problem}"), self._clock.now())
            instance.become_gone()
            self._alive.discard(instance)
            if attempt is not None:
                self._publish_locked(attempt)
            self._all_gone.notify_all()
            self._serve_queue_locked(instance.function)
            self._forget_pool_locked(instance.function)
        if attempt is not None:
            attempt.log.put_away()

    def _lose_instance_locked(self, instance: InstanceRecord, attempt: Attempt, error: str) -> None:
        """The instance of an attempt is gone. Unless its outcome stands, that is the outcome."""
        while self.take_output_locked(instance):
            pass
        exit, server = instance.process.exit, instance.config.server
        if exit is None or error:
            outcome = outcomes.lost(error)
        else:
            outcome = outcomes.from_exit(
                exit,
                initialised=instance.init is not None,
                uncaught=instance.uncaught,
                is_container=server is not None and server.kind != "custom",
                memory_mb=instance.config.memory,
            )
        attempt.conclude(outcome, self._clock.now())
        attempt.lose_instance(exit, instance.init)

    def _forget_pool_locked(self, function: FunctionRecord) -> None:
        if function.deleted and not self._pool_locked(function).instances:
            del self._pools[function]

    def _kill_all_locked(self, instances: Iterable[InstanceRecord]) -> None:
        for instance in instances:
            instance.process.kill()

    def kill_after_coverage(self, instance: InstanceRecord) -> None:
        """Kill an instance whose attempt is decided, after its coverage is saved where that is counted."""
        instance.process.save_coverage_then(lambda: self._kill(instance), COVERAGE_DEADLINE)

    def _kill(self, instance: InstanceRecord) -> None:
        before_kill = self._starter.services.before_kill
        if before_kill is None:
            instance.process.kill()
        else:
            before_kill(instance, instance.process.kill)

    def _kill_after_stack(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """Kill an instance whose attempt is decided, after it was asked where its handler is."""
        if not instance.config.is_python:
            self.kill_after_coverage(instance)
            return

        def found(stack: str) -> None:
            attempt.note_stack(stack)
            self.kill_after_coverage(instance)

        StackDump(self._reactor, instance.pid, instance.process.signal_now, found)

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
        return outdated

    def _expect_idle_end_locked(self, function: FunctionRecord) -> None:
        pool = self._pool_locked(function)
        if pool.idle_due is None:
            moment = self._clock.now() + self._settings.idle_seconds
            pool.expect_idle_end(self._clock.call_at(moment, lambda: self._repossess_idle(function)))

    def _repossess_idle(self, function: FunctionRecord) -> None:
        """Take back the instances that have been idle long enough; look again when the next will have been."""
        with self.lock:
            pool = self._pool_locked(function)
            pool.expect_idle_end(None)
            since = self._clock.now() - self._settings.idle_seconds + 1e-6
            old = pool.take_idle_where(lambda each: each.idle_since <= since)
            self._kill_all_locked(old)
            if pool.idle:
                moment = min(instance.idle_since for instance in pool.idle) + self._settings.idle_seconds
                pool.expect_idle_end(self._clock.call_at(moment, lambda: self._repossess_idle(function)))
        if not self._reactor.is_current_thread:  # somebody advances the clock, and finds them gone then
            for instance in old:
                instance.gone.wait(CONTAINER_DEADLINE)

    # -- limits (reactor's thread) -------------------------------------------------------------------------------

    def _time_is_up(self, instance: InstanceRecord, attempt: Attempt) -> None:
        with self.lock:
            if instance.attempt is attempt and instance.settling:
                instance.settle(False)
                instance.process.kill()
            if instance.attempt is not attempt or attempt.decided:
                return
        outcome = self._time_limit_of(instance)  # reads what listens in the instance, so without the lock
        with self.lock:
            if instance.attempt is attempt and not attempt.decided:
                self.take_output_locked(instance)
                if attempt.conclude(outcome, self._clock.now()):
                    self._kill_after_stack(instance, attempt)

    def _time_limit_of(self, instance: InstanceRecord) -> Outcome:
        config = instance.config
        server = config.server
        if instance.init is not None:
            return outcomes.time_limit(config.timeout)
        if server is not None and server.kind != "custom" and instance.pid is not None:
            own_network, forwarded = instance.isolation != "directory", instance.process.forwarded_ports
            found = netstat.explain(instance.pid, server.port, own_network=own_network, forwarded=forwarded)
            return outcomes.port_not_bound(server.port, config.init_timeout, found)
        code = self._settings.init_timeout_code
        return outcomes.init_time_limit(config.init_timeout, code, is_custom_runtime=server is not None)

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

    def _working(self) -> list[InstanceRecord]:
        with self.lock:
            return [each for each in self._alive if each.state in ("busy", "starting")]

    def _memory_is_up(self, instance: InstanceRecord, held: int) -> None:
        with self.lock:
            self._exceed_memory_locked(instance, held)

    def _exceed_memory_locked(self, instance: InstanceRecord, held: int) -> None:
        attempt = instance.attempt
        if attempt is None or attempt.decided:
            return
        self.take_output_locked(instance)
        attempt.conclude(outcomes.memory_limit(held, instance.config.memory), self._clock.now())
        attempt.measure(0.0, held // 1024)
        self._kill(instance)

    def _peak_was_too_high_locked(self, instance: InstanceRecord, peak_kib: int) -> bool:
        """Whether the user's process held too much between two looks at it: it says so itself in the end."""
        peak, limit = peak_kib * 1024, instance.config.memory * MIB
        if peak <= limit or instance.pid is None:
            return False
        peak -= memory.shared_bytes(instance.pid)
        if peak <= limit:
            return False
        self._exceed_memory_locked(instance, peak)
        return True

    # -- closing -------------------------------------------------------------------------------------------------

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
