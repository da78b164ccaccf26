"""How long calls take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def median(call: Callable[[], float | None], runs: int) -> float:
    """Median seconds; ``call`` may time itself and give the seconds."""
    found = []
    for _ in range(runs):
        began = time.perf_counter()
        own = call()
        found.append(time.perf_counter() - began if own is None else own)
    return statistics.median(found)
