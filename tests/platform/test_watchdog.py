"""Time limits count no more than they say; looking at the memory of many instances takes little time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.sockets import socketpair
from pytest_scf.platform.watchdog import TURN, MemoryLimits, TimeLimits


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


class Instance:
    """What time limits know of one."""

    def __init__(self) -> None:
        self.attempt: object = object()


@pytest.mark.parametrize("answers", [True, False])
def test_an_answer_that_waits_while_the_reactor_is_held_up_is_in_time(answers: bool) -> None:
    reactor, instance, expired, over = Reactor(), Instance(), [], threading.Event()

    def time_is_up(*given: object) -> None:
        expired.append(given)
        over.set()

    def answered() -> None:
        answer.recv(1)
        instance.attempt = None
        over.set()

    def held_up() -> None:
        """As a callback of another instance: when it ends the answer is there, and the limit has passed."""
        other.recv(1)
        if answers:
            sent.send(b"x")
        limits.set_locked(found, 0.0)

    found: Any = instance
    attempt = instance.attempt
    limits = TimeLimits(reactor, threading.RLock(), time_is_up)
    limits.set_locked(found, 600.0)
    (answer, sent), (other, begun) = socketpair(), socketpair()
    with answer, sent, other, begun:
        reactor.watch(answer.fileno(), answered)
        reactor.watch(other.fileno(), held_up)
        reactor.start()
        begun.send(b"x")
        assert over.wait(60)
        reactor.close()
    assert expired == ([] if answers else [(instance, attempt)])
    assert reactor.errors == []
