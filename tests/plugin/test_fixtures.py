from __future__ import annotations

import sys
from collections.abc import Callable

import pytest


def test_a_passing_test_prints_nothing_of_ours(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_passing(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"job": 7})
            event.wait()
            assert event.status == "FINISHED" and event.return_value == {"job": 7}
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*scf events*")
    result.stdout.no_fnmatch_line("*RUNNING*")
    result.stdout.no_fnmatch_line("*works")


def test_each_test_has_a_runtime_of_its_own_and_all_share_the_other(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        seen = []
        shared = []

        @pytest.mark.parametrize("number", range(3))
        def test_parametrised(number, scf_runtime, scf_runtime_session):
            assert not scf_runtime.events() and scf_runtime not in seen
            seen.append(scf_runtime)
            shared.append(scf_runtime_session)
            assert set(shared) == {scf_runtime_session} != {scf_runtime}
            function = scf_runtime.deploy("functions/worker")
            assert function.invoke({"n": number}).return_value == {"n": number}

        def test_the_others_are_closed():
            for runtime in seen:
                assert runtime.instances == []
                with pytest.raises(Exception, match="closed"):
                    runtime.deploy("functions/worker")
        """
    )
    run().assert_outcomes(passed=4)


def test_a_fixture_can_be_built_on_it_and_asked_for_by_name(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def worker(scf_runtime):
            return scf_runtime.deploy("functions/worker")

        def test_nested(worker, scf_runtime):
            assert worker.invoke({"n": 1}).return_value == {"n": 1}
            assert scf_runtime.instances == worker.instances

        def test_dynamic(request):
            worker = request.getfixturevalue("worker")
            assert worker.invoke({"n": 2}).return_value == {"n": 2}

        @pytest.fixture(scope="module")
        def shared_worker(scf_runtime_session):
            return scf_runtime_session.deploy("functions/worker", name="shared")

        @pytest.mark.parametrize("n", [1, 2])
        def test_shared(shared_worker, n):
            assert shared_worker.invoke({"n": n}).return_value == {"n": n}
            assert len(shared_worker.instances) == 1
        """
    )
    run().assert_outcomes(passed=4)


def test_settings_of_all_runtimes_come_from_a_fixture_to_override(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def scf_settings():
            return {"region": "ap-tokyo", "uin": "1"}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(uin="2")
        def test_settings(scf_runtime, scf_runtime_session):
            assert (scf_runtime.settings.region, scf_runtime.settings.uin) == ("ap-tokyo", "2")
            assert (scf_runtime_session.settings.region, scf_runtime_session.settings.uin) == ("ap-tokyo", "1")
        """
    )
    run().assert_outcomes(passed=1)


def test_a_relative_source_is_found_beside_the_test_then_at_the_root_then_where_we_are(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    source = "def main_handler(event, context):\n    return {!r}\n"
    for place in ("tests/functions/near", "functions/near", "functions/root", "elsewhere/functions/here"):
        directory = pytester.path / place
        directory.mkdir(parents=True)
        (directory / "index.py").write_text(source.format(place))
    (pytester.path / "tests" / "test_it.py").write_text(
        """
def test_relative(scf_runtime, scf_runtime_session, monkeypatch, pytestconfig):
    for runtime in (scf_runtime_session, scf_runtime):
        assert runtime.deploy("functions/near").invoke({}).return_value == "tests/functions/near"
        assert runtime.deploy("functions/root").invoke({}).return_value == "functions/root"

def test_other_directory(pytester_root, scf_runtime):
    assert scf_runtime.deploy("functions/here").invoke({}).return_value == "elsewhere/functions/here"
"""
    )
    (pytester.path / "tests" / "conftest.py").write_text(
        """
import pytest

@pytest.fixture
def pytester_root(monkeypatch, pytestconfig):
    monkeypatch.chdir(pytestconfig.rootpath / "elsewhere")
"""
    )
    (pytester.path / "pytest.ini").write_text("[pytest]\n")
    run().assert_outcomes(passed=2)


def test_a_missing_source_names_the_places_where_it_was_looked_for(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.mkdir("tests")
    pytester.path.joinpath("tests", "test_it.py").write_text(
        "def test_missing(scf_runtime): scf_runtime.deploy('functions/wrong')"
    )
    pytester.makeini("[pytest]")
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{pytester.path}/tests*"])


def test_the_shared_runtime_looks_beside_the_test_that_runs(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    for place in ("one", "two"):
        directory = pytester.path / place
        (directory / "code").mkdir(parents=True)
        (directory / "code" / "index.py").write_text(f"def main_handler(event, context):\n    return {place!r}\n")
        (directory / f"test_{place}.py").write_text(
            f"def test_it(scf_runtime_session):\n"
            f"    assert scf_runtime_session.deploy('code').invoke({{}}).return_value == {place!r}\n"
        )
    run().assert_outcomes(passed=2)


def test_the_runtime_is_closed_when_a_later_fixture_fails_to_set_up(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        made = []

        @pytest.fixture
        def broken(scf_runtime):
            made.append(scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"loop": 1}))
            raise RuntimeError("broken on purpose")

        def test_error(broken): pass

        def test_all_is_gone():
            assert made[0].status == "ABORTED" and not made[0].instance.alive
        """
    )
    run().assert_outcomes(passed=1, errors=1)


def test_nothing_is_left_after_the_run(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import atexit, os, psutil, tempfile

        before = set(os.listdir(tempfile.gettempdir()))

        def tell():
            print("LEFT", psutil.Process().children(), set(os.listdir(tempfile.gettempdir())) - before)

        # Later than every plugin's pytest_unconfigure.
        atexit.register(tell)
        """
    )
    pytester.makepyfile(
        """
        def test_both(scf_runtime, scf_runtime_session):
            for runtime in (scf_runtime, scf_runtime_session):
                assert runtime.deploy("functions/worker").invoke({}).return_value == {}
        """
    )
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["LEFT [[][]] set()"])


def test_output_of_functions_is_printed_as_it_comes_where_nothing_is_captured(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_one(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_log("works, and listens")
            print("waited")
            event.terminate(graceful=True)
            event.wait()
        """
    )
    result = run("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*works, and listens"])
    assert "waited" in result.stdout.str()
    run("-s", "-n", "1").assert_outcomes(passed=1)


@pytest.mark.usefixtures("worker")
def test_pdb_keeps_the_instance_while_one_looks(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        def test_one(scf_runtime):
            event = scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"catch": True})
            event.wait_for_log("listens")
            assert event.status == "FINISHED"
        """
    )
    asked = b"print('alive:', event.instance.alive, event.instance.tmp.is_dir(), event.logs.user)\nquit\n"
    result = pytester.run(sys.executable, "-m", "pytest", *arguments, "--pdb", stdin=asked, timeout=120)
    result.stdout.fnmatch_lines(["*alive: True True works, and listens*"])


def test_a_working_directory_that_a_test_has_removed_spoils_no_later_test(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import os

        def handler(event, context):
            return 47

        def test_shared(scf_runtime_session):
            assert scf_runtime_session.deploy(handler).invoke().return_value == 47

        def test_leaves_a_removed_directory(tmp_path):
            place = tmp_path / "place"
            place.mkdir()
            os.chdir(place)
            place.rmdir()

        def test_without_a_function():
            pass

        def test_with_a_runtime_of_its_own(scf_runtime):
            assert scf_runtime.deploy(handler).invoke().return_value == 47
            assert scf_runtime.deploy("functions/worker").invoke({"n": 1}).return_value == {"n": 1}

        def test_shared_again(scf_runtime_session):
            assert scf_runtime_session.deploy("functions/worker").invoke({"n": 1}).return_value == {"n": 1}
        """
    )
    run().assert_outcomes(passed=5)


def test_the_shared_runtime_lives_on_when_its_fork_server_was_killed(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import psutil
        import pytest

        @pytest.fixture(scope="session")
        def worker(scf_runtime_session):
            return scf_runtime_session.deploy("functions/worker", async_run=True)

        def fork_server(worker):
            return psutil.Process(worker.instances[0].pid).parent().parent()

        def test_one(worker):
            event = worker.invoke_async({"loop": True})
            event.wait_for_log("works")
            fork_server(worker).kill()
            event.wait()
            assert (event.status, event.status_code) == ("FAILED", 500)
            assert "the fork server ended unexpectedly" in event.error_message

        def test_two(worker):
            assert worker.invoke_async({"n": 1}).wait().return_value == {"n": 1}

        def test_with_a_runtime_of_its_own(scf_runtime):
            assert scf_runtime.deploy("functions/worker").invoke({"n": 2}).return_value == {"n": 2}
        """
    )
    run().assert_outcomes(passed=3)


def test_a_runtime_that_was_refused_is_none_that_the_plugin_looks_at(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scf import ScfRuntime, UsageError

        kept = []

        def test_refused():
            with pytest.raises(UsageError) as refusal:
                ScfRuntime(no_such_setting=1)
            kept.append(refusal)

        def test_later(scf_runtime):
            assert kept
        """
    )
    run().assert_outcomes(passed=2)
