from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

NOTES = """
    import json, psutil
    from pathlib import Path

    def note_processes():
        pids = [process.pid for process in psutil.Process().children(recursive=True)]
        Path("pids.new").write_text(json.dumps(pids))
        Path("pids.new").rename("pids")  # the timeout may come at any moment
"""


def test_each_worker_of_xdist_has_its_own_fork_server(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture
        def worker(scf_runtime):
            return scf_runtime.deploy("functions/worker")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(20))
        def test_it(worker, number):
            assert worker.invoke({"n": number}).return_value == {"n": number}
        """
    )
    result = run("-n", "2")
    result.assert_outcomes(passed=20)


def test_a_failure_in_a_worker_has_its_section(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({"raise": "no such job"})
            raise RuntimeError("the test's own failure")
        """
    )
    result = run("-n", "1")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*: scf events -*", "*ValueError: no such job"])


def test_the_timeout_by_signal_fails_the_test_and_shows_the_event(
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    pids_in: Callable[[Path], list[int]],
    wait_until_gone: Callable[[Iterable[int]], None],
) -> None:
    pytester.makepyfile(notes=NOTES)
    pytester.makepyfile(
        """
        import pytest
        from notes import note_processes

        @pytest.mark.timeout(method="signal")
        def test_hanging(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_signal_handler()
            note_processes()
            event.wait(timeout=600)

        @pytest.mark.timeout(60)
        def test_next(scf_runtime):
            assert scf_runtime.deploy("functions/worker").invoke({}).return_value == {}
        """
    )
    result = run_until_it_hangs(run, pytester, "-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Timeout*>*",
            "*: scf events -*",
            "event * of *",
            "*works, and listens",
            "*  RUNNING",
            "*events left RUNNING*",
        ]
    )
    wait_until_gone(pids_in(pytester.path / "pids"))


def run_until_it_hangs(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, *arguments: str) -> Any:
    """With a timeout that is long enough to reach the place where the test hangs, on a busy machine too."""
    for seconds in (2, 10, 60):
        result = run(*arguments, f"--timeout={seconds}")
        if (pytester.path / "pids").exists():
            break
    return result


def test_the_timeout_by_thread_leaves_no_process(
    run: Callable[..., pytest.RunResult],
    pytester: pytest.Pytester,
    pids_in: Callable[[Path], list[int]],
    wait_until_gone: Callable[[Iterable[int]], None],
) -> None:
    pytester.makepyfile(notes=NOTES)
    pytester.makepyfile(
        """
        import pytest
        from notes import note_processes

        @pytest.mark.timeout(method="thread")
        def test_hanging(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_signal_handler()
            note_processes()
            event.wait(timeout=600)
        """
    )
    result = run_until_it_hangs(run, pytester, "-s")
    assert result.ret == 1
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    wait_until_gone(pids_in(pytester.path / "pids"))


def test_the_plugin_can_be_left_out(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_own():
            assert not [name for name in sys.modules if name.startswith("pytest_scf")]

        def test_asks(scf_runtime): pass
        """
    )
    result = run("-p", "no:scf")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'scf_runtime' not found"])


def test_the_first_failure_can_stop_the_run(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({"raise": "no such job"})
            raise RuntimeError("the test's own failure")

        def test_never_run(scf_runtime): pass
        """
    )
    result = run("-x")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*: scf events -*", "*stopping after 1 failures*"])


def test_without_xdist_and_timeout_it_works_as_well(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_leaves(scf_runtime):
            scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
        """
    )
    result = run("-p", "no:xdist", "-p", "no:timeout", "-p", "no:terminal")
    assert result.ret == pytest.ExitCode.OK
    result = run("-p", "no:xdist", "-p", "no:timeout")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*= scf: events left RUNNING =*"])


@pytest.mark.usefixtures("patient_coverage")
def test_lines_that_run_in_an_instance_are_counted_by_cov(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytest.importorskip("pytest_cov")
    pytester.makepyfile(
        """
        def test_covered(scf_runtime):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            event = function.invoke_async({"catch": True})
            event.wait_for_signal_handler()
            event.terminate(graceful=True)
            event.assert_finished("END")
        """
    )
    result = run("--cov=functions", "--cov-report=term-missing")
    result.assert_outcomes(passed=1)
    shown = next(line for line in result.outlines if line.startswith("functions/worker/index.py"))
    # All but the other ways through the handler; and the body of its loop (19), where the signal comes before. No more:
    # a line that did run must not be lost because the counts are taken while the code goes on.
    assert shown.split("%")[1].strip() in ("9, 11-14", "9, 11-14, 19"), shown


COROUTINES = """
import pytest
from helpers import alongside, given_up


@pytest.mark.{mark}
async def test_the_loop_goes_on(scf_runtime):
    function = scf_runtime.deploy("functions/worker", async_run=True)
    event = function.invoke_async({{"catch": True}})
    await event.aio.wait_for_signal_handler()
    assert (await event.aio.wait_for_log("works, (.*)"))[1] == "and listens"

    async def ends():
        assert await event is event

    # The event is terminated by what runs beside the wait: a wait that held the loop up would never end.
    await alongside(ends, lambda: event.terminate(graceful=True))
    assert event.return_value == "END"
    await event.aio.assert_finished("END")
    assert (await function.aio.invoke({{"n": 1}})).return_value == {{"n": 1}}
    with pytest.raises(AssertionError, match="FINISHED 200, not FAILED"):
        await event.aio.assert_failed()


@pytest.mark.{mark}
async def test_a_wait_that_is_given_up(scf_runtime):
    event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({{"loop": True}})
    with pytest.raises(TimeoutError):
        await given_up(event)
    await event.aio.terminate()
    await event.aio.assert_aborted()
"""
HELPERS = """
import anyio


async def alongside(wait, end):
    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        for _ in range(20):
            await anyio.sleep(0.001)
        end()


async def given_up(event):
    with anyio.fail_after(0.05):
        await event
"""


@pytest.mark.parametrize("plugin", ["asyncio", "anyio", "trio"])
def test_a_coroutine_waits_without_holding_up_its_loop(
    pytester: pytest.Pytester, worker: Path, arguments: tuple[str, ...], plugin: str
) -> None:
    pytest.importorskip("anyio")
    pytest.importorskip({"asyncio": "pytest_asyncio"}.get(plugin, plugin))
    backend = "trio" if plugin == "trio" else "asyncio"
    if plugin == "asyncio":
        arguments = (*arguments, "-o", "asyncio_default_fixture_loop_scope=function")
    else:
        plugin = "anyio"
    position = arguments.index(f"no:{plugin}")
    arguments = (*arguments[: position - 1], *arguments[position + 1 :])
    pytester.makeconftest(f"import pytest\n\n@pytest.fixture\ndef anyio_backend():\n    return {backend!r}\n")
    pytester.makepyfile(helpers=HELPERS)
    pytester.makepyfile(COROUTINES.format(mark=plugin))
    result = pytester.runpytest_subprocess(*arguments, timeout=120)
    result.assert_outcomes(passed=2)


def test_what_keeps_a_test_from_the_network_stops_its_sockets_and_not_ours(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytest.importorskip("pytest_socket")
    pytester.makepyfile(
        """
        import socket

        import pytest

        def test_ours(scf_runtime, scf_endpoint):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            assert function.invoke({"n": 1}).return_value == {"n": 1}
            event = function.invoke_async({"catch": True})
            event.wait_for_signal_handler()
            event.terminate(graceful=True)
            event.assert_finished("END")

        def test_the_users():
            with pytest.raises(RuntimeError, match="A test tried to use socket.socket"):
                socket.socket()
        """
    )
    run("--disable-socket", "-W", "ignore:A test tried").assert_outcomes(passed=2)


def test_coverage_puts_nothing_into_the_log_of_a_function(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytest.importorskip("pytest_cov")
    pytester.makepyfile(
        """
        def test_log(scf_runtime):
            result = scf_runtime.deploy("functions/worker").invoke({})
            assert result.logs.user == "works\\n"
        """
    )
    run("--cov=functions").assert_outcomes(passed=1)


@pytest.mark.usefixtures("patient_coverage")
@pytest.mark.parametrize("branch", [(), ("--cov-branch",)], ids=["lines", "branches"])
def test_with_contexts_a_line_belongs_to_the_test_that_ran_it(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, branch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pytest_cov")
    coverage = pytest.importorskip("coverage")
    monkeypatch.setenv("COVERAGE_CORE", "ctrace")  # the one that knows contexts
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def worker(scf_runtime_session):
            return scf_runtime_session.deploy("functions/worker", async_run=True)

        def test_raises(worker):
            worker.invoke({"raise": "x"})

        def test_catches(worker):
            event = worker.invoke_async({"catch": True})
            event.wait_for_log("listens")
            event.terminate(graceful=True)
            event.wait()

        def test_raises_again(worker):
            worker.invoke({"raise": "y"})
        """
    )
    run("--cov=functions", "--cov-context=test", *branch).assert_outcomes(passed=3)
    data = coverage.CoverageData(str(pytester.path / ".coverage"))
    data.read()
    (file,) = [file for file in data.measured_files() if file.endswith("index.py")]
    raises, registers = 9, 16
    by_line = {
        line: {context.partition("::")[2] for context in contexts}
        for line, contexts in data.contexts_by_lineno(file).items()
    }
    assert by_line[raises] == {"test_raises|run", "test_raises_again|run"}
    assert by_line[registers] == {"test_catches|run"}
