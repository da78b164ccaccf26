from __future__ import annotations

from typing import Any

import pytest

from pytest_scf.contract import limits


@pytest.mark.parametrize("name", ["ab", "worker", "a-b_c9", "A" + "b" * 59])
def test_function_names_that_are_allowed(name: str) -> None:
    assert limits.function_name_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "a", "a" * 61, "1ab", "-ab", "ab-", "ab_", "a b", "a.b", "wörker", "ab\n", None, 7]
)
def test_function_names_that_are_refused_say_what_was_given(name: int | str | None) -> None:
    problem = limits.function_name_problem(name)
    assert problem is not None
    assert repr(name)[:40] in problem


@pytest.mark.parametrize("memory", [64, 128, 256, 1024, 3072])
def test_memory_sizes_that_are_allowed(memory: int) -> None:
    assert limits.memory_problem(memory) is None


@pytest.mark.parametrize("memory", [0, -128, 63, 65, 100, 129, 192, 3073, 3200, True, 128.0, "128", None])
def test_memory_sizes_that_are_refused(memory: Any) -> None:
    problem = limits.memory_problem(memory)
    assert problem is not None
    assert repr(memory) in problem
    assert "64, or 128 to 3072 in steps of 128" in problem


def test_timeouts_depend_on_asynchronous_execution() -> None:
    assert limits.timeout_problem(900, asynchronous=False) is None
    assert limits.timeout_problem(901, asynchronous=False) == (
        "must be 1 to 900 seconds; got 901 (with asynchronous execution up to 86400)"
    )
    assert limits.timeout_problem(86400, asynchronous=True) is None
    assert limits.timeout_problem(86401, asynchronous=True) == "must be 1 to 86400 seconds; got 86401"
    assert limits.default_timeout(asynchronous=False) == 3
    assert limits.default_timeout(asynchronous=True) == 86400


@pytest.mark.parametrize("timeout", [0, -1, 1.5, True, "3", None])
def test_timeouts_that_are_refused(timeout: Any) -> None:
    assert repr(timeout) in str(limits.timeout_problem(timeout, asynchronous=False))
    assert repr(timeout) in str(limits.init_timeout_problem(timeout))


def test_init_timeout_has_a_range() -> None:
    assert limits.init_timeout_problem(1) is None
    assert limits.init_timeout_problem(300) is None
    assert limits.init_timeout_problem(301) == "must be 1 to 300 seconds; got 301"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"1A": "x"}, "'1A'"),
        ({"_A": "x"}, "'_A'"),
        ({"A-B": "x"}, "'A-B'"),
        ({"": "x"}, "''"),
        ({"SCF_X": "x"}, "SCF_X: keys that begin with SCF_, QCLOUD_, TENCENTCLOUD_"),
        ({"QCLOUD_X": "x"}, "QCLOUD_X"),
        ({"TENCENTCLOUD_REGION": "x"}, "TENCENTCLOUD_REGION"),
        ({"A": 1}, "A is 1 of type int"),
        ({"A": None}, "A is None"),
        ({"A": "x\0y"}, "NUL"),
        ({1: "x"}, "1 of type int"),
        (["A=1"], "must be a mapping"),
    ],
)
def test_environments_that_are_refused(environment: Any, said: str) -> None:
    assert said in str(limits.environment_problem(environment))


def test_environments_that_are_allowed() -> None:
    assert limits.environment_problem({"A": "", "b_2": "x=y; z\n", "SCFX": "1", "scf_x": "1"}) is None


@pytest.mark.parametrize(
    "handler", ["index.main_handler", "a_b.c", "src/index.main_handler", "pkg.index.main", "my-fn.h"]
)
def test_handlers_that_are_allowed(handler: str) -> None:
    assert limits.handler_problem(handler) is None


@pytest.mark.parametrize(
    "handler", ["main_handler", "", ".", "index.", ".main", "index.9x", "../x.main", "/x.main", "a\\b.main", 5, None]
)
def test_handlers_that_are_refused(handler: int | str | None) -> None:
    assert repr(handler) in str(limits.handler_problem(handler))


def test_namespaces() -> None:
    assert limits.namespace_problem("default") is None
    for bad in ("", "9x", "a b", "a" * 61, None):
        assert "got" in str(limits.namespace_problem(bad)) or "not None" in str(limits.namespace_problem(bad))
