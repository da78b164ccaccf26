"""The registry's verbs, from many threads at once: none loses what another did, and who lists is never disturbed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pytest_scf import api_errors
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.registry import Registry
from pytest_scf.platform.routing import Alias

THREADS = 8
ROUNDS = 200


@pytest.fixture(autouse=True)
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def function(registry: Registry) -> FunctionRecord:
    return registry.add(a_config("worker"))


def a_config(name: str, namespace: str = "default") -> FunctionConfig:
    return FunctionConfig(name=name, namespace=namespace, handler="index.main_handler", code_root=Path("nowhere"))


def an_alias(name: str, version: str = "$LATEST") -> Alias:
    return replace(Alias.default(0.0), name=name, version=version)


def together(*work: Callable[[], object]) -> list[BaseException]:
    """Do all of it at once, each in a thread; gives what was raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(work))

    def run(each: Callable[[], object]) -> None:
        start.wait()
        try:
            each()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return raised


def test_no_update_of_a_configuration_is_lost(registry: Registry, function: FunctionRecord) -> None:
    def grow(config: FunctionConfig) -> FunctionConfig:
        timeout = config.timeout
        for _ in range(20):  # time for another thread to come between
            timeout += 0
        return replace(config, timeout=timeout + 1)

    def many() -> None:
        for _ in range(ROUNDS):
            registry.update_config(function, grow)

    before = function.config.timeout
    assert together(*[many] * THREADS) == []
    assert function.config.timeout == before + THREADS * ROUNDS


def test_no_version_and_no_alias_is_lost(registry: Registry, function: FunctionRecord) -> None:
    def many(thread: int) -> Callable[[], None]:
        def work() -> None:
            for number in range(ROUNDS // 4):
                version = registry.publish(function, function.config).version
                registry.put_alias(function, an_alias(f"a{thread}-{number}", version))

        return work

    assert together(*[many(thread) for thread in range(THREADS)]) == []
    count = THREADS * (ROUNDS // 4)
    assert list(function.versions) == [str(number) for number in range(1, count + 1)]
    assert len(function.aliases) == count + 1
    assert {alias.version for alias in function.aliases.values()} == {"$LATEST", *function.versions}


def test_who_lists_is_not_disturbed_by_who_changes(registry: Registry, function: FunctionRecord) -> None:
    over = threading.Event()

    def change() -> None:
        try:
            for number in range(ROUNDS):
                registry.put_alias(function, an_alias("live"))
                registry.create_namespace(f"n{number}", "")
                made = registry.add(a_config("other"))
                registry.remove(made)
                registry.delete_namespace(f"n{number}")
                registry.delete_alias(function, "live")
        finally:
            over.set()

    def look() -> None:
        while not over.is_set():
            assert "$DEFAULT" in [alias.name for alias in function.aliases.values()]
            assert function in registry.all()
            assert registry.namespaces()[0].name == "default"

    assert together(change, look, look) == []


def test_no_function_is_left_in_a_namespace_that_is_gone(registry: Registry) -> None:
    for number in range(ROUNDS):
        name = f"n{number}"
        registry.create_namespace(name, "")
        raised = together(
            partial(registry.delete_namespace, name),
            partial(registry.add, a_config("worker", name), make_namespace=False),
        )
        assert len(raised) == 1
        is_there = name in [namespace.name for namespace in registry.namespaces()]
        assert is_there == bool(registry.all(name))


def test_of_two_that_remove_one_is_refused_and_nothing_is_changed_afterwards(
    registry: Registry, function: FunctionRecord
) -> None:
    (error,) = together(*[lambda: registry.remove(function)] * 2)
    assert isinstance(error, api_errors.ResourceNotFoundFunction)
    for verb in (
        lambda: registry.update_config(function, lambda config: config),
        lambda: registry.publish(function, function.config),
        lambda: registry.put_alias(function, an_alias("live")),
        lambda: registry.update_alias(function, an_alias("$DEFAULT")),
        lambda: registry.delete_alias(function, "$DEFAULT"),
        lambda: registry.set_retry(function, retry_num=0),
        lambda: registry.set_reserved_memory(function, 128),
        lambda: function.resolve(),
        lambda: function.resolve("$LATEST"),
    ):
        with pytest.raises(api_errors.ResourceNotFoundFunction, match="deleted"):
            verb()


def test_a_change_that_raises_changes_nothing(registry: Registry, function: FunctionRecord) -> None:
    def fail(config: FunctionConfig) -> FunctionConfig:
        raise ValueError("no")

    before = function.config
    with pytest.raises(ValueError, match="no"):
        registry.update_config(function, fail)
    assert function.config is before
    registry.set_retry(function, retry_num=1)
    assert (function.retry_num, function.msg_ttl) == (1, 21600)
