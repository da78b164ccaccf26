"""What instances write: into the log of the attempt, to whoever wants to see it as it comes, and onto the disk."""

from __future__ import annotations

import threading
from collections import deque

from pytest_scf.platform.clock import Clock
from pytest_scf.platform.log_writer import MOST_WAITING, LogWriter
from pytest_scf.platform.records import Attempt, InstanceRecord
from pytest_scf.platform.starting import InstanceStarter


class Output:
    """That of one platform. Methods whose names end in ``_locked`` are called with the platform's lock held."""

    def __init__(self, lock: threading.RLock, clock: Clock, starter: InstanceStarter) -> None:
        self._lock = lock
        self._clock = clock
        self._starter = starter
        self._writer = LogWriter()
        #: what is in the logs already and has still to be shown; b"" where an attempt has ended
        self._unshown: deque[tuple[Attempt, bytes]] = deque()
        self._showing = threading.Lock()

    def take_locked(self, instance: InstanceRecord) -> bool:
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
            self._show_later_locked(attempt, data)
        return bool(data)

    def end_locked(self, attempt: Attempt) -> None:
        """Nothing follows what was taken of an attempt."""
        self._show_later_locked(attempt, b"")

    def _show_later_locked(self, attempt: Attempt, data: bytes) -> None:
        if self._starter.services.on_output is not None:
            self._unshown.append((attempt, data))

    def show(self) -> None:
        """Hand on what was taken, where somebody wants to see it as it comes; without the platform's lock."""
        show = self._starter.services.on_output
        if show is None:
            return
        with self._showing:  # what two threads hand on stays in order
            while self._unshown:
                show(*self._unshown.popleft())

    def put_away(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """Have a big log put away. Where the disk does not keep up with what the instance writes, that waits."""
        waiting = attempt.log.waiting
        if waiting:
            if waiting >= MOST_WAITING:
                with self._lock:
                    if instance.attempt is attempt:
                        instance.process.pause_output()
            self._writer.put_away(attempt.log, lambda: self._read_on(instance, attempt))

    def _read_on(self, instance: InstanceRecord, attempt: Attempt) -> None:
        with self._lock:
            if instance.attempt is attempt and not instance.signals_under_way:
                instance.process.resume_output()

    def close(self) -> None:
        """See ``LogWriter.close``."""
        self._writer.close()
