"""GetRequestStatus and GetFunctionLogs."""

from __future__ import annotations

from typing import Any

import pytest
from fakes import HOUR, START, FakePlatform, end

from pytest_scf import api_errors
from pytest_scf.contract.api import Api
from pytest_scf.errors import ApiError
from pytest_scf.platform.event_store import REMEMBERED
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.records import Invocation

MINUTE = 60


def ended(
    platform: FakePlatform,
    function: FunctionRecord,
    name: str,
    start: float,
    code: int = 200,
    *,
    duration: float = 1.5,
    memory: int = 4096,
    **attributes: Any,
) -> Invocation:
    event = platform.add(function, name, start_time=START + start, **{"asynchronous": False, **attributes})
    end(platform, event, {200: "FINISHED", 499: "ABORTED"}.get(code, "FAILED"), code, START + start + duration / 1000)
    event.attempt.answer(f'"{name}"')
    event.attempt.measure(duration / 1000, memory // 1024)
    return event


# GetRequestStatus --------------------------------------------------------------------------------------------------


def test_status_of_a_request(api: Api, platform: FakePlatform, plain: FunctionRecord) -> None:
    ended(platform, plain, "1234", 0.75, duration=2.25, memory=3 * 512 * 1024)
    platform.clock.time = START + 10
    answer = api.call("GetRequestStatus", {"FunctionName": "plain", "FunctionRequestId": "1234"})
    assert set(answer) == {"TotalCount", "Data", "RequestId"}
    assert answer["TotalCount"] == 1
    assert answer["Data"] == [
        {
            "FunctionName": "plain",
            "RetMsg": '"1234"',
            "RequestId": "1234",
            "StartTime": "2023-11-15 06:13:20",
            "RetCode": 0,
            "Duration": 2.25,
            "MemUsage": 1.5,
            "RetryNum": 0,
        }
    ]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_return_codes_of_requests(api: Api, platform: FakePlatform, worker: FunctionRecord, asynchronous: bool) -> None:
    platform.add(worker, "runs", asynchronous=asynchronous)
    for name, code in [("ended", 200), ("failed", 430), ("terminated", 499)]:
        ended(platform, worker, name, 0, code, asynchronous=asynchronous)
    platform.clock.time = START + 1
    for name, code in [("runs", 1), ("ended", 0), ("failed", -1), ("terminated", -1)]:
        (found,) = api.call("GetRequestStatus", {"FunctionName": "worker", "FunctionRequestId": name})["Data"]
        assert (found["RequestId"], found["RetCode"]) == (name, code)
        assert found["RetMsg"] == ("" if code == 1 else f'"{name}"')


@pytest.mark.usefixtures("worker")
def test_a_request_that_is_unknown_or_anothers_is_none(api: Api, platform: FakePlatform, plain: FunctionRecord) -> None:
    ended(platform, plain, "1234", 0)
    platform.clock.time = START + 1
    for request_id in ("1234", "unknown"):
        answer = api.call("GetRequestStatus", {"FunctionName": "worker", "FunctionRequestId": request_id})
        assert (answer["TotalCount"], answer["Data"]) == (0, [])
    with pytest.raises(api_errors.ResourceNotFoundFunction):
        api.call("GetRequestStatus", {"FunctionName": "nobody", "FunctionRequestId": "1234"})
    with pytest.raises(api_errors.ResourceNotFoundNamespace):
        api.call("GetRequestStatus", {"FunctionName": "plain", "FunctionRequestId": "1234", "Namespace": "other"})


@pytest.mark.parametrize(
    ("age", "params", "found"),
    [
        (15 * MINUTE, {}, 1),
        (15 * MINUTE + 1, {}, 0),
        (3 * HOUR, {"StartTime": "2023-11-15 06:13:20", "EndTime": "2023-11-15 06:13:21"}, 1),
        (3 * HOUR, {"StartTime": "2023-11-15 06:13:21", "EndTime": "2023-11-15 06:13:22"}, 0),
        (3 * HOUR, {"StartTime": "2023-11-15 06:00:00", "EndTime": "2023-11-15 06:13:20"}, 1),
        (10 * MINUTE, {"EndTime": "2023-11-15 06:13:20"}, 1),
        (10 * MINUTE, {"EndTime": "2023-11-15 06:13:19"}, 0),
    ],
)
def test_requests_within_a_time(
    api: Api, platform: FakePlatform, plain: FunctionRecord, age: float, params: dict[str, str], found: int
) -> None:
    """By default those of the last 15 minutes."""
    ended(platform, plain, "1234", 0)
    platform.clock.time = START + age
    answer = api.call("GetRequestStatus", {"FunctionName": "plain", "FunctionRequestId": "1234", **params})
    assert answer["TotalCount"] == len(answer["Data"]) == found


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"StartTime": "2023-11-15 06:13:20"}, api_errors.InvalidParameterValueStartTimeOrEndTime),
        (
            {"StartTime": "2023-11-15 06:13:20", "EndTime": "2023-11-15 06:13:20"},
            api_errors.InvalidParameterValueStartTimeOrEndTime,
        ),
        ({"EndTime": "2023-11-14 06:13:20"}, api_errors.InvalidParameterValueStartTimeOrEndTime),
        ({"EndTime": "2023-11-14T06:13:20Z"}, api_errors.InvalidParameterValueDateTime),
        ({"StartTime": 1}, api_errors.InvalidParameter),
        ({"FunctionRequestId": ""}, api_errors.InvalidParameterValueFunctionRequestId),
        ({"FunctionRequestId": None}, api_errors.MissingParameter),
    ],
)
@pytest.mark.usefixtures("plain")
def test_status_refused(api: Api, params: dict[str, Any], error: type[api_errors.ParameterError]) -> None:
    with pytest.raises(error) as caught:
        api.call("GetRequestStatus", {"FunctionName": "plain", "FunctionRequestId": "1234", **params})
    assert type(caught.value) is error
    assert any(name in caught.value.message for name in params)


# GetFunctionLogs ---------------------------------------------------------------------------------------------------


def names(api: Api, **params: Any) -> str:
    answer = api.call("GetFunctionLogs", params)
    if "Offset" not in params and "Limit" not in params:
        assert answer["TotalCount"] == len(answer["Data"])
    return "".join(log["RequestId"] for log in answer["Data"])


@pytest.fixture
def logs(platform: FakePlatform, worker: FunctionRecord, plain: FunctionRecord) -> None:
    ended(platform, worker, "a", 0, duration=7, memory=10 * 1024)
    ended(platform, worker, "b", 1, 430, duration=3, memory=40 * 1024)
    platform.add(worker, "c", start_time=START + 2)
    ended(platform, worker, "d", 3, 499, duration=9, memory=20 * 1024, asynchronous=True)
    ended(platform, worker, "e", 4, 433, duration=8, memory=30 * 1024)
    ended(platform, plain, "x", 2.5, 434, duration=1, memory=50 * 1024)
    platform.deploy("plain", namespace="elsewhere")
    ended(platform, platform.functions.get("elsewhere", "plain"), "y", 1)
    platform.clock.time = START + 10


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, "edcba"),
        ({"Order": "asc"}, "abcde"),
        ({"OrderBy": "start_time", "Order": "desc"}, "edcba"),
        ({"OrderBy": "duration", "Order": "asc"}, "cbaed"),
        ({"OrderBy": "duration"}, "deabc"),
        ({"OrderBy": "mem_usage", "Order": "asc"}, "cadeb"),
        ({"OrderBy": "function_name", "FunctionName": None, "Order": "asc"}, "xabcde"),
        ({"FunctionName": None}, "edxcba"),
        ({"FunctionName": "plain"}, "x"),
        ({"FunctionName": "plain", "Namespace": "elsewhere"}, "y"),
        ({"FunctionName": None, "Namespace": "elsewhere"}, "y"),
        ({"Offset": 1, "Limit": 2}, "dc"),
        ({"Offset": 4}, "a"),
        ({"Offset": 5}, ""),
        ({"Filter": {"RetCode": "is0"}}, "a"),
        ({"Filter": {"RetCode": "not0"}}, "edb"),
        ({"Filter": {"RetCode": "TimeLimitExceeded"}}, "e"),
        ({"Filter": {"RetCode": "UserCodeException"}}, "b"),
        ({"FunctionName": None, "Filter": {"RetCode": "ResourceLimitExceeded"}}, "x"),
        ({"Filter": {}}, "edcba"),
        ({"Qualifier": "$LATEST"}, "edcba"),
        ({"FunctionRequestId": "d"}, "d"),
        ({"FunctionRequestId": "x"}, ""),
        ({"FunctionRequestId": "unknown"}, ""),
        ({"StartTime": "2023-11-15 06:13:21", "EndTime": "2023-11-15 06:13:23"}, "dcb"),
        ({"StartTime": "2023-11-15 06:13:22"}, "edc"),
        ({"EndTime": "2023-11-15 06:13:22"}, "cba"),
        ({"StartTime": "2023-11-14 06:13:20", "EndTime": "2023-11-15 06:13:20"}, "a"),
        ({"SearchContext": {"Offset": "", "Limit": 0, "Keyword": "", "Type": ""}}, "edcba"),
    ],
)
@pytest.mark.usefixtures("logs")
def test_logs_found(api: Api, params: dict[str, Any], found: str) -> None:
    assert names(api, **{"FunctionName": "worker", **params}) == found


@pytest.mark.usefixtures("logs")
def test_the_logs_of_the_last_day_are_shown(api: Api, platform: FakePlatform) -> None:
    platform.clock.time = START + 24 * HOUR + 2
    assert names(api, FunctionName="worker") == "edc"


def test_a_log_as_a_whole(api: Api, platform: FakePlatform, plain: FunctionRecord) -> None:
    event = ended(platform, plain, "1234", 0.75, duration=101.5)
    event.attempt.log.write(b"hello\n", START + 0.8)
    platform.clock.time = START + 10
    answer = api.call("GetFunctionLogs", {"FunctionName": "plain"})
    assert set(answer) == {"TotalCount", "Data", "SearchContext", "RequestId"}
    assert answer["Data"] == [
        {
            "FunctionName": "plain",
            "RetMsg": '"1234"',
            "RequestId": "1234",
            "StartTime": "2023-11-15 06:13:20",
            "RetCode": 0,
            "InvokeFinished": 1,
            "Duration": 101.5,
            "BillDuration": 200,
            "MemUsage": 4096,
            "Log": event.attempt.log.text(),
            "Level": "",
            "Source": "",
            "RetryNum": 0,
        }
    ]
    assert "hello\n" in answer["Data"][0]["Log"]
    assert "END RequestId:1234" in answer["Data"][0]["Log"]


@pytest.mark.usefixtures("logs")
def test_return_codes_of_logs(api: Api) -> None:
    data = api.call("GetFunctionLogs", {"FunctionName": "worker", "Order": "asc"})["Data"]
    assert [(each["RetCode"], each["InvokeFinished"]) for each in data] == [(0, 1), (430, 1), (2, 0), (3, 1), (433, 1)]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"FunctionName": "nobody"}, api_errors.ResourceNotFoundFunction),
        ({"FunctionName": "worker", "Qualifier": "7"}, api_errors.ResourceNotFoundQualifier),
        ({"Offset": 9_990, "Limit": 11}, api_errors.InvalidParameterValueLimit),
        ({"Limit": 0}, api_errors.InvalidParameterValueLimit),
        ({"Offset": -1}, api_errors.InvalidParameterValueOffset),
        ({"Order": "up"}, api_errors.InvalidParameterValueOrder),
        ({"OrderBy": "name"}, api_errors.InvalidParameterValueOrderBy),
        ({"Filter": {"RetCode": "is1"}}, api_errors.InvalidParameterValue),
        ({"Filter": {"retCode": "is0"}}, api_errors.UnknownParameter),
        ({"StartTime": "2023-11-15"}, api_errors.InvalidParameterValueDateTime),
        (
            {"StartTime": "2023-11-15 00:00:00", "EndTime": "2023-11-16 00:00:01"},
            api_errors.InvalidParameterValueStartTimeOrEndTime,
        ),
        (
            {"StartTime": "2023-11-15 00:00:01", "EndTime": "2023-11-15 00:00:00"},
            api_errors.InvalidParameterValueStartTimeOrEndTime,
        ),
    ],
)
@pytest.mark.usefixtures("worker")
def test_logs_refused(api: Api, params: dict[str, Any], error: type[ApiError]) -> None:
    with pytest.raises(error) as caught:
        api.call("GetFunctionLogs", params)
    assert type(caught.value) is error


def test_offset_and_limit_reach_10000(api: Api) -> None:
    assert names(api, Offset=9_990, Limit=10) == ""


def test_what_is_running_is_remembered_however_many_end(
    api: Api, platform: FakePlatform, plain: FunctionRecord
) -> None:
    running = platform.add(plain, "runs", asynchronous=False)
    for number in range(2 * REMEMBERED):
        ended(platform, plain, str(number), number / 1000)
    platform.clock.time = START + 10
    assert platform.events.running() == [running]
    assert platform.events.find("0") is None
    found = api.call("GetFunctionLogs", {"FunctionName": "plain", "Order": "asc", "Limit": 1})
    assert found["Data"][0]["RequestId"] == "runs"
    assert REMEMBERED <= found["TotalCount"] <= REMEMBERED + 1
