"""Whole pages that a user sees when a test fails, compared with those that were looked at and found good.

``pytest tests/plugin/test_pages.py --snapshot-update`` writes them anew; look at the difference before it is committed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("syrupy")

HANDLER = """
import os
import signal
import sys
import time


class NoSuchJob(Exception):
    pass


def look_up(job):
    raise NoSuchJob(job)


def main_handler(event, context):
    print("works on", event["job"])
    if event["job"] == "lost":
        look_up(event["job"])
    if event["job"] == "crash":
        os.abort()
    if event["job"] == "endless":
        time.sleep(3600)
    if event["job"] == "patient":
        stop = []
        signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
        while not stop:
            time.sleep(0.05)
        print("was asked to stop")
    return {"done": event["job"]}
"""

Page = Callable[..., str]


@pytest.fixture
def page(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> Page:
    """What pytest prints about a module of tests, without what differs from run to run."""
    worker = pytester.path / "functions" / "jobs"
    worker.mkdir()
    (worker / "index.py").write_text(HANDLER)

    def page(test: str, *arguments: str) -> str:
        pytester.makepyfile(test_jobs=test)
        return normalised(run("--tb=short", *arguments).stdout.str())

    return page


def normalised(text: str) -> str:
    for pattern, instead in (
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (r"^(E?) *\+[\d.]+ m?s(?=  )", r"\1     +<n> ms"),
        (r"/\S+(?=/functions/)", "..."),
        (r"-+( Captured stdout: scf events )-+", r"---\1---"),
        (r"(Duration|Coldstart|InitRuntime|InitFunction):? ?\d+ms", r"\1:<n>ms"),
        (r"MemUsage: ?[\d.]+MB", "MemUsage:<n>MB"),
        (r" in [\d.]+s\b.*", " in <n>s"),
        (r"^(platform|rootdir|plugins|cachedir).*\n", ""),
        (r"=+ (\d+ \w+(?:, \d+ \w+)*) in", r"=== \1 in"),
        (r"\[ *\d+%\]", ""),
        (r"(?<=\S) +$", ""),
        (r"^E? +[~^ ]*[~^]\n", ""),  # what Python marks in a line differs among its versions
        (r'(?<="stackTrace":"Traceback).*', "..."),  # and so where a long line is cut
    ):
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text


def test_a_failed_assert_finished(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_jobs(scf_runtime):
            jobs = scf_runtime.deploy("functions/jobs", async_run=True)
            jobs.invoke_async({"job": 7}).assert_finished({"done": 7})
            jobs.invoke_async({"job": "lost"}).assert_finished()
        """
        )
        == snapshot
    )


def test_the_same_with_v_has_the_lines_of_the_cloud(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_jobs(scf_runtime):
            jobs = scf_runtime.deploy("functions/jobs", async_run=True)
            event = jobs.invoke_async({"job": "lost"}).wait()
            assert event.status == "FINISHED"
        """,
            "-v",
        )
        == snapshot
    )


def test_a_plain_assertion_about_a_call_that_failed(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_jobs(scf_runtime):
            result = scf_runtime.deploy("functions/jobs").invoke({"job": "lost"})
            assert result.return_value == {"done": "lost"}
        """
        )
        == snapshot
    )


def test_several_events_in_the_order_of_their_start(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_jobs(scf_runtime):
            jobs = scf_runtime.deploy("functions/jobs", async_run=True)
            patient = jobs.invoke_async({"job": "patient"})
            patient.wait_for_signal_handler()
            endless = jobs.invoke_async({"job": "endless"})
            endless.wait_for_log("works")
            endless.terminate()
            patient.terminate(graceful=True)
            patient.assert_finished({"done": "patient"})
            endless.assert_failed(439)
        """
        )
        == snapshot
    )


def test_errors_in_the_words_of_the_call(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_terminate(scf_runtime):
            event = scf_runtime.deploy("functions/jobs", timeout=900).invoke_async({"job": "endless"})
            event.wait_for_log("works")
            event.terminate()

        def test_log(scf_runtime):
            scf_runtime.deploy("functions/jobs", async_run=True).invoke_async({"job": 7}).wait_for_log("finds")

        def test_refused(scf_runtime):
            scf_runtime.deploy("functions/job")

        def test_too_early(scf_runtime):
            event = scf_runtime.deploy("functions/jobs", async_run=True).invoke_async({"job": "endless"})
            event.wait_for_log("works")
            assert event.return_value == {"done": 7}
        """
        )
        == snapshot
    )


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "xdist"])
def test_the_reason_is_in_the_short_summary_in_junit_and_in_annotations_alike(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, workers: Any
) -> None:
    pytester.makeconftest(
        """
        # As plugins do that annotate the lines of a pull request.
        def pytest_runtest_logreport(report):
            if report.failed:
                with open("annotations", "a") as file:
                    file.write(report.longrepr.reprcrash.message.splitlines()[0] + "\\n")
        """
    )
    pytester.makepyfile(
        """
        def test_return_value(scf_runtime):
            assert scf_runtime.deploy("functions/worker").invoke({"raise": "no such job"}).return_value == 1

        def test_status(scf_runtime):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            assert function.invoke_async({"raise": "no such job"}).wait().status == "FINISHED"

        def test_assert_finished(scf_runtime):
            function = scf_runtime.deploy("functions/worker", async_run=True)
            function.invoke_async({"raise": "no such job"}).assert_finished()
        """
    )
    result = run("--junitxml=out.xml", "-vv", *workers)
    reason = "the handler raised ValueError: no such job"
    messages = [failure.attrib["message"] for failure in ElementTree.parse(pytester.path / "out.xml").iter("failure")]
    annotations = (pytester.path / "annotations").read_text().splitlines()[-3:]
    summary = [line for line in result.outlines if line.startswith("FAILED test_")]
    for told in (messages, annotations, summary):
        assert len(told) == 3
        for each in told:
            assert reason in each.splitlines()[0]
    assert "None == 1" not in "".join(message.splitlines()[0] for message in messages)


def test_colours_are_those_of_the_terminal_and_stay_out_of_files(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({})
            scf_runtime.deploy("functions/worker").invoke({"raise": "no such job"})
            raise RuntimeError
        """
    )
    result = run("--color=yes", "--junitxml=out.xml", "-o", "junit_logging=all")
    text = result.stdout.str()
    assert "\x1b[32mFINISHED 200: the handler returned\x1b[0m" in text
    assert "\x1b[31mFAILED 430: the handler raised ValueError: no such job\x1b[0m" in text
    assert re.search(r"\x1b\[1minvocation \S+ of function worker\x1b", text)
    written = (pytester.path / "out.xml").read_text()
    assert "FAILED 430: the handler raised" in written
    assert "\x1b" not in written
    assert "#x1B" not in written


def test_the_output_of_a_test_that_passed_is_kept_where_that_is_asked_for(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        def test_passing(scf_runtime):
            scf_runtime.deploy("functions/worker").invoke({})
        """
    )
    result = run("-rP", "--junitxml=out.xml", "-o", "junit_logging=all")
    result.stdout.fnmatch_lines(["*: scf events -*", "*| works"])
    assert "| works" in (pytester.path / "out.xml").read_text()


def test_a_mock_in_the_test_is_said_to_reach_no_function(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        from unittest import mock

        def test_mocked(scf_runtime):
            with mock.patch("os.getlogin") as asked:
                scf_runtime.deploy("def main_handler(e, c):\\n    return 1\\n").invoke()
            asked.assert_called_once()

        def test_of_something_else():
            mock.Mock().assert_called_once()
        """
    )
    result = run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["E *a mock in the test reaches no function*", "E *Expected 'getlogin' to have been*"])
    assert result.stdout.str().count("AssertionError: a mock in the test reaches") == 1


def test_a_bug_of_ours_keeps_its_frames(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_failing(scf_runtime, monkeypatch):
            function = scf_runtime.deploy("functions/worker")
            monkeypatch.setattr("pytest_scf.facade.handles.encode", None)
            function.invoke({})
        """
    )
    result = run()
    result.stdout.fnmatch_lines(["*TypeError: *", "*handles.py:*: TypeError"])


def test_a_crash_and_a_handler_that_hung(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_jobs(scf_runtime):
            scf_runtime.deploy("functions/jobs", async_run=True).invoke_async({"job": "crash"}).wait()
            jobs = scf_runtime.deploy("functions/jobs", name="endless", async_run=True, timeout=2)
            jobs.invoke_async({"job": "endless"}).assert_finished()
        """
        )
        == snapshot
    )


def test_an_event_that_is_no_json_and_a_handler_that_is_missing(page: Page, snapshot: Any) -> None:
    assert (
        page(
            """
        def test_event(scf_runtime):
            scf_runtime.deploy("functions/jobs").invoke({"jobs": {1}})

        def test_handler(scf_runtime):
            result = scf_runtime.deploy("functions/jobs", handler="index.main_handlr").invoke({})
            assert result.return_value == 1
        """
        )
        == snapshot
    )
