from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.facade import assertions, description

STUCK = """\
import signal

def main_handler(event, context):
    for number in range(30):
        print("line", number, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def ends() -> Iterator[Any]:
    """One event of each end."""
    with ScfRuntime(isolation="directory") as rt:
        echo = rt.deploy("def main_handler(event, context):\n    return event\n", name="echo", async_run=True)
        finished = echo.invoke_async({"a": 1}).wait()
        raising = rt.deploy("def main_handler(event, context):\n    1 / 0\n", name="raising", async_run=True)
        failed = raising.invoke_async().wait()
        stuck = rt.deploy(STUCK, name="stuck", async_run=True)
        aborted = stuck.invoke_async()
        aborted.wait_for_log("line 29")
        aborted.terminate()
        running = stuck.invoke_async()
        running.wait_for_log("line 29")
        yield {"finished": finished, "failed": failed, "aborted": aborted, "running": running}
        running.terminate()


# The module's runtime is made and closed around these tests, not in each.
@pytest.fixture(autouse=True)
def nothing_is_left(ends: Any) -> None:
    pass


def message(check, *args, **options) -> str:
    with pytest.raises(AssertionError) as caught:
        check(*args, **options)
    return str(caught.value)


def test_what_holds_passes(ends: Any) -> None:
    ends["finished"].assert_finished()
    ends["finished"].assert_finished({"a": 1})
    ends["failed"].assert_failed()
    ends["failed"].assert_failed(430)
    ends["failed"].assert_repossessed()
    ends["aborted"].assert_aborted()
    ends["aborted"].assert_repossessed()
    assert ends["aborted"].assert_logged(r"line (2\d)")[1] == "20"
    assert ends["finished"].assert_logged("END RequestId")


def test_another_end(ends: Any) -> None:
    text = message(ends["failed"].assert_finished)
    title = f"event {ends['failed'].request_id} of function raising"
    assert text.startswith(
        f"FAILED 430, not FINISHED 200: the handler raised ZeroDivisionError: division by zero\n{title}\n"
    )
    assert re.search(r"\n +\+0 ms  invoked\n", text)
    assert re.search(r"\n +\+\d+ ms  FAILED 430\nTraceback", text)
    assert text.count("ZeroDivisionError: division by zero") == 2  # the reason, and the traceback's last line
    assert "START RequestId" not in text
    assert message(ends["finished"].assert_aborted).startswith("FINISHED 200, not ABORTED 499: the handler returned\n")
    assert message(ends["finished"].assert_failed, 439).startswith("FINISHED 200, not FAILED 439: ")
    assert message(ends["failed"].assert_failed, 439).startswith("FAILED 430, not FAILED 439: ")
    assert message(ends["aborted"].assert_failed).startswith("ABORTED 499, not FAILED: the user terminated the event")


def test_another_value(ends: Any) -> None:
    text = message(ends["finished"].assert_finished, None)
    assert text.startswith("the return value is {'a': 1}, not None\n")


def test_still_running(ends: Any) -> None:
    text = message(ends["running"].assert_finished, timeout=0.01)
    assert text.startswith(
        "RUNNING, not FINISHED 200 after 0.01 s: call event.wait() before, with a longer timeout=\nevent "
    )
    assert "(earlier lines are left out)" in text
    assert "| line 29" in text
    assert "line 5" not in text
    for check in (ends["running"].assert_failed, ends["running"].assert_aborted, ends["running"].assert_repossessed):
        assert "call event.wait()" in message(check, timeout=0)


def test_not_logged(ends: Any) -> None:
    text = message(ends["finished"].assert_logged, "nothing")
    assert text.startswith("'nothing' is not in the log; FINISHED 200: the handler returned\n")
    text = message(ends["running"].assert_logged, re.compile("no.*thing"), timeout=0)
    assert text.startswith("'no.*thing' is not in the log after 0 s; RUNNING\n")


def test_not_repossessed(ends: Any) -> None:
    assert re.match(
        r"the instance echo-\d+ is idle, not repossessed; FINISHED 200", message(ends["finished"].assert_repossessed)
    )


@pytest.mark.parametrize("code", ["439", True, 4.5])
def test_codes_that_are_none(ends: Any, code: bool | float | str) -> None:
    with pytest.raises(UsageError, match="assert_failed takes a status code like 439"):
        ends["failed"].assert_failed(code)


def test_tracebacks_end_in_the_test(ends: Any) -> None:
    with pytest.raises(AssertionError) as caught:
        ends["failed"].assert_finished()
    shown = [entry for entry in caught.traceback if not entry.ishidden(caught)]
    assert [Path(entry.path).name for entry in shown] == ["test_assertions.py"]
    assert "During handling" not in "".join(traceback.format_exception(caught.value))


def explain(op: str, left: object, right: object) -> list[str]:
    return present(assertions.explain(op, left, right))


class TestExplanations:
    def test_of_a_status(self, ends: Any) -> None:
        lines = explain("==", ends["failed"].status, "FINISHED")
        reason = "FAILED 430: the handler raised ZeroDivisionError: division by zero"
        assert lines == ["'FAILED' == 'FINISHED'", reason]
        assert explain("==", "FINISHED", ends["failed"].status)[0] == "'FINISHED' == 'FAILED'"
        assert explain("in", ends["failed"].status, ["A"])[0] == "'FAILED' in ['A']"

    def test_of_a_status_code(self, ends: Any) -> None:
        assert explain("==", ends["failed"].status_code, 200)[0] == "430 == 200"

    def test_of_both(self, ends: Any) -> None:
        failed = ends["failed"]
        lines = explain("==", (failed.status, failed.status_code), ("ABORTED", 499))
        assert lines[0] == "('FAILED', 430) == ('ABORTED', 499)"

    def test_of_an_event_that_runs(self, ends: Any) -> None:
        lines = explain("==", ends["running"].status, "FINISHED")
        assert lines[-1] == "The event was RUNNING when it was compared: call event.wait() first."

    def test_of_other_things(self) -> None:
        for left, right in [("a", "b"), (1, 2), ((1, 2), [3]), (None, object())]:
            assert assertions.explain("==", left, right) is None

    def test_status_and_code_are_plain_values_otherwise(self, ends: Any) -> None:
        status, code = ends["failed"].status, ends["failed"].status_code
        assert {status: 1}["FAILED"] == 1
        assert {code: 1}[430] == 1
        assert (repr(status), repr(code), f"{status} {code}") == ("'FAILED'", "430", "FAILED 430")


def test_a_result_has_the_assertions_of_an_end_too(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy("def main_handler(event, context):\n    print('works')\n    return 1 / event\n")
    fn.invoke(2).assert_finished(0.5)
    fn.invoke(0).assert_failed(430)
    with pytest.raises(AssertionError, match=r"the return value is 0.5, not 1\n"):
        fn.invoke(2).assert_finished(1)
    with pytest.raises(AssertionError, match=r"(?s)FAILED 430, not FINISHED 200: .*ZeroDivisionError.*\| works"):
        fn.invoke(0).assert_finished()
    with pytest.raises(AssertionError, match="FINISHED 200, not FAILED 430"):
        fn.invoke(1).assert_failed(430)


class EndsWhileItIsRead:
    """An event whose end comes just after its transitions have been read."""

    def __init__(self, event: Any) -> None:
        self._event = event
        self.final = False

    @property
    def transitions(self) -> Any:
        self.final = True
        return self._event.transitions[:-1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event, name)


def test_an_event_that_ends_as_it_is_described_has_not_ended_at_an_earlier_step(ends: Any) -> None:
    said = description.describe(EndsWhileItIsRead(ends["finished"]))

    assert said[-1].split()[0] == "FINISHED"  # and not a time
