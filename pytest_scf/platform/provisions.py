"""Provisioned concurrency: how many instances of which versions are kept warm, and what became of their starts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.records import Invocation

#: the latest starts that are remembered, for their logs
_REMEMBERED = 1000


class Start(Invocation):
    """The start of a provisioned instance, which has a request id and a log of its own; no event is worked on."""

    provisions = True


@dataclass
class Provision:
    """What is kept warm of one version."""

    version: str
    wanted: int
    #: why an instance could not be started; none is tried any more then
    problem: str = ""
    #: instances in a row that have ended by themselves as soon as they were ready
    quick_ends: int = 0


class Provisions:
    """Those of all functions. Changed with the platform's lock held; what is read is a copy, and needs none."""

    def __init__(self) -> None:
        self._of: dict[FunctionRecord, dict[str, Provision]] = {}
        self._starts: deque[Start] = deque(maxlen=_REMEMBERED)

    def __contains__(self, function: FunctionRecord) -> bool:
        return function in self._of

    def of(self, function: FunctionRecord) -> list[Provision]:
        """In the order of their making."""
        return list(self._of.get(function, {}).values())

    def find(self, function: FunctionRecord, version: str) -> Provision | None:
        return self._of.get(function, {}).get(version)

    def set(self, function: FunctionRecord, version: str, wanted: int) -> None:
        """Want so many of a version, whatever there was."""
        self._of[function] = {**self._of.get(function, {}), version: Provision(version, wanted)}

    def remove(self, function: FunctionRecord, version: str | None = None) -> None:
        """Want none of a version, or of all; nothing happens where there was none."""
        left = {} if version is None else {k: each for k, each in self._of.get(function, {}).items() if k != version}
        if left:
            self._of[function] = left
        else:
            self._of.pop(function, None)

    def began(self, start: Start) -> None:
        self._starts.append(start)

    def starts(self) -> Iterator[Start]:
        """Those that are remembered, oldest first."""
        return iter(list(self._starts))
