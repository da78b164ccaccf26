from __future__ import annotations

import pytest

NOTES = """
    import json, psutil
    from pathlib import Path

    def note_processes():
        pids = [process.pid for process in psutil.Process().children(recursive=True)]
        Path("pids").write_text(json.dumps(pids))
"""


def test_each_worker_of_xdist_has_its_own_fork_server(run, pytester):
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


def test_a_failure_in_a_worker_has_its_section(run, pytester):
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


def test_the_timeout_by_signal_fails_the_test_and_shows_the_event(run, pytester, pids_in, wait_until_gone):
    pytester.makepyfile(notes=NOTES)
    pytester.makepyfile(
        """
        import pytest
        from notes import note_processes

        @pytest.mark.timeout(2, method="signal")
        def test_hanging(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_signal_handler()
            note_processes()
            event.wait(timeout=600)

        def test_next(scf_runtime):
            assert scf_runtime.deploy("functions/worker").invoke({}).return_value == {}
        """
    )
    result = run("-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*Timeout*>2*",
            "*: scf events -*",
            "event * of *",
            "*works, and listens",
            "*  RUNNING",
            "*events left RUNNING*",
        ]
    )
    wait_until_gone(pids_in(pytester.path / "pids"))


def test_the_timeout_by_thread_leaves_no_process(run, pytester, pids_in, wait_until_gone):
    pytester.makepyfile(notes=NOTES)
    pytester.makepyfile(
        """
        import pytest
        from notes import note_processes

        @pytest.mark.timeout(2, method="thread")
        def test_hanging(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_signal_handler()
            note_processes()
            event.wait(timeout=600)
        """
    )
    result = run("-s")
    assert result.ret == 1
    assert "Timeout" in result.stdout.str() + result.stderr.str()
    wait_until_gone(pids_in(pytester.path / "pids"))


def test_the_plugin_can_be_left_out(run, pytester):
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


def test_the_first_failure_can_stop_the_run(run, pytester):
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


def test_without_xdist_and_timeout_it_works_as_well(run, pytester):
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


def test_lines_that_run_in_an_instance_are_counted_by_cov(run, pytester):
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
