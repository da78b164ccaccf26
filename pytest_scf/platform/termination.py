"""Terminating an event: by force, or by the termination signal."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from pytest_scf.api_errors import FailedOperationAsyncEventStatus
from pytest_scf.instances.reactor import Reactor
from pytest_scf.platform import outcomes
from pytest_scf.platform.assignment import COVERAGE_DEADLINE
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.notes import SignalNote
from pytest_scf.platform.records import Attempt, Invocation
from pytest_scf.platform.scheduler import Scheduler
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.waiting import STUCK_DEADLINE, Waits

RECEIVED = "[PLATFORM] Signal received successfully"
NOT_RECEIVED = "[PLATFORM] Signal reception failed"


class Termination:
    """The two ways of one platform. Both raise FailedOperation.AsyncEventStatus when the event is not RUNNING."""

    def __init__(self, settings: Settings, clock: Clock, reactor: Reactor, scheduler: Scheduler, waits: Waits) -> None:
        self._settings = settings
        self._clock = clock
        self._reactor = reactor
        self._scheduler = scheduler
        self._waits = waits
        #: whether the signal that is about to be sent is lost on its way
        self.signal_filters: list[Callable[[Attempt], bool]] = []

    def by_force(self, event: Invocation) -> None:
        """End an event, and return when no process of its instance is left."""
        scheduler = self._scheduler
        with scheduler.lock:
            instance = event.attempt.instance
            won = scheduler.end_by_force_locked(event.attempt, outcomes.cancelled("the user terminated the event"))
        if not won:
            raise self._not_running(event)
        if instance is not None:
            self._waits.gone(instance)
        self._waits.published(event)

    def by_signal(self, event: Invocation) -> None:
        """Send SIGTERM to the event's process, and return when it has been sent."""
        attempt = event.attempt
        instance = attempt.instance
        process = None if instance is None else instance.process_if_alive
        if attempt.decided or instance is None or process is None:
            raise self._not_running(event)
        scheduler = self._scheduler
        process.wait_for_user_process(STUCK_DEADLINE)
        if any(loses(attempt) for loses in tuple(self.signal_filters)):
            with scheduler.lock:
                attempt.note("a fault that the test has asked for lost the signal")
                found = process.disposition(signal.SIGTERM)
                self._note_locked(
                    attempt, SignalNote(self._clock.now(), False, found, instance.registration, lost=True)
                )
            return
        if process.disposition(signal.SIGTERM) in ("default", "unknown"):
            # SIGTERM may kill the process: its coverage is collected first. A process that goes on hands its counts out
            # itself, and to take them from beside code that runs can lose what is counted in that moment.
            process.save_coverage(COVERAGE_DEADLINE)
        with scheduler.lock:
            too_late = attempt.decided
            if not too_late:
                # What was written before the signal stands before the platform's line, what comes after it, after.
                scheduler.output.take_locked(instance)
                now = self._clock.now()
                found = process.disposition(signal.SIGTERM)
                registration = instance.registration
                if found == "unknown" and registration is not None:
                    found = registration.disposition
                delivered = process.signal_now(signal.SIGTERM) if found != "gone" else False
                if delivered is not None:
                    self._note_locked(attempt, SignalNote(now, delivered, found, registration))
                    return
                instance.expect_signal(1)
                process.pause_output()
        if too_late:
            raise self._not_running(event)
        # Without a pidfd the init sends the signal: it is asked without the lock, which its answer may have to pass.
        failure: str | None = "it is not known whether it was sent"
        try:
            failure = process.signal_through_init(signal.SIGTERM)
        finally:
            with scheduler.lock:
                instance.expect_signal(-1)
                # A signal handler is there a moment before it is told of, which may be now.
                registration = registration or instance.registration
                self._note_locked(attempt, SignalNote(now, failure is None, found, registration, failure or ""))
                process.resume_output()
                if attempt.decided and not attempt.final and not instance.signals_under_way:
                    scheduler.settle_locked(instance, attempt)

    def _not_running(self, event: Invocation) -> FailedOperationAsyncEventStatus:
        self._waits.published(event)  # so that nobody is refused and then finds it RUNNING
        return FailedOperationAsyncEventStatus(
            f"The event {event.request_id} of function {event.function.name} is {event.status}, not RUNNING: "
            "only a RUNNING event can be terminated."
        )

    def _note_locked(self, attempt: Attempt, note: SignalNote) -> None:
        attempt.note_signal(note)
        attempt.log.write_platform(RECEIVED if note.delivered else NOT_RECEIVED, note.time)
        attempt.invocation.notify_waiters()
        deadline = self._settings.signal_deadline
        if deadline is not None and len(attempt.signals) == 1:
            self._reactor.call_at(time.monotonic() + deadline, lambda: self._deadline_passed(attempt, deadline))

    def _deadline_passed(self, attempt: Attempt, seconds: float) -> None:
        cause = f"the event still ran {seconds:g} s after the termination signal (signal_deadline)"
        with self._scheduler.lock:
            self._scheduler.end_by_force_locked(attempt, outcomes.cancelled(cause))
