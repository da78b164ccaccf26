"""Each moment of a function as a test of its own."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from map_workers import FAULTY

TEST = """
import pytest

@pytest.mark.scf_moments("worker", event={"count": 1})
def test_each(scf_moment):
    scf_moment.assert_finished()
"""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def worker(pytester: pytest.Pytester) -> Any:
    directory = pytester.mkdir("worker")
    (directory / "index.py").write_text(FAULTY)
    return directory


@pytest.fixture
def run(pytester: pytest.Pytester, worker: Any, arguments: tuple[str, ...]) -> Run:
    def run(*more: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(*arguments, *more, timeout=120)

    return run


def test_failed_moments_run_alone(pytester: pytest.Pytester, worker: Any, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(test_worker=TEST)
    remembering = [each.replace("no:cacheprovider", "no:nothing") for each in arguments]

    def run(*more: str) -> pytest.RunResult:
        return pytester.runpytest_subprocess(*remembering, *more, timeout=120)

    result = run("-v")
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] == 4
    assert outcomes["passed"] > 4
    result.stdout.fnmatch_lines(["*test_each?index.py:18? PASSED*", "*test_each?index.py:18#2? PASSED*"])
    result.stdout.fnmatch_lines(["*run it again: pytest 'test_worker.py::test_each?index.py:*?'"])
    again = run("--lf")
    again.assert_outcomes(failed=4)
    # What is mended passes; its moments have the same names.
    (worker / "index.py").write_text(FAULTY.replace("raise Stopped", "pass"))
    run("--lf").assert_outcomes(passed=4)


def test_a_function_without_a_signal_handler_fails_at_each(pytester: pytest.Pytester, worker: Any, run: Run) -> None:
    (worker / "index.py").write_text("def main_handler(event, context):\n    return 1\n")
    pytester.makepyfile(test_worker=TEST)
    run().assert_outcomes(failed=2)


#: what it does is another thing each time that it is recorded
CHANGING = (
    "import random\n\ndef main_handler(event, context):\n" + "    if random.getrandbits(1):\n        seen = 1\n" * 10
)


def test_in_two_workers(pytester: pytest.Pytester, worker: Any, run: Run) -> None:
    (worker / "changing.py").write_text(CHANGING)
    changing = """
@pytest.mark.scf_moments("worker/changing.py")
def test_changing(scf_moment):
    pass
"""
    pytester.makepyfile(test_worker=TEST + changing)
    outcomes = run("-n", "2").parseoutcomes()
    assert outcomes["failed"] == 4
    assert set(outcomes) == {"passed", "failed"}


def test_moments_of_an_earlier_run(pytester: pytest.Pytester, worker: Any, arguments: tuple[str, ...]) -> None:
    """Those that the command line names, and with --lf those that failed of what goes by the time."""
    (worker / "lasting.py").write_text(
        "import time\n\ndef main_handler(event, context):\n    while True:\n        time.sleep(0.01)\n"
    )
    lasting = """
@pytest.mark.scf_moments("worker/lasting.py", record_for=0.3, timeout=30)
def test_lasting(scf_moment):
    assert scf_moment.reached
"""
    pytester.makepyfile(test_worker=TEST + lasting)
    cache = pytester.path / ".pytest_cache/v/cache"
    cache.mkdir(parents=True)
    failed = {f"test_worker.py::{name}": True for name in ("test_each[index.py:18#7]", "test_lasting[lasting.py:5#60]")}
    (cache / "lastfailed").write_text(json.dumps(failed))
    remembering = [each.replace("no:cacheprovider", "no:nothing") for each in arguments]
    named = ["test_worker.py::test_each[index.py:18#7]", "test_worker.py::test_lasting"]
    result = pytester.runpytest_subprocess(*remembering, "--lf", *named, timeout=120)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*it was not reached again*"])


def test_options_and_refusals(pytester: pytest.Pytester, run: Run) -> None:
    pytester.makepyfile(
        test_forced="""
        import pytest

        @pytest.mark.scf_moments("worker", event={"count": 3}, graceful=False, resume=True, occurrences="ends")
        def test_each(scf_moment):
            scf_moment.assert_finished()
            assert scf_moment.resumed.return_value == 3

        LOGS = '''
        import time

        def main_handler(event, context):
            print("first")
            print("second")
            time.sleep(3600)
        '''

        @pytest.mark.scf_moments(LOGS, graceful=False, moments="log", record_for=1.5)
        def test_log(scf_moment, request):
            assert (scf_moment.name, scf_moment.source) in [("log:1", "first"), ("log:2", "second")]
            assert scf_moment.name in request.node.name
        """
    )
    outcomes = run("test_forced.py").parseoutcomes()
    assert set(outcomes) == {"passed"}
    refused = [
        ("", "takes the function's source"),
        ("'worker', colour=1", "takes the options of termination_map"),
        ("'worker', occurrences=1", "occurrences is one of"),
        ("'worker', deploy=1", "takes deploy= as a dict"),
        ("'nowhere'", "there is no file or directory"),
        (repr("def main_handler(event, context):\n    1 = 2\n"), "finds no moment: left alone, it ends FAILED 437"),
    ]
    directory = pytester.mkdir("refused")
    for number, (marker, _said) in enumerate(refused):
        (directory / f"test_{number}.py").write_text(
            f"import pytest\n\n@pytest.mark.scf_moments({marker})\ndef test_each(scf_moment):\n    pass\n"
        )
    (directory / "test_unused.py").write_text(
        "import pytest\n\n@pytest.mark.scf_moments('worker')\ndef test_each():\n    pass\n"
    )
    result = run("refused")
    result.assert_outcomes(errors=len(refused) + 1)
    assert "does nothing, as the test has no argument scf_moment" in result.stdout.str()
    for _marker, said in refused:
        assert said in result.stdout.str()


def test_progress_is_shown_on_a_terminal_only(pytester: pytest.Pytester, run: Run, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        from pytest_scf.facade.termination_map import runner

        def test_map(scf_runtime, monkeypatch):
            monkeypatch.setattr(runner, "_PROGRESS_INTERVAL", 0.001)  # else a map takes too long for a test
            fn = scf_runtime.deploy("worker", async_run=True)
            fn.termination_map({"count": 2}, fresh=True)
        """
    )
    reading, writing = pty.openpty()
    command = [sys.executable, "-m", "pytest", *arguments]
    child = subprocess.Popen(command, stdin=writing, stdout=writing, stderr=writing)
    os.close(writing)
    shown = b""
    with contextlib.suppress(OSError):  # its end, as a terminal tells it
        while data := os.read(reading, 65536):
            shown += data
    os.close(reading)
    assert child.wait(60) == 0, shown.decode()
    assert re.search(r"termination map: \d+/\d+, \d+ failed", shown.decode())
    assert "termination map" not in run().stdout.str()
