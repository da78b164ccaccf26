"""How long code of a warm instance is given to register its signal handler anew."""

from __future__ import annotations

from pytest_scf.instances.procstatus import activity

#: seconds between two looks at a process while somebody waits for its signal handler
LOOK_INTERVAL = 0.02
#: seconds that code may compute, or sleep, before it counts as code that registers its signal handler once for all
ENOUGH = 0.5


class Renewal:
    """Counts what the process does, not the time that goes by: on a busy machine it may not get to do anything."""

    def __init__(self) -> None:
        self._slept = 0.0
        self._computed_before: float | None = None
        self._computed = 0.0

    def look(self, pid: int) -> None:
        found = activity(pid)
        if found is None or found.sleeping:
            self._slept += LOOK_INTERVAL
        if found is not None:
            if self._computed_before is None:
                self._computed_before = found.cpu_seconds
            self._computed = found.cpu_seconds - self._computed_before

    @property
    def is_overdue(self) -> bool:
        return self._slept + self._computed > ENOUGH
