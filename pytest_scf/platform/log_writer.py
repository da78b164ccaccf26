"""Puts away what logs hold in memory, in a thread of its own: the disk may let whoever writes to it wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from pytest_scf.platform.log_blocks import BLOCK
from pytest_scf.platform.logs import EventLog

#: bytes of a log that may wait to be put away; meanwhile nothing more is read of what its instance writes
MOST_WAITING = 64 * BLOCK


class LogWriter:
    """One for each platform; its thread is started for the first log that needs it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tasks: deque[tuple[EventLog, Callable[[], object]]] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None

    def put_away(self, log: EventLog, then: Callable[[], object]) -> None:
        """Have a log put away, and ``then`` called in the writer's thread. Returns at once.

        Where there can be no more threads now the log stays in memory, ``then`` is called here, and the next log tries
        again.
        """
        with self._changed:
            if self._closed:
                return
            if self._has_thread_locked():
                self._tasks.append((log, then))
                self._changed.notify()
                return
        then()

    def _has_thread_locked(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="pytest-scf-logs", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tasks or self._closed)
                if self._closed:
                    return
                log, then = self._tasks.popleft()
            log.put_away()
            then()

    def close(self) -> None:
        """Wait for the block that is being written; what is left stays in memory as long as its log is held."""
        with self._changed:
            self._closed = True
            self._tasks.clear()
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
