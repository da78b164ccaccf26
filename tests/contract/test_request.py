"""What is refused, with which code, and in which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_scf import api_errors
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.api import Api
from pytest_scf.errors import ApiError

F = {"FunctionName": "worker"}
E = {"InvokeRequestId": "1234"}
INTERVAL = {"Start": "2023-11-15 00:00:00", "End": "2023-11-16 00:00:00"}


@pytest.mark.parametrize(
    ("action", "params", "code", "field"),
    [
        # required
        ("Invoke", {}, "MissingParameter", "FunctionName"),
        ("Invoke", {"FunctionName": None}, "MissingParameter", "FunctionName"),
        ("InvokeFunction", {}, "MissingParameter", "FunctionName"),
        ("ListAsyncEvents", {}, "MissingParameter", "FunctionName"),
        ("GetAsyncEventStatus", {}, "MissingParameter", "InvokeRequestId"),
        ("TerminateAsyncEvent", F, "MissingParameter", "InvokeRequestId"),
        ("TerminateAsyncEvent", E, "MissingParameter", "FunctionName"),
        # unknown
        ("Invoke", {**F, "Event": "{}"}, "UnknownParameter", "Event"),
        ("InvokeFunction", {**F, "ClientContext": "{}"}, "UnknownParameter", "ClientContext"),
        ("InvokeFunction", {**F, "InvocationType": "Event"}, "UnknownParameter", "InvocationType"),
        ("GetAsyncEventStatus", {**E, "FunctionName": "worker"}, "UnknownParameter", "FunctionName"),
        ("ListAsyncEvents", {**F, "OrderBy": "StartTime"}, "UnknownParameter", "OrderBy"),
        (
            "ListAsyncEvents",
            {**F, "StartTimeInterval": {**INTERVAL, "X": 1}},
            "UnknownParameter",
            "StartTimeInterval.X",
        ),
        # type
        ("Invoke", {"FunctionName": 1}, "InvalidParameter", "FunctionName"),
        ("Invoke", {**F, "ClientContext": {"job": 7}}, "InvalidParameter", "ClientContext"),
        ("Invoke", {**F, "LogType": True}, "InvalidParameter", "LogType"),
        ("Invoke", {**F, "RoutingKey": {"k": "v"}}, "InvalidParameter", "RoutingKey"),
        ("InvokeFunction", {**F, "Event": 7}, "InvalidParameter", "Event"),
        ("TerminateAsyncEvent", {**F, **E, "GraceShutdown": "true"}, "InvalidParameter", "GraceShutdown"),
        ("TerminateAsyncEvent", {**F, **E, "GraceShutdown": 1}, "InvalidParameter", "GraceShutdown"),
        ("ListAsyncEvents", {**F, "Limit": "20"}, "InvalidParameter", "Limit"),
        ("ListAsyncEvents", {**F, "Limit": True}, "InvalidParameter", "Limit"),
        ("ListAsyncEvents", {**F, "Offset": 1.0}, "InvalidParameter", "Offset"),
        ("ListAsyncEvents", {**F, "Status": "RUNNING"}, "InvalidParameter", "Status"),
        ("ListAsyncEvents", {**F, "Status": [1]}, "InvalidParameter", "Status.0"),
        ("ListAsyncEvents", {**F, "Status": [None]}, "InvalidParameter", "Status.0"),
        ("ListAsyncEvents", {**F, "StartTimeInterval": "today"}, "InvalidParameter", "StartTimeInterval"),
        ("ListAsyncEvents", {**F, "EndTimeInterval": {"Start": 0}}, "InvalidParameter", "EndTimeInterval.Start"),
        # value
        ("Invoke", {"FunctionName": ""}, "InvalidParameterValue.FunctionName", "FunctionName"),
        ("Invoke", {**F, "Namespace": ""}, "InvalidParameterValue.Namespace", "Namespace"),
        ("Invoke", {**F, "Qualifier": ""}, "InvalidParameterValue.Qualifier", "Qualifier"),
        ("Invoke", {**F, "InvocationType": "event"}, "InvalidParameterValue", "InvocationType"),
        ("Invoke", {**F, "LogType": "all"}, "InvalidParameterValue", "LogType"),
        ("Invoke", {**F, "RoutingKey": "k=v"}, "InvalidParameterValue.Param", "RoutingKey"),
        ("Invoke", {**F, "RoutingKey": '["k"]'}, "InvalidParameterValue.Param", "RoutingKey"),
        ("Invoke", {**F, "RoutingKey": '{"k":1}'}, "InvalidParameterValue.Param", "RoutingKey"),
        ("Invoke", {**F, "RoutingKey": '{"k":"' + "v" * 1020 + '"}'}, "InvalidParameterValue", "RoutingKey"),
        ("Invoke", {**F, "ClientContext": "{job: 7}"}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("Invoke", {**F, "ClientContext": ""}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("Invoke", {**F, "ClientContext": "NaN"}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("Invoke", {**F, "ClientContext": "{} {}"}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("Invoke", {**F, "ClientContext": '"\ud800"'}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("Invoke", {**F, "ClientContext": "[" * 100_000}, "InvalidParameterValue.ClientContext", "ClientContext"),
        ("InvokeFunction", {**F, "Event": "END"}, "InvalidParameter.Payload", "Event"),
        ("ListAsyncEvents", {**F, "Limit": 0}, "InvalidParameterValue.Limit", "Limit"),
        ("ListAsyncEvents", {**F, "Limit": 101}, "InvalidParameterValue.Limit", "Limit"),
        ("ListAsyncEvents", {**F, "Offset": -1}, "InvalidParameterValue.Offset", "Offset"),
        ("ListAsyncEvents", {**F, "Order": "asc"}, "InvalidParameterValue.Order", "Order"),
        ("ListAsyncEvents", {**F, "Orderby": "Status"}, "InvalidParameterValue.OrderBy", "Orderby"),
        ("ListAsyncEvents", {**F, "Status": ["RUNNING", "DONE"]}, "InvalidParameterValue.Status", "Status.1"),
        ("ListAsyncEvents", {**F, "InvokeType": ["HTTP"]}, "InvalidParameterValue.InvokeType", "InvokeType.0"),
        (
            "ListAsyncEvents",
            {**F, "StartTimeInterval": {**INTERVAL, "Start": "2023-11-15"}},
            "InvalidParameterValue.DateTime",
            "StartTimeInterval.Start",
        ),
        (
            "ListAsyncEvents",
            {**F, "StartTimeInterval": {**INTERVAL, "Start": "2023-13-15 00:00:00"}},
            "InvalidParameterValue.DateTime",
            "StartTimeInterval.Start",
        ),
        (
            "ListAsyncEvents",
            {**F, "EndTimeInterval": {"Start": INTERVAL["Start"]}},
            "InvalidParameterValue.StartTimeOrEndTime",
            "EndTimeInterval.End",
        ),
        (
            "ListAsyncEvents",
            {**F, "EndTimeInterval": {"Start": INTERVAL["End"], "End": INTERVAL["Start"]}},
            "InvalidParameterValue.StartTimeOrEndTime",
            "EndTimeInterval.Start",
        ),
    ],
)
@pytest.mark.usefixtures("worker")
def test_refused(api: Api, action: str, params: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(ApiError) as caught:
        api.call(action, params)
    error = caught.value
    assert isinstance(error, api_errors.ParameterError)
    assert (error.code, error.field) == (code, field)
    assert f"`{field}`" in error.message
    assert error.action == action
    assert error.request_id


@pytest.mark.parametrize(
    ("action", "params", "words"),
    [
        ("ListAsyncEvents", {**F, "Limit": 101}, ["101", "from 1 to 100"]),
        ("ListAsyncEvents", {**F, "Offset": -1}, ["-1", "from 0 up"]),
        ("ListAsyncEvents", {**F, "Order": "asc"}, ["'asc'", "one of ASC, DESC"]),
        ("ListAsyncEvents", {**F, "Limit": "20"}, ["'20'", "str", "an integer"]),
        ("ListAsyncEvents", {**F, "OrderBy": "StartTime"}, ["did you mean `Orderby`?"]),
        ("ListAsyncEvents", {**F, "StartTimeInterval": {"start": ""}}, ["did you mean `StartTimeInterval.Start`?"]),
        ("GetAsyncEventStatus", {**E, "Zone": 1}, ["`Zone`", "known here: InvokeRequestId"]),
        ("Invoke", {**F, "ClientContext": "{job: 7}"}, ["'{job: 7}'", "JSON", "Expecting property name"]),
    ],
)
def test_words(api: Api, action: str, params: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ApiError) as caught:
        api.call(action, params)
    assert [word for word in words if word not in caught.value.message] == []


def test_event_that_is_not_json_has_status_code_400(api: Api) -> None:
    for action, field in (("Invoke", "ClientContext"), ("InvokeFunction", "Event")):
        with pytest.raises(ApiError) as caught:
            api.call(action, {**F, field: "{"})
        assert caught.value.status_code == 400


MB = 1024 * 1024


@pytest.mark.parametrize(
    ("action", "field", "more", "most"),
    [
        ("Invoke", "ClientContext", {}, 6 * MB),
        ("Invoke", "ClientContext", {"InvocationType": "RequestResponse"}, 6 * MB),
        ("Invoke", "ClientContext", {"InvocationType": "Event"}, 128 * 1024),
        ("InvokeFunction", "Event", {}, 6 * MB),
    ],
)
@pytest.mark.usefixtures("worker")
def test_largest_event(api: Api, action: str, field: str, more: dict[str, str], most: int) -> None:
    # Two bytes to the character: what counts is bytes.
    largest = '"' + "é" * ((most - 2) // 2) + '"'
    assert api.call(action, {**F, **more, field: largest})
    with pytest.raises(api_errors.InvalidParameterRequestTooLarge) as caught:
        api.call(action, {**F, **more, field: largest + " "})
    assert caught.value.status_code == 406
    assert f"`{field}`" in caught.value.message
    assert f"{most + 1} bytes, and at most {most}" in caught.value.message


@pytest.mark.parametrize("wrap", [dict, json.dumps, lambda params: json.dumps(params).encode()])
@pytest.mark.usefixtures("worker")
def test_one_request_from_mapping_text_and_bytes(api: Api, wrap: Any) -> None:
    params = {**F, "Status": ["RUNNING"], "StartTimeInterval": INTERVAL, "Qualifier": None}
    answer = api.call("ListAsyncEvents", wrap(params))
    assert answer == {"TotalCount": 0, "EventList": [], "RequestId": answer["RequestId"]}


@pytest.mark.parametrize("body", ["{", b"\xff\xfe\xff", "[" * 100_000, "[]", "7", b"null", '"text"', "1" * 5000])
def test_body_that_is_no_object(api: Api, body: str | bytes) -> None:
    with pytest.raises(api_errors.InvalidParameter) as caught:
        api.call("GetAsyncEventStatus", body)
    assert caught.value.code == "InvalidParameter"
    assert "body of the request" in caught.value.message


@pytest.mark.parametrize("body", [None, "", b"", {}])
def test_nothing_sent(api: Api, body: Any) -> None:
    with pytest.raises(api_errors.MissingParameter):
        api.call("GetAsyncEventStatus", body)


@pytest.mark.parametrize("name", ["terminateAsyncEvent", "Terminate", "", "__class__"])
def test_unknown_action(api: Api, name: str) -> None:
    with pytest.raises(api_errors.InvalidAction) as caught:
        api.call(name, {})
    assert all(action in caught.value.message for action in ACTIONS)
    assert caught.value.request_id


def test_a_request_cannot_be_changed() -> None:
    request = ACTIONS["Invoke"].reader.read(F)
    with pytest.raises(AttributeError):
        request.FunctionName = "other"
