from __future__ import annotations

from typing import Any

import pytest
from fakes import HOUR, START, FakePlatform, end

from pytest_scf import api_errors
from pytest_scf.contract.api import Api
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.records import Invocation
from pytest_scf.platform.settings import Settings

# GetAsyncEventStatus -----------------------------------------------------------------------------------------------


def test_status(api: Api, platform: FakePlatform, worker: FunctionRecord) -> None:
    event = platform.add(worker, "1234")
    answer = api.call("GetAsyncEventStatus", {"InvokeRequestId": "1234"})
    assert answer["Result"] == {"Status": "RUNNING", "StatusCode": 0, "InvokeRequestId": "1234"}
    assert set(answer) == {"Result", "RequestId"}
    assert answer["RequestId"] != "1234"
    end(platform, event, "ABORTED", 499, START)
    answer = api.call("GetAsyncEventStatus", {"InvokeRequestId": "1234"})
    assert answer["Result"] == {"Status": "ABORTED", "StatusCode": 499, "InvokeRequestId": "1234"}


def test_status_of_what_is_no_event(api: Api, platform: FakePlatform, worker: FunctionRecord) -> None:
    platform.add(worker, "synchronous", asynchronous=False)
    for request_id in ("unknown", "synchronous"):
        with pytest.raises(api_errors.ResourceNotFoundAsyncEvent) as caught:
            api.call("GetAsyncEventStatus", {"InvokeRequestId": request_id})
        assert request_id in caught.value.message


# TerminateAsyncEvent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "graceful"), [({}, False), ({"GraceShutdown": False}, False), ({"GraceShutdown": True}, True)]
)
def test_terminate(
    api: Api, platform: FakePlatform, worker: FunctionRecord, more: dict[str, bool], graceful: bool
) -> None:
    event = platform.add(worker, "1234")
    answer = api.call("TerminateAsyncEvent", {"FunctionName": "worker", "InvokeRequestId": "1234", **more})
    assert set(answer) == {"RequestId"}
    assert platform.terminated == [(event, graceful)]


def test_terminate_refused(api: Api, platform: FakePlatform, worker: FunctionRecord, plain: FunctionRecord) -> None:
    other = platform.deploy("other", async_run=True)
    same_name = platform.deploy("worker", async_run=True, namespace="elsewhere")
    platform.end(platform.add(worker, "ended"))
    platform.add(worker, "running")
    platform.add(worker, "synchronous", asynchronous=False)
    platform.add(other, "others")
    platform.add(same_name, "elsewhere's")
    platform.add(plain, "plain's", asynchronous=False)
    for name, request_id, error in [
        ("nobody", "running", api_errors.ResourceNotFoundFunction),
        ("worker", "unknown", api_errors.ResourceNotFoundAsyncEvent),
        ("worker", "others", api_errors.ResourceNotFoundAsyncEvent),
        ("worker", "elsewhere's", api_errors.ResourceNotFoundAsyncEvent),
        ("worker", "synchronous", api_errors.ResourceNotFoundAsyncEvent),
        ("worker", "ended", api_errors.FailedOperationAsyncEventStatus),
        ("plain", "plain's", api_errors.UnsupportedOperationAsyncRunEnable),
        ("plain", "unknown", api_errors.UnsupportedOperationAsyncRunEnable),
    ]:
        with pytest.raises(error) as caught:
            api.call("TerminateAsyncEvent", {"FunctionName": name, "InvokeRequestId": request_id})
        assert caught.value.code == error.code
        assert name in caught.value.message or request_id in caught.value.message
    assert platform.terminated == []


# ListAsyncEvents ---------------------------------------------------------------------------------------------------


def add(platform: FakePlatform, function: FunctionRecord, name: str, start: float, **attributes: Any) -> Invocation:
    return platform.add(function, name, start_time=START + start, **attributes)


@pytest.fixture
def events(platform: FakePlatform, worker: FunctionRecord) -> None:
    """Five events a second apart; d ended before c, b and e are still running. START is 06:13:20 in UTC+8."""
    end(platform, add(platform, worker, "a", 0), "FINISHED", 200, START + 0.25)
    add(platform, worker, "b", 1, invoke_type="TRIGGER_TIMER")
    end(platform, add(platform, worker, "c", 2, invoke_type="COS"), "FAILED", 439, START + 9)
    end(platform, add(platform, worker, "d", 3), "ABORTED", 499, START + 3.5)
    add(platform, worker, "e", 4)
    add(platform, platform.deploy("other", async_run=True), "x", 2)
    add(platform, worker, "s", 2, asynchronous=False)
    platform.clock.time = START + 10


def names(api: Api, **params: Any) -> str:
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker", **params})
    return "".join(event["InvokeRequestId"] for event in answer["EventList"])


@pytest.mark.usefixtures("events")
def test_list_as_a_whole(api: Api) -> None:
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker", "Limit": 2, "Offset": 3})
    assert answer["TotalCount"] == 5
    assert set(answer) == {"TotalCount", "EventList", "RequestId"}
    assert answer["EventList"] == [
        {
            "InvokeRequestId": "b",
            "InvokeType": "TRIGGER_TIMER",
            "Qualifier": "$LATEST",
            "Status": "RUNNING",
            "StartTime": "2023-11-15 06:13:21.000",
            "EndTime": "",
        },
        {
            "InvokeRequestId": "a",
            "InvokeType": "OTHERS",
            "Qualifier": "$LATEST",
            "Status": "FINISHED",
            "StartTime": "2023-11-15 06:13:20.000",
            "EndTime": "2023-11-15 06:13:20.250",
        },
    ]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, "edcba"),
        ({"Order": "ASC"}, "abcde"),
        ({"Orderby": "StartTime", "Order": "DESC"}, "edcba"),
        # Those without an end are below all others, and among themselves in the order they started.
        ({"Orderby": "EndTime", "Order": "ASC"}, "beadc"),
        ({"Orderby": "EndTime"}, "cdaeb"),
        ({"Offset": 1, "Limit": 2}, "dc"),
        ({"Offset": 4, "Limit": 2}, "a"),
        ({"Offset": 5}, ""),
        ({"Offset": 500}, ""),
        ({"Order": "ASC", "Offset": 1, "Limit": 2}, "bc"),
        ({"Order": "ASC", "Offset": 4}, "e"),
        ({"Status": ["RUNNING"]}, "eb"),
        ({"Status": ["FAILED", "ABORTED"]}, "dc"),
        ({"Status": []}, "edcba"),
        ({"InvokeType": ["OTHERS"]}, "eda"),
        ({"InvokeType": ["COS", "TRIGGER_TIMER"]}, "cb"),
        ({"InvokeType": ["CMQ"]}, ""),
        ({"InvokeRequestId": "c"}, "c"),
        ({"InvokeRequestId": "x"}, ""),
        ({"Qualifier": "$LATEST"}, "edcba"),
        ({"Status": ["RUNNING"], "InvokeType": ["OTHERS"]}, "e"),
        ({"StartTimeInterval": {"Start": "2023-11-15 06:13:21", "End": "2023-11-15 06:13:23"}}, "cb"),
        ({"StartTimeInterval": {"Start": "2023-11-15 06:13:21.001", "End": "2023-11-15 06:13:23.001"}}, "dc"),
        ({"StartTimeInterval": {"Start": "2023-11-15 06:13:21", "End": "2023-11-15 06:13:21"}}, ""),
        # Running events have no end, so none within an interval.
        ({"EndTimeInterval": {"Start": "2023-11-15 00:00:00", "End": "2023-11-16 00:00:00"}}, "dca"),
        ({"EndTimeInterval": {"Start": "2023-11-15 06:13:20.25", "End": "2023-11-15 06:13:23.5"}}, "a"),
    ],
)
@pytest.mark.usefixtures("events")
def test_list_found(api: Api, params: dict[str, Any], found: str) -> None:
    assert names(api, **params) == found


@pytest.mark.usefixtures("events")
def test_list_of_no_such_function_or_version(api: Api) -> None:
    with pytest.raises(api_errors.ResourceNotFoundFunction):
        api.call("ListAsyncEvents", {"FunctionName": "nobody"})
    with pytest.raises(api_errors.ResourceNotFoundQualifier):
        api.call("ListAsyncEvents", {"FunctionName": "worker", "Qualifier": "7"})


def test_list_of_more_than_a_page(api: Api, platform: FakePlatform, worker: FunctionRecord) -> None:
    for number in range(130):
        add(platform, worker, str(number), number)
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker"})
    assert (answer["TotalCount"], len(answer["EventList"])) == (130, 20)
    answer = api.call("ListAsyncEvents", {"FunctionName": "worker", "Limit": 100})
    assert (answer["TotalCount"], len(answer["EventList"])) == (130, 100)
    seen = []
    for offset in range(0, 140, 7):
        page = api.call("ListAsyncEvents", {"FunctionName": "worker", "Limit": 7, "Offset": offset})
        seen += [event["InvokeRequestId"] for event in page["EventList"]]
    assert seen == [str(number) for number in reversed(range(130))]


def test_a_time_that_was_shown_finds_its_event(api: Api, platform: FakePlatform, worker: FunctionRecord) -> None:
    """Whatever the float: the interval that begins at what is shown, and is a millisecond long, holds the event."""
    for number in range(200):
        add(platform, worker, str(number), number * 60 + number * 0.0012345)
    for event in api.call("ListAsyncEvents", {"FunctionName": "worker", "Limit": 100})["EventList"]:
        shown = event["StartTime"]
        interval = {"Start": shown, "End": shown + "999"}
        assert names(api, StartTimeInterval=interval) == event["InvokeRequestId"]


def test_the_zone_is_a_setting(platform: FakePlatform, api: Api, worker: FunctionRecord) -> None:
    platform.settings = Settings(utc_offset_hours=-3.5)
    add(platform, worker, "a", 0)
    (event,) = api.call("ListAsyncEvents", {"FunctionName": "worker"})["EventList"]
    assert event["StartTime"] == "2023-11-14 18:43:20.000"
    interval = {"Start": "2023-11-14 18:43:20", "End": "2023-11-14 18:43:21"}
    assert names(api, StartTimeInterval=interval) == "a"


def test_retention_and_window(platform: FakePlatform, api: Api, worker: FunctionRecord) -> None:
    """The status is kept for 72 h after the end, the list reaches back 3 days; what runs never expires."""
    end(platform, add(platform, worker, "a", 0), "FINISHED", 200, START + HOUR)
    add(platform, worker, "b", 1)
    platform.clock.time = START + 72 * HOUR - 1
    assert names(api) == "ba"
    platform.clock.time = START + 73 * HOUR - 1
    assert names(api) == "b"
    assert api.call("GetAsyncEventStatus", {"InvokeRequestId": "a"})["Result"]["StatusCode"] == 200
    platform.clock.time = START + 73 * HOUR
    with pytest.raises(api_errors.ResourceNotFoundAsyncEvent):
        api.call("GetAsyncEventStatus", {"InvokeRequestId": "a"})
    with pytest.raises(api_errors.ResourceNotFoundAsyncEvent):
        api.call("TerminateAsyncEvent", {"FunctionName": "worker", "InvokeRequestId": "a"})
    assert names(api) == "b"
    api.call("TerminateAsyncEvent", {"FunctionName": "worker", "InvokeRequestId": "b"})


def test_without_tracking_nothing_is_listed(platform: FakePlatform, api: Api) -> None:
    add(platform, platform.deploy("worker", async_run=True, trace=False), "a", 0)
    assert names(api) == ""
    assert api.call("GetAsyncEventStatus", {"InvokeRequestId": "a"})["Result"]["Status"] == "RUNNING"
