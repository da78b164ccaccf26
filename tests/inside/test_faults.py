"""Faults on purpose, undone at the end of their blocks."""

from __future__ import annotations

import json
import math
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from present import present

from pytest_scf import ApiError, ScfRuntime, UsageError

WORKER = """
import os
import signal
import time

def main_handler(event, context):
    if event == "write":
        try:
            with open("/tmp/" + context["request_id"], "wb") as file:
                file.write(b"x" * 10000)
        except OSError as error:
            return os.strerror(error.errno)
        return "written"
    if event == "list":
        return sorted(os.listdir("/tmp"))
    if event != "wait":
        return "done"
    stop = []
    signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
    print("working")
    while not stop:
        time.sleep(0.01)
    return "END"
"""


def test_a_cold_start_that_is_slow_or_fails(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(WORKER, async_run=True)
    fn.invoke_async().assert_finished("done")
    with each_way.faults.slow_start(fn, 0.2) as struck:
        event = fn.invoke_async()
        event.assert_finished("done")
        assert "[FAULT] this cold start takes 0.2 s longer" in event.logs.text
        assert struck.count == 1
        fn.invoke_async().assert_finished("done")
        assert struck.count == 1
    with each_way.faults.failing_start(fn, "the layer is gone", times=2):
        for _ in range(2):
            failed = fn.invoke_async()
            failed.assert_failed(443)
            assert "the layer is gone" in failed.error_message
        fn.invoke_async().assert_finished("done")
    fn.invoke_async().assert_finished("done")


def test_faults_of_a_cold_start_strike_together(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("namespaces")
    fn = rt.deploy(WORKER)
    faults = rt.faults
    with faults.slow_start(fn, 0.02), faults.slow_start(fn, 0.03), faults.no_network(fn):
        result = fn.invoke()
        assert "takes 0.05 s longer" in result.log
        assert "this instance has no network" in result.log
    with (
        faults.slow_start(fn, 0.02),
        faults.failing_start(fn, "the layer is gone", times=1),
        faults.failing_start(fn, "the disk is full", times=1),
    ):
        failed = [fn.invoke() for _ in range(2)]
        assert ["takes 0.02 s longer" in each.log for each in failed] == [True, True]
        assert ["the layer is gone" in each.error_message for each in failed] == [True, False]
        assert "the disk is full" in failed[1].error_message
        assert fn.invoke().status_code == 200


def test_a_cold_start_that_is_too_slow(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER, init_timeout=1, async_run=True)
    with rt.faults.slow_start(fn, 30, times=1):
        slow = fn.invoke_async()
        slow.wait()
        assert slow.status == "FAILED"
        assert "InitTimeout of 1 s" in slow.diagnosis
        rt.api.call("UpdateFunctionConfiguration", {"FunctionName": fn.name, "InitTimeout": 60})
        fn.invoke_async().assert_finished("done")


def test_a_signal_that_is_lost(each_way: ScfRuntime) -> None:
    fn, other = each_way.deploy(WORKER, async_run=True), each_way.deploy(WORKER, async_run=True)
    events = [function.invoke_async("wait") for function in (fn, other)]
    for event in events:
        event.wait_for_signal_handler()
    with each_way.faults.lost_signal(fn, times=1) as struck:
        for event in events:
            event.terminate(graceful=True)
        assert struck.count == 1
        assert events[0].logs.platform == ["[PLATFORM] Signal reception failed"]
        assert events[0].diagnosis == (
            "the termination signal was lost; the event is still RUNNING (a fault that the test has asked for lost the "
            "signal)"
        )
        assert events[0].status == "RUNNING"
        events[1].assert_finished("END")
        events[0].terminate(graceful=True)
    events[0].assert_finished("END")
    assert events[0].logs.platform == ["[PLATFORM] Signal reception failed", "[PLATFORM] Signal received successfully"]


def test_an_action_that_fails_a_number_of_times(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER, async_run=True)
    with rt.faults.api_error("ListAsyncEvents", times=2) as struck:
        for _ in range(2):
            with pytest.raises(ApiError) as error:
                rt.api.call("ListAsyncEvents", {"FunctionName": fn.name})
            assert error.value.code == "RequestLimitExceeded"
            assert "the test has asked for" in str(error.value)
        rt.api.call("ListAsyncEvents", {"FunctionName": fn.name})
        assert struck.count == 2
    with rt.faults.api_error("Invoke", "InternalError"), pytest.raises(ApiError, match="InternalError"):
        fn.invoke_async()
    fn.invoke_async().assert_finished("done")


def test_an_instance_that_breaks_down(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(WORKER, async_run=True)
    event = fn.invoke_async("wait")
    event.wait_for_log("working")
    each_way.faults.kill(event)
    event.assert_failed(500)
    assert "the test has asked for killed the instance" in event.diagnosis
    assert not event.instance.alive
    with pytest.raises(UsageError, match="has no instance that could be killed"):
        each_way.faults.kill(event)
    stopped = fn.invoke_async("wait", stop_at="index.py:20")
    stopped.wait_for_stop()
    each_way.faults.kill(stopped)
    stopped.assert_failed(500)


def test_a_network_that_leads_nowhere(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("namespaces")
    source = (
        "import socket\n\ndef main_handler(event, context):\n"
        "    with socket.create_connection(('127.0.0.1', event), 10) as it:\n        return it.recv(10).decode()\n"
    )
    fn = rt.deploy(source, async_run=True)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            for _ in range(2):
                with server.accept()[0] as connection:
                    connection.sendall(b"hello")

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        port = server.getsockname()[1]
        fn.invoke_async(port).assert_finished("hello")
        with rt.faults.no_network(fn):
            event = fn.invoke_async(port)
            event.assert_failed(430)
            assert "ConnectionRefusedError" in event.error_message
            assert "[FAULT] this instance has no network" in event.logs.text
        fn.invoke_async(port).assert_finished("hello")
        greeting.join(30)
    with rt.faults.no_network(fn):
        rt.api.call("DeleteFunction", {"FunctionName": fn.name})
    lesser = scf_runtime_of("directory")
    with pytest.raises(UsageError, match="by namespaces only"), lesser.faults.no_network(lesser.deploy(source)):
        pass


def test_a_tmp_that_is_full(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    rt = scf_runtime_of("namespaces", tmp_bytes=1 << 20)
    fn = rt.deploy(WORKER, async_run=True)
    # Where the tests' own environment lies in /tmp, that is to be seen there.
    kept = fn.invoke_async("list").wait().return_value
    first = fn.invoke_async("write")
    first.assert_finished("written")
    with rt.faults.full_tmp(first.instance):
        with rt.faults.full_tmp(first.instance):
            second = fn.invoke_async("write")
            second.assert_finished("No space left on device")
        third = fn.invoke_async("write")
        third.assert_finished("No space left on device")
        # Nothing is to be seen of it there, nor to be removed.
        fn.invoke_async("list").assert_finished(sorted([*kept, *(each.request_id for each in (first, second, third))]))
    last = fn.invoke_async("write")
    last.assert_finished("written")
    assert second.diagnosis == "the handler returned; its /tmp was full, a fault that the test has asked for"
    assert {each.diagnosis for each in (first, last)} == {"the handler returned"}
    rt.faults.kill(fn.invoke_async("wait"))
    with pytest.raises(UsageError, match="is gone, and its /tmp with it"), rt.faults.full_tmp(first.instance):
        pass
    lesser = scf_runtime_of("directory").deploy(WORKER)
    result = lesser.invoke()
    with pytest.raises(UsageError, match="no size of its own"), rt.faults.full_tmp(result.instance):
        pass


def sdk_client():
    pytest.importorskip("tencentcloud.scf.v20180416.models")
    from tencentcloud.common.credential import Credential
    from tencentcloud.scf.v20180416.scf_client import ScfClient

    return ScfClient(Credential("id", "key"), "ap-guangzhou")


def listed(client: Any, fn: Any, **parameters: Any) -> list[Any]:
    from tencentcloud.scf.v20180416 import models

    request = models.ListAsyncEventsRequest()
    request.from_json_string(json.dumps({"FunctionName": fn.name, "Order": "ASC", **parameters}))
    answer = client.ListAsyncEvents(request)
    assert answer.TotalCount == len(answer.EventList)
    return list(answer.EventList)


def status_of(client: Any, event: Any) -> str:
    """What GetAsyncEventStatus answers, or its error's code."""
    from tencentcloud.common.exception import TencentCloudSDKException
    from tencentcloud.scf.v20180416 import models

    request = models.GetAsyncEventStatusRequest()
    request.InvokeRequestId = event.request_id
    try:
        return str(client.GetAsyncEventStatus(request).Result.Status)
    except TencentCloudSDKException as error:
        return str(error.get_code())


def test_events_that_are_seen_late(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn, other = rt.deploy(WORKER, async_run=True), rt.deploy(WORKER, async_run=True)
    before = fn.invoke_async()
    with rt.sdk():
        client = sdk_client()
        with rt.faults.visibility_delay(600, fn) as struck:
            late, neighbour = fn.invoke_async(), other.invoke_async()
            late.assert_finished("done")
            neighbour.assert_finished("done")
        assert struck.count == 1
        after = fn.invoke_async()
        for event in (before, after):
            event.assert_finished("done")
        # It stays hidden when the block is over, from whoever asks by name; the test has it.
        unknown = "ResourceNotFound.AsyncEvent"
        assert [status_of(client, event) for event in (before, late, after, neighbour)] == ["FINISHED", unknown] + [
            "FINISHED"
        ] * 2
        assert [each.InvokeRequestId for each in listed(client, fn)] == [before.request_id, after.request_id]
        assert late.status == "FINISHED"
        with pytest.raises(ApiError, match="does not exist"):
            late.terminate()
        what = "the status actions do not know this event until 600 s after its start"
        assert late.logs.platform[0] == f"[FAULT] {what}"
        assert f"a fault that the test has asked for: {what}" in late.diagnosis
        assert "fault" not in after.diagnosis + neighbour.diagnosis
        rt.clock.advance(seconds=540)
        assert status_of(client, late) == unknown
        rt.clock.advance(seconds=60)
        assert status_of(client, late) == "FINISHED"
        everything = [before.request_id, late.request_id, after.request_id]
        assert [each.InvokeRequestId for each in listed(client, fn)] == everything
    with rt.faults.visibility_delay(600, times=1):
        hidden, seen = fn.invoke_async().wait(), fn.invoke_async().wait()
    ids = {each["InvokeRequestId"] for each in rt.api.call("ListAsyncEvents", {"FunctionName": fn.name})["EventList"]}
    assert seen.request_id in ids
    assert hidden.request_id not in ids


def test_a_clock_that_jumps(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER, async_run=True)
    hour = timedelta(hours=1)
    steady = fn.invoke_async().wait()
    with rt.faults.clock_jump(-3600):
        event = fn.invoke_async("wait")
        event.wait_for_signal_handler()
        inside = fn.invoke_async().wait()
    # What was told of a moment stays: it began an hour early, and ends now.
    event.terminate(graceful=True)
    event.assert_finished("END")
    assert -hour < event.start_time - steady.start_time < -hour / 2
    assert present(event.end_time) - event.start_time > hour
    assert present(inside.end_time) < steady.start_time
    with rt.faults.clock_jump(7200):
        running = fn.invoke_async("wait")
        running.wait_for_signal_handler()
    running.terminate(graceful=True)
    running.assert_finished("END")
    assert present(running.end_time) < running.start_time
    for struck, what in [(event, "3600 s behind"), (inside, "3600 s behind"), (running, "7200 s ahead")]:
        assert f"[FAULT] the clock is {what}" in struck.logs.platform
        assert f"a fault that the test has asked for: the clock is {what}" in struck.diagnosis
    with rt.sdk():
        client = sdk_client()
        # In the order of the times that are told, and by them.
        ordered = [event, inside, steady, running]
        assert [each.InvokeRequestId for each in listed(client, fn)] == [each.request_id for each in ordered]
        start = f"{event.start_time - timedelta(seconds=1):%Y-%m-%d %H:%M:%S}"
        end = f"{inside.start_time + timedelta(minutes=30):%Y-%m-%d %H:%M:%S}"
        span = {"Start": start, "End": end}
        found = listed(client, fn, StartTimeInterval=span)
        assert [each.InvokeRequestId for each in found] == [event.request_id, inside.request_id]
        assert datetime.fromisoformat(found[0].StartTime) < datetime.fromisoformat(found[0].EndTime) - hour
        ends = listed(client, fn, EndTimeInterval=span)
        assert [each.InvokeRequestId for each in ends] == [inside.request_id]
        assert listed(client, fn, Orderby="EndTime")[0].InvokeRequestId == inside.request_id
        assert [each.InvokeRequestId for each in listed(client, fn, InvokeRequestId=running.request_id)] == [
            running.request_id
        ]


def test_a_clock_that_jumps_moves_nothing_that_is_due(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER, async_run=True)
    with rt.faults.clock_jump(-100 * 86400):
        old = fn.invoke_async().wait()
        with rt.faults.clock_jump(400 * 86400):  # both at once: 300 days ahead
            new = fn.invoke_async().wait()
            assert timedelta(days=399) < new.start_time - old.start_time < timedelta(days=401)
    fails = rt.deploy("def main_handler(event, context):\n    raise ValueError\n")
    with rt.faults.clock_jump(-86400):
        message = fails.invoke_async()
        message.wait_for_attempt(1)
    for number, jump in enumerate((86400, -86400), 2):
        with rt.faults.clock_jump(jump):
            assert not message.final
            rt.clock.advance(minutes=1)
            message.wait_for_attempt(number)
    message.assert_failed(430)
    assert len(message.attempts) == 3
    # Kept for 72 hours after their ends, as the time passes: neither less nor more.
    rt.clock.advance(hours=71)
    for event in (old, new):
        rt.api.call("GetAsyncEventStatus", {"InvokeRequestId": event.request_id})
    rt.clock.advance(hours=1)
    for event in (old, new):
        with pytest.raises(ApiError, match="does not exist or has expired"):
            rt.api.call("GetAsyncEventStatus", {"InvokeRequestId": event.request_id})


def test_bad_input_is_refused_at_once(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER)
    faults = rt.faults
    anything: Any = "worker"
    number: Any = 5
    for make, said in [
        (lambda: faults.slow_start(fn, 0), "seconds must be a number above 0"),
        (lambda: faults.slow_start(fn, 1e30), "up to 86400 seconds longer, not 1e\\+30"),
        (lambda: faults.slow_start(fn, 1, times=0), "times must be a number of times"),
        (lambda: faults.failing_start(fn, ""), "message must be a text"),
        (lambda: faults.lost_signal(fn), "function .* has no asynchronous execution"),
        (lambda: faults.visibility_delay(1, fn), "function .* has no asynchronous execution"),
        (lambda: faults.lost_signal(times=True), "times must be a number of times"),
        (lambda: faults.visibility_delay(-1), "seconds must be a number above 0"),
        (lambda: faults.visibility_delay(math.nan), "seconds must be a number above 0"),
        (lambda: faults.clock_jump(True), "seconds must be a number, not True"),
        (lambda: faults.clock_jump(math.inf), "seconds must be a number, not inf"),
        (lambda: faults.clock_jump(0), "not by 0 s"),
        (lambda: faults.clock_jump(-1e12), "by up to 3650 days"),
        (lambda: faults.api_error("Invok"), "there is no action 'Invok'; did you mean 'Invoke'"),
        (lambda: faults.slow_start(anything, 1), "function must be what deploy gave; got 'worker'"),
        (lambda: faults.lost_signal(anything), "function must be what deploy gave; got 'worker'"),
        (lambda: faults.full_tmp(anything), "instance must be an instance, such as event.instance; got 'worker'"),
        (lambda: faults.api_error("Invoke", "Nonsense"), "there is no error code 'Nonsense'"),
        (lambda: faults.api_error("Invoke", "RequestLimit"), "did you mean 'RequestLimitExceeded'"),
        (lambda: faults.api_error("Invoke", message=number), "message must be a text, not 5"),
    ]:
        with pytest.raises(UsageError, match=said), make():
            pass
    once = faults.slow_start(fn, 1)
    with once:
        pass
    with pytest.raises(UsageError, match="was used already: each `with` block takes one of its own"), once:
        pass
    with pytest.raises(UsageError, match="event must be an event that invoke_async gave; got 'worker'"):
        faults.kill(anything)
    with pytest.warns(UserWarning, match=r"faults\.slow_start\(\.\.\.\) does nothing by itself: `with "):
        faults.slow_start(fn, 1)
