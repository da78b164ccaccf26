"""Small functions need no directory: a Python function of the test's own module, or source text, will do."""

import signal
import time

import pytest


def sleeper(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("sleeping soundly")
    while True:
        time.sleep(1)


def test_ignoring_the_signal_only_delays_the_end(scf_runtime):
    event = scf_runtime.deploy(sleeper, async_run=True).invoke_async()
    event.wait_for_log("sleeping soundly")
    event.terminate(graceful=True)
    assert event.status == "RUNNING"
    assert "SIGTERM was ignored" in event.diagnosis
    event.terminate()
    event.assert_aborted()


@pytest.mark.parametrize(("a", "b", "total"), [(1, 2, 3), (0, 0, 0), (-1, 1, 0)])
def test_a_synchronous_call_gives_the_value_and_the_log(scf_runtime, a, b, total):
    function = scf_runtime.deploy(
        """
        def main_handler(event, context):
            print("adding for", context["function_name"])
            return event["a"] + event["b"]
        """,
        name="adder",
    )
    result = function.invoke({"a": a, "b": b})
    assert result.return_value == total
    assert result.status_code == 200
    assert "adding for adder" in result.log
    assert result.duration < 3000


def test_an_error_is_a_result_too(scf_runtime):
    function = scf_runtime.deploy("def main_handler(event, context):\n    return 1 / event['by']\n")
    result = function.invoke({"by": 0})
    assert result.status_code == 430
    assert "ZeroDivisionError" in result.error_message
