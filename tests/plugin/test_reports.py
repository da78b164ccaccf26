from __future__ import annotations

from collections.abc import Callable

import pytest


def test_a_failing_test_shows_each_event_with_status_reason_way_and_log(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            done = function.invoke_async({"job": 7})
            done.wait()
            killed = function.invoke_async({"loop": True})
            killed.wait_for_log("works")
            killed.terminate(graceful=True)
            killed.wait()
            still = function.invoke_async({"catch": True})
            still.wait_for_log("listens")
            raise RuntimeError("the test's own failure")
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E * RuntimeError: the test's own failure",
            "*: scf events -*",
            "event * of function worker",
            "    +0 ms  invoked",
            "* ms  | works",
            "* ms  FINISHED 200: the handler returned",
            "event * of function worker",
            "* ms  | works",
            "* ms  | [[]PLATFORM[]] Signal received successfully",
            "* ms  FAILED 439: SIGTERM was default when it was sent: no signal handler was registered*index.py:16*",
            "event * of function worker",
            "* ms  | works, and listens",
            "           RUNNING",
            "*= scf: events left RUNNING =*",
        ]
    )


def test_a_plain_assertion_explains_what_became_of_the_event(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            event = function.invoke_async({"raise": "no such job"})
            event.wait()
            assert (event.status, event.status_code) == ("FINISHED", 200)
        """
    )
    result = run("-vv")
    result.stdout.fnmatch_lines(
        [
            "E * FAILED 430: the handler raised ValueError: no such job",
            "E * assert ('FAILED', 430) == ('FINISHED', 200)",
        ]
    )


def test_a_comparison_that_is_not_ours_is_explained_as_ever(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            assert scf_runtime.deploy("functions/worker").invoke({"a": 1}).return_value == {"a": 2}
        """
    )
    result = run()
    result.stdout.fnmatch_lines(["E *Differing items:", "E *{'a': 1} != {'a': 2}"])


def test_a_synchronous_call_is_shown_too(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            result = scf_runtime.deploy("functions/worker").invoke({"raise": "no such job"})
            assert result.return_value == "END"
        """
    )
    result = run()
    result.stdout.fnmatch_lines(
        [
            "E *FAILED 430: the handler raised ValueError: no such job",
            "*: scf events -*",
            "invocation * of function worker",
            '  File "functions/worker/index.py", line 9, in main_handler',
            "ValueError: no such job",
        ]
    )


def test_an_error_in_a_later_fixture_shows_the_events_so_far(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def broken(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({"raise": "first"})
            raise RuntimeError("broken on purpose")

        def test_error(broken): pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_error*", "*: scf events -*", "*ValueError: first"])


def test_an_error_at_teardown_shows_the_events_after_the_runtime_is_closed(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def broken():
            yield
            raise RuntimeError("broken on purpose")

        def test_error(broken, scf_runtime):
            scf_runtime.deploy("functions/worker", async_run=True).invoke_async({"loop": True}).wait_for_log("works")
        """
    )
    result = run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at teardown of test_error*",
            "*: scf events -*",
            "event * of function worker",
            "*| works",
            "*  ABORTED 499: *",
        ]
    )


def test_a_test_of_the_shared_runtime_shows_only_its_own_events(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="module")
        def worker(scf_runtime_session):
            return scf_runtime_session.deploy("functions/worker")

        def test_first(worker):
            worker.invoke({"raise": "of the first"})

        def test_second(worker):
            worker.invoke({"raise": "of the second"})
            raise RuntimeError("the test's own failure")

        def test_third():
            raise RuntimeError("nothing to do with it")
        """
    )
    result = run()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["*_ test_second _*", "*: scf events -*", "*ValueError: of the second"])
    result.stdout.no_fnmatch_line("*of the first*")
    text = result.stdout.str()
    assert text.count(": scf events -") == 1
    assert text.index(": scf events -") < text.index("_ test_third _")


def test_the_report_is_bounded(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        SOURCE = '''
        def main_handler(event, context):
            for number in range(1000):
                print("line", number, "x" * 10000)
        '''

        def test_failing(scf_runtime):
            import textwrap
            function = scf_runtime.deploy(textwrap.dedent(SOURCE))
            for _ in range(25):
                function.invoke({})
            raise RuntimeError("the test's own failure")
        """
    )
    result = run()
    result.stdout.fnmatch_lines(["*: scf events -*", "(5 earlier events left out)", "*line 999 xxx*"])
    assert len(result.stdout.str()) < 1_000_000


def test_an_event_that_cannot_be_described_does_not_hide_the_failure(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        from pytest_scf.facade import description

        def describe(event, **options):
            raise KeyError("a bug of ours")

        description.describe = describe
        """
    )
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({})
            raise RuntimeError("the test's own failure")
        """
    )
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * RuntimeError: the test's own failure", "(event * cannot be described: KeyError('a bug of ours'))"]
    )


def test_a_return_value_that_is_none_since_the_function_failed(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_unpacked(scf_runtime):
            fn = scf_runtime.deploy("functions/worker")
            first, second = fn.invoke({"raise": "no such job"}).return_value

        def test_called_too_early(scf_runtime):
            fn = scf_runtime.deploy("functions/worker", async_run=True)
            event = fn.invoke_async({"loop": True})
            value = event.return_value["done"]

        def test_another_error(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({"raise": "on purpose"}).return_value
            None["x"]
        """
    )
    result = run("-W", "ignore::SyntaxWarning")
    result.stdout.fnmatch_lines(
        [
            "E *TypeError: return_value is None: FAILED 430: the handler raised ValueError: no such job",
            "E *cannot unpack non-iterable NoneType object",
            "E *TypeError: return_value is None: the event was RUNNING when event.return_value was read: call *",
            "E *'NoneType' object is not subscriptable",
            "E *TypeError: 'NoneType' object is not subscriptable",
        ]
    )


def test_a_runtime_that_the_test_makes_itself_is_told_of_too(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_scf import ScfRuntime

        @pytest.fixture(scope="module")
        def shared():
            with ScfRuntime(isolation="directory") as runtime:
                yield runtime

        def test_in_a_block():
            with ScfRuntime(isolation="directory") as runtime:
                result = runtime.deploy("functions/worker").invoke({"raise": "in a block"})
                assert result.return_value == "END"

        def test_shared(shared):
            shared.deploy("functions/worker", name="shared").invoke({"raise": "by a fixture"})
            raise RuntimeError("of the test")

        def test_shared_again(shared):
            raise RuntimeError("without events")
        """
    )
    result = run()
    result.stdout.fnmatch_lines(
        [
            "E *AssertionError: FAILED 430: the handler raised ValueError: in a block",
            "invocation * of function worker",
            "E *RuntimeError: of the test",
            "invocation * of function shared",
            "* FAILED 430: the handler raised ValueError: by a fixture",
            "E *RuntimeError: without events",
        ]
    )
    assert result.stdout.str().count("invocation ") == 2


def test_a_patch_of_what_is_only_in_the_function(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        from unittest import mock

        def test_with_mock(scf_runtime):
            scf_runtime.deploy("functions/worker")
            with mock.patch("index.main_handler"):
                pass

        def test_with_monkeypatch(scf_runtime, monkeypatch):
            scf_runtime.deploy("functions/worker")
            monkeypatch.setattr("index.main_handler", None)

        def test_of_something_else(scf_runtime, monkeypatch):
            scf_runtime.deploy("functions/worker")
            monkeypatch.setattr("nowhere.to_be_found", None)
        """
    )
    result = run()
    told = "E *ModuleNotFoundError: a mock in the test reaches no function*fn.stub('index.name')*"
    other = "E *ModuleNotFoundError: No module named 'nowhere'"
    result.stdout.fnmatch_lines([told, "E *No module named 'index'", told, "E *No module named 'index'", other])


def test_a_map_tells_of_its_events_once(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        def check(event, moment):
            assert event.return_value == "END"

        def test_map(scf_runtime):
            fn = scf_runtime.deploy("functions/worker", async_run=True)
            fn.termination_map({"raise": "no"}, check=check).assert_all()
        """
    )
    pytester.makepyfile(
        test_refused="""
        import pytest

        @pytest.mark.scf_moments("nowhere")
        def test_moments(scf_moment):
            pass
        """
    )
    result = run("--continue-on-collection-errors")
    result.stdout.fnmatch_lines(
        [
            "the scf_moments marker of *::test_moments is refused: there is no file or directory 'nowhere'*",
            "E *AssertionError: wanted: every moment ended as it should",
            "(* events of termination maps left out, of which the maps tell; -v has them)",
        ]
    )
    assert "_caller.py" not in result.stdout.str()
