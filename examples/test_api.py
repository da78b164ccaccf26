"""What a client of the cloud's API would see of the same events, and what it would see three days later."""

import pytest

from pytest_scf import ApiError


@pytest.fixture
def events(scf_runtime):
    function = scf_runtime.deploy("functions/checkpoint", name="counter", async_run=True)
    events = [function.invoke_async({"until": count}) for count in range(3)]
    for event in events:
        event.wait()
    return events


def test_events_are_listed_the_latest_first(scf_runtime, events):
    answer = scf_runtime.api.call("ListAsyncEvents", {"FunctionName": "counter", "Status": ["FINISHED"]})
    assert answer["TotalCount"] == 3
    assert {entry["InvokeRequestId"] for entry in answer["EventList"]} == {event.request_id for event in events}


def test_a_running_event_is_asked_for_and_terminated_by_its_id(scf_runtime):
    function = scf_runtime.deploy("functions/graceful", async_run=True)
    event = function.invoke_async()
    named = {"InvokeRequestId": event.request_id}
    assert scf_runtime.api.call("GetAsyncEventStatus", named)["Result"]["Status"] == "RUNNING"
    scf_runtime.api.call("TerminateAsyncEvent", {"FunctionName": function.name, **named})
    assert scf_runtime.api.call("GetAsyncEventStatus", named)["Result"]["StatusCode"] == 499


def test_after_three_days_nobody_remembers(scf_runtime, events):
    named = {"InvokeRequestId": events[0].request_id}
    scf_runtime.clock.advance(hours=71)
    assert scf_runtime.api.call("GetAsyncEventStatus", named)["Result"]["Status"] == "FINISHED"
    scf_runtime.clock.advance(hours=1)
    with pytest.raises(ApiError, match=r"ResourceNotFound\.AsyncEvent"):
        scf_runtime.api.call("GetAsyncEventStatus", named)
