"""Waiting for an invocation: for its end, for a line of its log, for its signal handler.

What somebody waits for is looked at in the waiting thread, never in the reactor's and never under the platform's lock:
a user's slow regular expression holds up nobody else.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar, cast

from pytest_scf.errors import EventEnded, InstanceError, WaitTimeout
from pytest_scf.instances.procstatus import activity
from pytest_scf.platform.diagnosis import diagnose
from pytest_scf.platform.logs import EventLog
from pytest_scf.platform.records import InstanceRecord, Invocation

T = TypeVar("T")

#: seconds until an end that has been asked for and does not come counts as a bug or a dying machine
STUCK_DEADLINE = 60.0
#: bytes of a log that are searched at a time, and that two searches have in common: what is found may span lines
_WINDOW = 1 << 18
_OVERLAP = 1 << 16
#: seconds between two looks at a process while somebody waits for its signal handler: the kernel tells nobody
_LOOK_INTERVAL = 0.02
#: seconds that code may compute, or sleep, before it counts as code that registers its signal handler once for all
_GRACE = 0.5


class Waits:
    """The waits of one platform.

    ``lock`` is the platform's; ``background_errors`` says what went wrong in the background, or "".
    """

    def __init__(self, lock: threading.RLock, background_errors: Callable[[], str]) -> None:
        self._lock = lock
        self._background_errors = background_errors

    def final(self, event: Invocation, timeout: float | None = None) -> bool:
        """Wait until the invocation has ended; False when ``timeout`` (seconds) came first."""
        return event.done.wait(timeout) or event.final

    def published(self, event: Invocation) -> None:
        """Wait for an outcome that stands to be seen: once what it entails has happened, which takes a moment."""
        if not self.final(event, STUCK_DEADLINE):
            raise InstanceError(f"{event!r} is decided, and not ended {STUCK_DEADLINE:g} s later{self._why()}")

    def gone(self, instance: InstanceRecord) -> None:
        if not instance.gone.wait(STUCK_DEADLINE):
            raise InstanceError(f"{instance!r} is not gone {STUCK_DEADLINE:g} s after it was killed{self._why()}")

    def until(
        self,
        event: Invocation,
        look: Callable[[Invocation], T | None],
        timeout: float | None,
        what: str = "what was waited for",
        *,
        interval: float | None = None,
    ) -> T:
        """Wait until ``look`` gives something other than None or False, and return that.

        It is called in this thread, without a lock, each time something about the invocation has changed, and each
        ``interval`` seconds where one is given. Raises WaitTimeout after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + max(0.0, timeout)
        changed = threading.Event()
        with self._lock:
            event.add_waiter(changed)
        try:
            while True:
                changed.clear()
                found = look(event)
                if found is not None and found is not False:
                    return found
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise WaitTimeout(
                        f"event {event.request_id} of function {event.function.name}: {what} "
                        f"did not happen within {timeout:g} s; {diagnose(event.attempt)}{self._why()}"
                    )
                changed.wait(left if interval is None else interval if left is None else min(left, interval))
        finally:
            with self._lock:
                event.remove_waiter(changed)

    def log(
        self, event: Invocation, search: Callable[[str], T | None], timeout: float | None, what: str = "a log line"
    ) -> T:
        """Wait until ``search`` finds something in the log, of any attempt.

        It is given a long log in pieces, of which each begins within the one before; the platform's own lines before
        and after the output stand in a piece of their own. Raises EventEnded when the invocation ended without it,
        WaitTimeout after ``timeout`` seconds.
        """
        searches: list[_Search[T]] = []

        def look(record: Invocation) -> T | EventEnded | None:
            final = record.final
            attempts = record.attempts
            searches.extend(_Search(search, attempt.log) for attempt in attempts[len(searches) :])
            for each, attempt in zip(searches, attempts, strict=True):
                found = each.look(over=attempt.final)
                if found is not None:
                    return found
            return _ended(record, what) if final else None

        return _raised(cast("T | EventEnded", self.until(event, look, timeout, what)))

    def signal_handler(self, event: Invocation, timeout: float | None) -> None:
        """Wait until the invocation's process catches SIGTERM.

        Code that registered its signal handler while it worked on an earlier event of the same instance is given some
        time to do so again, since the handler of that earlier event would not serve this one.
        Raises EventEnded when the invocation ended before that, WaitTimeout after ``timeout`` seconds.
        """
        grace = _Grace()
        what = "a signal handler for SIGTERM"

        def look(record: Invocation) -> bool | EventEnded | None:
            attempt, instance = record.attempt, record.attempt.instance
            if attempt.decided or instance is None:
                return _ended(record, what) if record.final else None
            registration = instance.registration
            if registration is not None and registration.disposition == "caught":
                if registration.attempt is attempt:
                    return True
                if registration.attempt is not None and not grace.is_over(instance.pid):
                    return None
            if instance.init is None and registration is None:
                return None
            return instance.disposition(signal.SIGTERM) == "caught" or None

        _raised(self.until(event, look, timeout, what, interval=_LOOK_INTERVAL))

    def _why(self) -> str:
        errors = self._background_errors()
        return f"; in the background: {errors}" if errors else ""


class _Search(Generic[T]):
    """Searches a log that grows: all of it once, then what is new with some of what came before it."""

    def __init__(self, search: Callable[[str], T | None], log: EventLog) -> None:
        self._search = search
        self._log = log
        self._from = 0
        self._over = False

    def look(self, *, over: bool) -> T | None:
        """``over``: nothing will be written any more, so that this look is the last one needed."""
        if self._over:
            return None
        self._over = over
        log = self._log
        if log.size <= _WINDOW and (over or not log.size):
            return self._search(log.text())
        if log.size < self._from:  # it was cut off: its note and what follows are new
            self._from = max(0, log.size - _WINDOW)
        while True:
            end = min(self._from + _WINDOW, log.size)
            data = log.read(self._from, end)
            found = self._search(data.decode("utf-8", "backslashreplace"))
            if found is not None:
                return found
            if len(data) < _WINDOW:
                return self._search("\n".join([*log.frame_lines(), ""]))
            # The next piece begins with a line, so that what is looked for at the beginning of one is found there.
            overlap = len(data) - _OVERLAP
            self._from += data.rfind(b"\n", overlap - _OVERLAP, overlap) + 1 or overlap


class _Grace:
    """Counts what a process does, not the time that goes by: on a busy machine it may not get to do anything."""

    def __init__(self) -> None:
        self._slept = 0.0
        self._computed_before: float | None = None
        self._computed = 0.0

    def is_over(self, pid: int | None) -> bool:
        found = None if pid is None else activity(pid)
        if found is None or found.sleeping:
            self._slept += _LOOK_INTERVAL
        if found is not None:
            if self._computed_before is None:
                self._computed_before = found.cpu_seconds
            self._computed = found.cpu_seconds - self._computed_before
        return self._slept + self._computed > _GRACE


def _raised(found: T | EventEnded) -> T:
    if isinstance(found, EventEnded):
        raise found
    return found


def _ended(event: Invocation, what: str) -> EventEnded:
    return EventEnded(
        f"event {event.request_id} of function {event.function.name} ended {event.status} {event.status_code} "
        f"before {what} was seen; {diagnose(event.attempt)}"
    )
