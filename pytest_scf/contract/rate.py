"""How often an action may be asked for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from pytest_scf.api_errors import RequestLimitExceeded


class RateLimit:
    """Takes ``most`` requests of each action within any second of the clock; those that it refuses do not count."""

    def __init__(self, most: int, now: Callable[[], float]) -> None:
        self._most = most
        self._now = now
        self._lock = threading.Lock()
        self._taken: dict[str, deque[float]] = {}

    def take(self, action: str) -> None:
        """Raises RequestLimitExceeded."""
        with self._lock:
            now = self._now()
            taken = self._taken.setdefault(action, deque(maxlen=self._most))
            if len(taken) == self._most and now - taken[0] < 1:
                raise RequestLimitExceeded(
                    f"The action {action} was asked for more than {self._most} times within a second (rate_limit)."
                )
            taken.append(now)
