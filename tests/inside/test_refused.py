"""What a test asks for inside and cannot be done is an error of the test, which no assertion is needed to see."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import Event, Function, ScfRuntime, UsageError

SOURCE = "def helper():\n    pass\n\n\ndef main_handler(event, context):\n    helper()\n    return 1\n"
SAID = r"'index\.helped', of test_refused\.py:\d+, cannot be put in place: .* did you mean 'helper'\?"


@pytest.fixture
def runtime(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    return scf_runtime_of("directory")


@pytest.mark.parametrize(
    "wait",
    [
        lambda event: event.wait(),
        lambda event: event.assert_failed(443),
        lambda event: event.assert_finished(),
        lambda event: event.wait_for_log("never"),
        lambda event: event.wait_for_signal_handler(),
        lambda event: event.wait_for_stop(),
    ],
)
def test_what_waits_for_the_event_raises_it(runtime: ScfRuntime, wait: Callable[[Event], object]) -> None:
    fn = runtime.deploy(SOURCE, async_run=True)
    fn.stub("index.helped")
    event = fn.invoke_async(stop_at="index.py:7")
    with pytest.raises(UsageError, match=SAID):
        wait(event)
    runtime.close()  # which would raise it, had nobody been told


@pytest.mark.parametrize(
    "use", [lambda fn: fn.request("GET"), lambda fn: fn.termination_map(), lambda fn: fn.termination_map(moments="log")]
)
def test_so_do_a_request_and_a_map(runtime: ScfRuntime, use: Callable[[Function], object]) -> None:
    fn = runtime.deploy(SOURCE, async_run=True)
    fn.stub("index.helped")
    with pytest.raises(UsageError, match=SAID):
        use(fn)


def test_each_invocation_raises_it_that_ended_with_it_and_no_other(runtime: ScfRuntime) -> None:
    fn = runtime.deploy(SOURCE, async_run=True)
    before = fn.invoke_async()
    before.wait()
    fn.stub("index.helped")
    for _ in range(2):
        with pytest.raises(UsageError, match=SAID) as error:
            fn.invoke()
        assert re.search(rf"\({runtime.invocations()[-1].request_id} of function", str(error.value))
    before.assert_finished(1)


def test_a_module_that_the_handler_imports_later(runtime: ScfRuntime, tmp_path: Path) -> None:
    """It has no such name: the original would run in its place, and the test would not know."""
    (tmp_path / "index.py").write_text(
        "def main_handler(event, context):\n    import late.part\n    return late.part.f()\n"
    )
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "__init__.py").write_text("")
    (tmp_path / "late" / "part.py").write_text("def f():\n    return 1\n")
    good, bad = (runtime.deploy(tmp_path, name=name) for name in ("good", "bad"))
    good.stub("late.part.f").return_value = 2
    assert good.invoke().return_value == 2
    bad.stub("late.part.g")
    with pytest.raises(UsageError, match=r"'late\.part\.g', of .* late\.part has no attribute 'g'; there is 'f'"):
        bad.invoke()


@pytest.mark.parametrize(("divisor", "kind"), [(1, UsageError), (0, ZeroDivisionError)])
def test_a_runtime_raises_at_its_end_what_nobody_waited_for(divisor: int, kind: type[Exception]) -> None:
    """But what went wrong in its block comes first."""
    with pytest.raises(kind, match=SAID if divisor else "division"), ScfRuntime(isolation="directory") as runtime:
        fn = runtime.deploy(SOURCE)
        fn.stub("index.helped")
        assert "did you mean 'helper'" in runtime.api.call("Invoke", {"FunctionName": fn.name})["Result"]["ErrMsg"]
        _ = 1 / divisor


def test_pytest_shows_the_users_lines(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        SOURCE = {SOURCE!r}

        def broken():
            raise LookupError("nothing to patch")

        def test_at_once(scf_runtime):
            fn = scf_runtime.deploy(SOURCE)
            fn.stub("index.helped")  # the stub's line
            fn.invoke()  # the call's line

        def test_set_up(scf_runtime):
            scf_runtime.deploy(SOURCE, setup=broken).invoke()

        def test_nobody_waits(scf_runtime):
            fn = scf_runtime.deploy(SOURCE)
            fn.stub("index.helped")
            scf_runtime.api.call("Invoke", {{"FunctionName": fn.name}})

        def test_well(scf_runtime):
            fn = scf_runtime.deploy(SOURCE)
            fn.stub("index.helper").return_value = None
            fn.invoke()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:hypothesispytest", timeout=120)
    result.assert_outcomes(failed=2, passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_nobody_waits*",
            "the stand-in for 'index.helped', of test_pytest_shows_the_users_lines.py:16, cannot be put in place: *"
            "did you mean 'helper'?",
            "*_ test_at_once _*",
            ">       fn.invoke()  # the call's line*",
            "E       pytest_scf.errors.UsageError: the stand-in for 'index.helped', of "
            "test_pytest_shows_the_users_lines.py:8, cannot be put in place: *",
            "*_ test_set_up _*",
            ">       scf_runtime.deploy(SOURCE, setup=broken).invoke()",
            "E       pytest_scf.errors.UsageError: the set-up broken() failed at "
            "test_pytest_shows_the_users_lines.py:4: LookupError: nothing to patch*",
        ]
    )
    assert "handles.py" not in result.stdout.str()
