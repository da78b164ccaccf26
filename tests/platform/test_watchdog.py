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
        self.attempt: Any = SimpleNamespace(decided=False)
        self.process_if_alive = SimpleNamespace(answer_under_way=0)


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


def test_a_limit_stands_still_until_all_that_suspend_it_are_over_or_the_attempt_is() -> None:
    reactor, instance, expired, lock = Reactor(), Instance(), [], threading.RLock()
    limits = TimeLimits(reactor, lock, lambda *given: expired.append(given))
    found: Any = instance
    limits.set_locked(found, 600.0)
    reactor.start()

    def expires() -> bool:
        """Whether a limit that has passed already is seen to have passed."""
        with lock:
            expired.clear()
            limits.set_locked(found, 0.0)
        return has_expired()

    def has_expired() -> bool:
        for _ in range(3):  # a look, another one, and what comes of that
            round_over = threading.Event()
            reactor.call_at(time.monotonic(), round_over.set)
            assert round_over.wait(60)
        return bool(expired)

    one, two = limits.suspend(found), limits.suspend(found)
    assert not expires()
    for _ in range(2):
        two()
        assert not has_expired()
    one()
    assert has_expired()
    limits.suspend(found)
    instance.attempt.decided = True
    assert expires()
    stale = limits.suspend(found)
    instance.attempt = SimpleNamespace(decided=False)
    assert expires()
    limits.suspend(found)
    stale()
    assert not expires()
    instance.attempt = SimpleNamespace(decided=False)
    with lock:
        limits.lift_locked(found)
    assert not expires()
    with lock:
        limits.remove_locked(found)
    assert expires()
    gone = limits.suspend(found)
    assert not expires()
    with lock:
        limits.remove_locked(found)
    gone()
    assert not has_expired()
    reactor.close()
    assert reactor.errors == []


def test_an_answer_that_comes_in_pieces_is_in_time_as_long_as_they_come() -> None:
    instance, expired = Instance(), []
    ticks: Any = Ticks()
    found: Any = instance
    limits = TimeLimits(ticks, threading.RLock(), lambda *given: expired.append(given))
    limits.set_locked(found, 0.0)
    for come in (0, 1 << 18, 1 << 19, 1 << 20):
        instance.process_if_alive.answer_under_way = come
        ticks.calls.pop()()
        assert (len(ticks.calls), expired) == (1, []), come
    ticks.calls.pop()()
    assert expired == [(instance, instance.attempt)]
