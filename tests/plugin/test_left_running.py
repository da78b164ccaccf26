from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

LEAVES = """
    def test_leaves(scf_runtime):
        function = scf_runtime.deploy("functions/worker", async_run=True)
        function.invoke_async({"catch": True}).wait_for_signal_handler()
        function.invoke_async({"job": 7}).wait()

    def test_does_not(scf_runtime):
        scf_runtime.deploy("functions/worker", async_run=True).invoke_async({}).wait()
"""

SUMMARY = [
    "*= scf: events left RUNNING =*",
    "*::test_leaves: event *-*-*-*-* of function worker: terminated",
]
ADVICE = "Wait for each event, or terminate it, in its test. --scf-left-running=error makes it an error of the test."


def test_it_is_terminated_and_named_and_the_test_passes(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(LEAVES)
    result = run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([*SUMMARY, ADVICE])
    assert result.stdout.str().count(": terminated") == 1


@pytest.mark.parametrize("arguments", [["--scf-left-running=error"], ["-o", "scf_left_running=error"]])
def test_an_option_makes_it_an_error_of_the_test(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, arguments: Any
) -> None:
    pytester.makepyfile(LEAVES)
    result = run(*arguments)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_leaves*",
            "event * of function worker, begun in *::test_leaves: was still RUNNING, terminated",
            "*: scf events -*",
            "event * of function worker",
            "*  ABORTED 499: the runtime was closed while the event ran*",
            *SUMMARY,
        ]
    )
    result.stdout.no_fnmatch_line(ADVICE)
    assert result.stdout.str().count("_ ERROR at teardown") == 1


@pytest.mark.parametrize("mode", ["report", "error"])
def test_it_is_named_in_a_run_of_workers(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, mode: str
) -> None:
    pytester.makepyfile(LEAVES)
    result = run("-n", "2", f"--scf-left-running={mode}")
    result.assert_outcomes(passed=2, errors=1 if mode == "error" else 0)
    result.stdout.fnmatch_lines(SUMMARY)
    assert result.stdout.str().count(": terminated") == 1


def test_an_event_of_the_shared_runtime_may_outlive_its_test_but_not_the_run(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_leaves(scf_runtime_session):
            function = scf_runtime_session.deploy("functions/worker", async_run=True)
            function.invoke_async({"catch": True}).wait_for_signal_handler()
            function.invoke_async({"catch": True}).wait_for_signal_handler()

        def test_ends_one(scf_runtime_session):
            event = scf_runtime_session.events()[0]
            assert event.status == "RUNNING"
            event.terminate()
        """
    )
    result = run()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines([*SUMMARY, ADVICE])
    assert result.stdout.str().count(": terminated") == 1


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
@pytest.mark.parametrize("mode", ["report", "error"])
def test_it_is_named_where_the_run_is_cut_short(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, workers: Any, mode: str
) -> None:
    pytester.makepyfile(
        """
        def test_leaves(scf_runtime_session):
            function = scf_runtime_session.deploy("functions/worker", async_run=True)
            function.invoke_async({"catch": True}).wait_for_signal_handler()
            raise RuntimeError("the test's own failure")

        def test_never_run(): pass

        def test_nor_this(): pass
        """
    )
    result = run("-x", f"--scf-left-running={mode}", *workers)
    assert result.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(SUMMARY)
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
