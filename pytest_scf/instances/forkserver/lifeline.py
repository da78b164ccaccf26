"""A pipe that is never written to: its reading end shows when a process has ended, however that happened."""

from __future__ import annotations

import os
import threading

# That of os is put off by gevent until its event loop goes round: until then the other end would see nothing.
from posix import close


class Lifeline:
    """Held by this process alone: its children, forks of it among them, do not keep it open."""

    def __init__(self) -> None:
        with _lock:
            self.reading, self._writing = os.pipe()
            _held.add(self._writing)

    def cut(self) -> None:
        """Close the writing end, as the end of this process would."""
        with _lock:
            if self._writing in _held:
                _held.remove(self._writing)
                close(self._writing)
                close(self.reading)


#: the writing ends of all lifelines of this process
_held: set[int] = set()
_lock = threading.RLock()


def _after_fork_in_child() -> None:
    while _held:
        close(_held.pop())
    _lock.release()


if hasattr(os, "register_at_fork"):
    # With the lock held, no other thread is between making a lifeline and noting it down.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_after_fork_in_child)
