"""Looking at the memory of many instances takes little of the reactor's time."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pytest_scf.platform.watchdog import TURN, MemoryLimits


class Ticks:
    """A reactor whose timers are due when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_at(self, due: float, call: Callable[[], object]) -> None:
        self.calls.append(call)


def test_where_hundreds_work_each_has_its_turn() -> None:
    looked: list[int] = []

    def working(number: int) -> Any:
        def held_memory(limit: int, shared: int) -> int:
            looked.append(number)
            time.sleep(TURN / 4)
            return 2 * limit if number == 47 else 0

        process = SimpleNamespace(held_memory=held_memory)
        return SimpleNamespace(config=SimpleNamespace(memory=128), process_if_alive=process, number=number)

    instances = [working(number) for number in range(100)]
    ticks: Any = Ticks()
    exceeded: list[int] = []
    limits = MemoryLimits(ticks, lambda: instances, lambda instance, held: exceeded.append(vars(instance)["number"]))
    limits.watch_locked()
    while len(looked) < len(instances):
        before = len(looked)
        (call,) = ticks.calls
        ticks.calls.clear()
        call()
        assert 1 <= len(looked) - before <= 5
    assert sorted(looked) == list(range(100))
    assert exceeded == [47]
    for instance in instances:
        instance.process_if_alive = None
    instances = [working(100)]
    for _ in range(2):
        ticks.calls.pop()()
    assert looked[-1] == 100  # what began meanwhile is not forgotten
    assert len(ticks.calls) == 1
