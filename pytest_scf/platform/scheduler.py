"""Takes in what instances say, judges limits and ends, and decides what becomes of an instance that has answered."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from pytest_scf.instances import memory, messages, netstat, procstatus
from pytest_scf.instances.observer import Observer
from pytest_scf.instances.stack_dump import StackDump
from pytest_scf.platform import outcomes
from pytest_scf.platform.notes import InitReport, Registration
from pytest_scf.platform.outcomes import Fate, Outcome
from pytest_scf.platform.records import Attempt, InstanceRecord
from pytest_scf.platform.warm_instances import WarmInstances
from pytest_scf.runtimes import wire

#: seconds that a signal handler is given to end when the event it was meant for has ended already
SETTLE_DEADLINE = 5.0


class _Observer(NamedTuple):
    """What an instance calls in the reactor's thread; see ``instances.observer.Observer``."""

    on_message: Callable[[int, bytes], None]
    on_output: Callable[[], None]
    on_gone: Callable[[str], None]


class Scheduler(WarmInstances):
    """One for each platform. Methods whose names end in ``_locked`` are called with the platform's lock held."""

    def _observer_of(self, instance: InstanceRecord) -> Observer:
        return _Observer(
            lambda kind, payload: self._on_message(instance, kind, payload),
            lambda: self._on_output(instance),
            lambda error: self._on_gone(instance, error),
        )

    def _on_message(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        with self.lock:
            attempt = instance.attempt
            if kind in outcomes.ANSWERS or kind in outcomes.FAILURES or kind == wire.CLOSED:
                self._answered_locked(instance, kind, payload)
            elif kind == wire.READY:
                self._ready_locked(instance, payload)
            elif kind == wire.INIT_STARTED:
                self.time_limits.set_locked(instance, instance.config.init_timeout)
            elif kind == wire.PONG:
                self._settled_locked(instance)
            elif kind == wire.SIGNAL_HANDLER:
                self._registered_locked(instance, messages.read(payload))
            elif kind == wire.UNCAUGHT:
                instance.note_uncaught(messages.read(payload))
            elif kind == wire.SHARED_TMP and attempt is not None:
                facts = messages.read(payload)
                attempt.note(f"the handler touched the shared {facts['path']} ({facts['operation']})")
        self.output.show()

    def _on_output(self, instance: InstanceRecord) -> None:
        with self.lock:
            attempt = instance.attempt
            if self.output.take_locked(instance) and attempt is not None:
                attempt.invocation.notify_waiters()
        self.output.show()
        if attempt is not None:
            self.output.put_away(instance, attempt)

    def _ready_locked(self, instance: InstanceRecord, payload: bytes) -> None:
        attempt = instance.attempt
        if attempt is None or instance.init is not None:
            return
        self.output.take_locked(instance)
        seconds, peak_kib = self._measured(instance, payload)
        total = (time.monotonic() - instance.launched) * 1000
        instance.become_ready(InitReport(self._clock.now(), total, seconds * 1000, peak_kib * 1024))
        attempt.log.end_init()
        if attempt.decided or self._peak_was_too_high_locked(instance, peak_kib):
            return
        if attempt.invocation.provisions:
            attempt.conclude(outcomes.provisioned(), self._clock.now())
            attempt.measure(0.0, peak_kib)
            self.release_locked(instance, attempt)
            return
        self.begin_locked(instance)
        # Sent only now, so that what the handler writes can be told from what the init phase wrote.
        instance.process.send_event(attempt.request_id, attempt.take_payload(), attempt.invocation.take_connection())
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
        self.output.take_locked(instance)
        seconds, peak_kib = self._measured(instance, payload)
        if self._peak_was_too_high_locked(instance, peak_kib):
            return
        body = payload[wire.MEASURE.size :]
        if kind in outcomes.ANSWERS:
            outcome = outcomes.answered(kind)
        elif kind == wire.CLOSED:
            server = instance.config.server
            idle = 0 if server is None or server.websocket_idle is None else server.websocket_idle
            outcome = outcomes.connection_closed(**messages.read(body), idle=idle)
        else:
            outcome = outcomes.from_failure(kind, body, self._settings.missing_handler_code)
        if attempt.conclude(outcome, self._clock.now()):
            attempt.measure(seconds, max(peak_kib, instance.process.memory.most_held // 1024))
            if kind == wire.RESPONDED:
                attempt.answer("", response=body)
            elif kind in outcomes.ANSWERS:
                attempt.answer(body.decode("utf-8", "backslashreplace"), is_text=kind == wire.RETURNED_TEXT)
            self.settle_locked(instance, attempt)
        if kind == wire.LOAD_FAILED:
            instance.process.kill()

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
            self.kill(instance)
        elif instance.signals_under_way:
            pass  # done again when they have been sent
        elif fate is Fate.WAIT_FOR_SIGNAL:
            # The event may have ended just as the signal came: what was signalled before it is asked for a sign of
            # life has died, or run its signal handler, when that comes.
            instance.settle(True)
            self.time_limits.set_locked(instance, SETTLE_DEADLINE)
            process.ping()
        else:
            self.release_locked(instance, attempt)

    def _settled_locked(self, instance: InstanceRecord) -> None:
        attempt = instance.attempt
        if not instance.settling or attempt is None:
            return
        instance.settle(False)
        self.output.take_locked(instance)
        if instance.pid is not None and procstatus.is_pending(instance.pid, signal.SIGTERM):
            instance.process.kill()  # it is blocked by now, and would reach the next event
        else:
            self.release_locked(instance, attempt)

    def _on_gone(self, instance: InstanceRecord, error: str) -> None:
        """Every process of the instance has ended, and what it had said before has been heard."""
        with self.lock:
            attempt = instance.attempt
            self.time_limits.remove_locked(instance)
            try:
                if attempt is not None:
                    self._lose_instance_locked(instance, attempt, error)
            except Exception as problem:
                self.errors.append(problem)
                if attempt is not None:
                    attempt.conclude(outcomes.internal_error(f"{type(problem).__name__}: {problem}"), self._clock.now())
            self.remove_locked(instance, attempt)
        try:
            self.output.show()
        except Exception as problem:
            self.errors.append(problem)
        if attempt is not None:
            self.output.put_away(instance, attempt)

    def _lose_instance_locked(self, instance: InstanceRecord, attempt: Attempt, error: str) -> None:
        """The instance of an attempt is gone. Unless its outcome stands, that is the outcome."""
        while self.output.take_locked(instance):
            pass
        exit, server = instance.process.exit, instance.config.server
        if exit is None or error:
            outcome = outcomes.lost(error)
        else:
            outcome = outcomes.from_exit(
                exit,
                initialised=instance.init is not None,
                uncaught=instance.uncaught,
                is_container=server is not None and server.kind.listens,
                memory_mb=instance.config.memory,
            )
        attempt.conclude(outcome, self._clock.now())
        attempt.lose_instance(exit, instance.init)

    def _kill_after_stack(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """Kill an instance whose attempt is decided, after it was asked where its handler is."""
        if not instance.config.is_python:
            self.kill_after_coverage(instance)
            return

        def found(stack: str) -> None:
            attempt.note_stack(stack)
            if instance.process_if_alive is not None:  # it may have died meanwhile
                self.kill_after_coverage(instance)

        StackDump(self._reactor, instance.pid, instance.process.signal_now, found)

    def _time_is_up(self, instance: InstanceRecord, attempt: Attempt) -> None:
        try:
            self._end_in_time(instance, attempt)
        except Exception as problem:  # there is no second look: it would run for ever
            self.errors.append(problem)
            with self.lock:
                if instance.attempt is attempt and instance.process_if_alive is not None:
                    attempt.conclude(outcomes.internal_error(f"{type(problem).__name__}: {problem}"), self._clock.now())
                    instance.process.kill()

    def _end_in_time(self, instance: InstanceRecord, attempt: Attempt) -> None:
        with self.lock:
            if instance.attempt is attempt and instance.settling:
                instance.settle(False)
                instance.process.kill()
            if instance.attempt is not attempt or attempt.decided:
                return
        outcome = self._time_limit_of(instance)  # reads what listens in the instance, so without the lock
        with self.lock:
            if instance.attempt is attempt and not attempt.decided:
                self.output.take_locked(instance)
                if attempt.conclude(outcome, self._clock.now()):
                    self._kill_after_stack(instance, attempt)

    def _time_limit_of(self, instance: InstanceRecord) -> Outcome:
        config = instance.config
        server = config.server
        if instance.init is not None:
            return outcomes.time_limit(config.timeout)
        if server is not None and server.kind.listens and instance.pid is not None:
            process = instance.process
            own_network, forwarded = process.level.own_network, process.forwarded_ports
            found = netstat.explain(instance.pid, server.port, own_network=own_network, forwarded=forwarded)
            return outcomes.port_not_bound(server.port, config.init_timeout, found)
        code = self._settings.init_timeout_code
        return outcomes.init_time_limit(config.init_timeout, code, is_custom_runtime=server is not None)

    def _memory_is_up(self, instance: InstanceRecord, held: int) -> None:
        with self.lock:
            self._exceed_memory_locked(instance, held)

    def _exceed_memory_locked(self, instance: InstanceRecord, held: int) -> None:
        attempt = instance.attempt
        if attempt is None or attempt.decided:
            return
        self.output.take_locked(instance)
        attempt.conclude(outcomes.memory_limit(held, instance.config.memory), self._clock.now())
        attempt.measure(0.0, held // 1024)
        self.kill(instance)

    def _measured(self, instance: InstanceRecord, payload: bytes) -> tuple[float, int]:
        """Seconds that it took, and the peak memory of the user's process in KiB, which the answer begins with.

        Where that is above the limit the files that the process had mapped are taken off, which do not count.
        """
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        if peak_kib > instance.config.memory * 1024 and instance.pid is not None:
            peak_kib -= max(instance.process.memory.uncounted_bytes, memory.uncounted_bytes(instance.pid)) // 1024
        return seconds, peak_kib

    def _peak_was_too_high_locked(self, instance: InstanceRecord, peak_kib: int) -> bool:
        """Whether the user's process held too much between two looks at it: it says so itself in the end."""
        if peak_kib <= instance.config.memory * 1024 or instance.pid is None:
            return False
        self._exceed_memory_locked(instance, peak_kib * 1024)
        return True
