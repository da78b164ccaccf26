"""Asynchronous invocations of functions without asynchronous execution: they wait, and are tried again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from present import present

from pytest_scf import ApiError, EventEnded, ScfRuntime, UsageError, WaitTimeout

#: fails as often as its event says, which it counts in its /tmp
FLAKY = """\
import os, tempfile
mark = os.path.join(tempfile.gettempdir(), 'count')
def main_handler(event, context):
    count = os.path.getsize(mark) if os.path.exists(mark) else 0
    with open(mark, 'a') as file:
        file.write('x')
    print('attempt', count, context['request_id'])
    if count < event['fails']:
        raise ValueError(f'number {count}')
    return event
"""
#: fails as its event tells it
FAILING = """\
import os, time
def main_handler(event, context):
    print('working')
    if event == 'raise': raise ValueError(event)
    if event == 'exit': os._exit(3)
    if event == 'too much': return 'x' * (6 * 1024 * 1024)
    if event == 'sleep': time.sleep(600)
    return event
"""


def status_of(rt, event) -> list[dict]:
    """GetRequestStatus, reaching back as far as the clock may have been moved."""
    start = event.start_time.strftime("%Y-%m-%d %H:%M:%S")
    asked = {"FunctionName": event.function.name, "FunctionRequestId": event.request_id}
    end = event.start_time + timedelta(days=365)
    asked |= {"StartTime": start, "EndTime": end.strftime("%Y-%m-%d %H:%M:%S")}
    return rt.api.call("GetRequestStatus", asked)["Data"]


# -- retries -------------------------------------------------------------------------------------------------------


def test_what_fails_is_tried_again_a_minute_later_by_the_clock(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(FLAKY, name="flaky")
    event = fn.invoke_async({"fails": 1})
    first = event.wait_for_attempt(1)
    assert (first.status, first.status_code) == ("FAILED", 430)
    assert (event.status, event.status_code, event.final) == ("RUNNING", 0, False)
    with pytest.raises(UsageError, match="waits for attempt 2 of 3"):
        _ = event.instance
    each_level.clock.advance(seconds=30)
    assert event.status == "RUNNING"
    each_level.clock.advance(seconds=30)
    event.assert_finished({"fails": 1})
    assert event.retries == 1
    assert event.attempts == [first, event]
    assert event.instance == first.instance
    assert (present(event.end_time) - event.start_time).total_seconds() >= 60


def test_it_is_tried_three_times_in_all(each_level: ScfRuntime) -> None:
    event = each_level.deploy(FLAKY).invoke_async({"fails": 9})
    for number in (1, 2, 3):
        assert "number" in event.wait_for_attempt(number).error_message
        assert event.final is (number == 3)
        each_level.clock.advance(minutes=1)
    event.assert_failed(430)
    assert event.retries == 2
    assert [each.error_message[-1] for each in event.attempts] == ["0", "1", "2"]
    with pytest.raises(EventEnded, match="3 attempts"):
        event.wait_for_attempt(4)


@pytest.mark.parametrize(("how", "code"), [("raise", 430), ("exit", 439), ("too much", 407)])
def test_every_failure_is_one(scf_runtime_of: Callable[..., ScfRuntime], how: str, code: int) -> None:
    rt = scf_runtime_of("auto", retry_seconds=0)
    event = rt.deploy(FAILING, memory=256, timeout=60).invoke_async(how).wait()
    assert [int(each.status_code) for each in event.attempts] == [code] * 3
    assert [each.status for each in event.attempts] == ["FAILED"] * 3


def test_a_timeout_is_one(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", retry_seconds=0)
    fn = rt.deploy(FAILING, timeout=1, retry_num=1)
    event = fn.invoke_async("sleep").wait()
    assert [int(each.status_code) for each in event.attempts] == [433, 433]
    assert event.attempts[0].instance != event.instance


def test_each_attempt_has_its_log_and_the_event_has_all(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", retry_seconds=0)
    event = rt.deploy(FLAKY).invoke_async({"fails": 1}).wait()
    rid = event.request_id
    first, second = event.attempts[0].logs, event.attempts[1].logs
    assert f"attempt 0 {rid}" in first
    assert "number 0" in first.text
    assert f"attempt 1 {rid}" not in first
    assert first.text.count("START") == first.text.count("END RequestId") == 1
    assert first.text.count("Init Report") == 1
    assert event.logs.text.startswith(first.text)
    assert event.logs.user.splitlines() == [f"attempt 0 {rid}", f"attempt 1 {rid}"]
    assert event.logs.text.count("START") == 2
    assert second.text.startswith(first.text)  # it is the event itself
    assert [line.text for line in event.logs.lines] == event.logs.text.splitlines()


def test_a_wait_for_a_log_sees_the_next_attempt(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", retry_seconds=0)
    event = rt.deploy(FLAKY).invoke_async({"fails": 2})
    event.wait_for_log(r"attempt 2")
    event.assert_finished()


def test_the_attempts_are_told_by_the_api(each_level: ScfRuntime) -> None:
    event = each_level.deploy(FLAKY, name="flaky").invoke_async({"fails": 1})
    event.wait_for_attempt(1)
    before = status_of(each_level, event)
    assert [(each["RetCode"], each["RetryNum"]) for each in before] == [(1, 1), (-1, 0)]
    each_level.clock.advance(minutes=1)
    event.wait()
    after = status_of(each_level, event)
    assert [(each["RetCode"], each["RetryNum"]) for each in after] == [(0, 1), (-1, 0)]
    assert after[0]["StartTime"] > after[1]["StartTime"]
    assert {each["RequestId"] for each in after} == {event.request_id}
    logs = each_level.api.call("GetFunctionLogs", {"FunctionName": "flaky", "Order": "asc"})
    assert [(each["RetCode"], each["RetryNum"]) for each in logs["Data"]] == [(430, 0), (0, 1)]
    assert ["attempt 0" in each["Log"] for each in logs["Data"]] == [True, False]
    assert ["attempt 1" in each["Log"] for each in logs["Data"]] == [False, True]


def test_what_waits_says_for_what(each_level: ScfRuntime) -> None:
    event = each_level.deploy(FAILING).invoke_async("raise")
    event.wait_for_attempt(1)
    assert "waits for attempt 2 of 3, 60 s of the clock (retry_seconds) after attempt 1 failed" in event.diagnosis
    with pytest.raises(WaitTimeout) as timed_out:
        event.wait(timeout=0)
    assert "waits for attempt 2 of 3" in str(timed_out.value)
    assert "attempt 1 failed with 430: the handler raised ValueError: raise" in str(timed_out.value)
    with pytest.raises(WaitTimeout, match="did not end its attempt 2"):
        event.wait_for_attempt(2, timeout=0)
    assert [step.status for step in event.transitions] == ["RUNNING", "RUNNING"]


def test_without_retries_the_first_attempt_is_the_outcome(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(FAILING, retry_num=0)
    event = fn.invoke_async("raise").wait()
    event.assert_failed(430)
    assert event.attempts == [event]


def test_no_attempt_is_begun_after_the_message_has_expired(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(FAILING, msg_ttl=90)
    event = fn.invoke_async("raise")
    event.wait_for_attempt(1)
    scf_runtime.clock.advance(minutes=1)
    event.wait()
    assert event.retries == 1


def test_synchronous_calls_and_asynchronous_executions_are_not_tried_again(each_level: ScfRuntime) -> None:
    assert each_level.deploy(FAILING).invoke("raise").status_code == 430
    event = each_level.deploy(FAILING, async_run=True).invoke_async("raise").wait()
    each_level.clock.advance(hours=7)
    event.assert_failed(430)
    assert (event.retries, event.attempts) == (0, [event])


def test_it_cannot_be_terminated(each_level: ScfRuntime) -> None:
    event = each_level.deploy(FAILING).invoke_async("raise")
    event.wait_for_attempt(1)
    with pytest.raises(ApiError) as refused:
        event.terminate()
    assert refused.value.code == "UnsupportedOperation.AsyncRunEnable"


def test_attempts_are_numbered_from_one(scf_runtime: ScfRuntime) -> None:
    event = scf_runtime.deploy(FAILING).invoke_async("x")
    numbers: list[Any] = [0, -1, True, "1"]
    for wrong in numbers:
        with pytest.raises(UsageError, match="number must be"):
            event.wait_for_attempt(wrong)


@pytest.mark.parametrize(
    "wrong", [{"retry_num": 3}, {"retry_num": -1}, {"retry_num": True}, {"msg_ttl": 59}, {"msg_ttl": 21601.0}]
)
def test_values_that_are_refused(scf_runtime: ScfRuntime, wrong: Any) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        scf_runtime.deploy(FAILING, **wrong)


# -- waiting for an instance -----------------------------------------------------------------------------------------


def test_what_waits_for_an_instance_is_no_retry(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(FAILING, max_instances=1, timeout=600)
    busy, waiting = fn.invoke_async("sleep"), fn.invoke_async("x")
    busy.wait_for_log("working")
    scf_runtime.clock.advance(hours=5)
    assert waiting.status == "RUNNING"
    assert "waits for an instance" in waiting.diagnosis
    with pytest.raises(ApiError) as refused:
        fn.invoke("x")
    assert refused.value.status_code == 432
    (found,) = status_of(scf_runtime, waiting)
    assert (found["RetCode"], found["RetryNum"]) == (1, 0)
    busy.instance._record.process.kill()
    waiting.assert_finished("x")
    assert waiting.retries == 0


def test_after_six_hours_a_message_that_waits_is_given_up(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(FAILING, name="crowded", max_instances=1, timeout=600)
    busy, waiting = fn.invoke_async("sleep"), fn.invoke_async("x")
    busy.wait_for_log("working")
    scf_runtime.clock.advance(hours=6, seconds=1)
    assert (waiting.status, waiting.status_code) == ("FAILED", 432)
    assert "Function [ crowded ] concurrency exceeded reserved quota 128MB" in waiting.error_message
    assert busy.status == "RUNNING"


def test_a_retry_waits_for_an_instance_as_well(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(FAILING, max_instances=1, timeout=600)
    event = fn.invoke_async("exit")
    event.wait_for_attempt(1)
    busy = fn.invoke_async("sleep")
    busy.wait_for_log("working")
    scf_runtime.clock.advance(minutes=1)
    assert "waits for an instance" in event.diagnosis
    assert event.retries == 1
    busy.instance._record.process.kill()
    event.wait_for_attempt(2)


def test_more_messages_than_the_queue_holds_are_refused(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", queue_messages=2)
    fn = rt.deploy(FAILING, name="crowded", max_instances=1, timeout=600)
    busy = fn.invoke_async("sleep")
    waiting = [fn.invoke_async(number) for number in range(2)]
    with pytest.raises(ApiError) as refused:
        fn.invoke_async("one too many")
    assert (refused.value.code, refused.value.status_code) == ("LimitExceeded.Quota", 429)
    assert "crowded" in refused.value.message
    busy.wait_for_log("working")
    busy.instance._record.process.kill()
    assert [event.wait().return_value for event in waiting] == [0, 1]


def test_many_messages_through_few_instances_each_once(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto", retry_seconds=0)
    fn = rt.deploy(FAILING, max_instances=2, timeout=60)
    events = []
    lock = threading.Lock()

    def ask(first: int) -> None:
        for number in range(first, first + 25):
            event = fn.invoke_async("raise" if number % 10 == 0 else number)
            with lock:
                events.append((number, event))

    threads = [threading.Thread(target=ask, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, event in events:
        event.wait()
        if number % 10:
            assert (event.return_value, event.retries) == (number, 0)
        else:
            assert (event.status_code, event.retries) == (430, 2)
    assert len(fn.instances) <= 2


def test_closing_ends_what_waits_for_its_next_attempt(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("auto")
    event = rt.deploy(FAILING).invoke_async("raise")
    event.wait_for_attempt(1)
    assert rt.close() == []
    assert (event.status, event.status_code) == ("ABORTED", 499)
    assert "the runtime was closed" in event.diagnosis
    assert [each.status for each in event.attempts] == ["FAILED", "ABORTED"]
