"""Waiting for what happens once, and for what changes."""

from __future__ import annotations

import threading
from typing import Protocol


class Latch:
    """Opened once; whoever waits for it goes on, and whoever comes later does not wait. A bare lock is the fastest."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def open(self) -> None:
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it was opened within ``timeout`` seconds; None: no limit."""
        if not self._lock.acquire(timeout=-1 if timeout is None else timeout):
            return False
        self._lock.release()
        return True


class Waiter(Protocol):
    """Who is told that something about an invocation has changed."""

    def set(self) -> None: ...
