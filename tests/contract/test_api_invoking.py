from __future__ import annotations

import json
import re
from typing import Any, cast

import pytest
from fakes import START, FakePlatform, fail, finish

from pytest_scf import api_errors
from pytest_scf.contract.api import Api
from pytest_scf.errors import ApiError, IsolationUnavailable
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.records import Invocation

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.mark.parametrize(("action", "field"), [("Invoke", "ClientContext"), ("InvokeFunction", "Event")])
@pytest.mark.parametrize("name", ["worker", "plain"])
@pytest.mark.usefixtures("worker", "plain")
def test_synchronous(api: Api, platform: FakePlatform, action: str, field: str, name: str) -> None:
    answer = api.call(action, {"FunctionName": name, field: '{"job": "é"}'})
    request_id = answer["RequestId"]
    assert answer == {
        "Result": {
            "Log": "",
            "RetMsg": '"END"',
            "ErrMsg": "",
            "MemUsage": 4096,
            "Duration": 1.5,
            "BillDuration": 2,
            "FunctionRequestId": request_id,
            "InvokeResult": 0,
        },
        "RequestId": request_id,
    }
    event = platform.events.get(request_id)
    assert platform.payloads[request_id] == '{"job": "é"}'.encode()
    assert (event.asynchronous, event.qualifier, event.invoke_type) == (False, "$LATEST", "OTHERS")
    json.dumps(answer)


@pytest.mark.usefixtures("plain")
def test_what_is_not_sent_has_its_default(api: Api, platform: FakePlatform) -> None:
    answer = api.call("Invoke", {"FunctionName": "plain"})
    assert platform.payloads[answer["RequestId"]] == b"{}"


@pytest.mark.parametrize("action", ["Invoke", "InvokeFunction"])
@pytest.mark.usefixtures("plain")
def test_log(api: Api, platform: FakePlatform, action: str) -> None:
    def speak(event: Invocation) -> None:
        event.attempt.log.write("é".encode() * 3000 + b"\n", START)
        finish(event)

    platform.outcome = speak
    result = api.call(action, {"FunctionName": "plain"})["Result"]
    assert result["Log"] == ""
    assert api.call(action, {"FunctionName": "plain", "LogType": "None"})["Result"]["Log"] == ""
    log = api.call(action, {"FunctionName": "plain", "LogType": "Tail"})["Result"]["Log"]
    # The cut may fall within a character, which is then left out.
    assert 4095 <= len(log.encode()) <= 4096
    assert log.startswith("é")
    assert "Report RequestId:" in log


@pytest.mark.usefixtures("plain")
def test_failure_is_a_result_with_its_status_code(api: Api, platform: FakePlatform) -> None:
    platform.outcome = fail
    result = api.call("Invoke", {"FunctionName": "plain"})["Result"]
    assert result["InvokeResult"] == 1
    assert json.loads(result["ErrMsg"])["statusCode"] == 430
    assert result["RetMsg"] == result["ErrMsg"]


@pytest.mark.parametrize(("name", "is_event"), [("worker", True), ("plain", False)])
@pytest.mark.usefixtures("worker", "plain")
def test_asynchronous_call_fills_the_id_only(api: Api, platform: FakePlatform, name: str, is_event: bool) -> None:
    params = {"FunctionName": name, "InvocationType": "Event", "LogType": "Tail", "ClientContext": "[1]"}
    answer = api.call("Invoke", params)
    request_id = answer["RequestId"]
    assert answer["Result"] == {
        "Log": "",
        "RetMsg": "",
        "ErrMsg": "",
        "MemUsage": 0,
        "Duration": 0,
        "BillDuration": 0,
        "FunctionRequestId": request_id,
        "InvokeResult": 0,
    }
    event = platform.events.get(request_id)
    assert (event.status, platform.payloads[request_id], event.asynchronous) == ("RUNNING", b"[1]", is_event)


@pytest.mark.parametrize(
    ("params", "code", "status_code"),
    [
        ({"FunctionName": "nobody"}, "ResourceNotFound.Function", 435),
        ({"FunctionName": "plain", "Namespace": "other"}, "ResourceNotFound.Namespace", None),
        ({"FunctionName": "plain", "Qualifier": "7"}, "ResourceNotFound.Qualifier", 442),
    ],
)
@pytest.mark.parametrize("more", [{}, {"InvocationType": "Event"}])
@pytest.mark.usefixtures("plain")
def test_no_such_function(
    api: Api, platform: FakePlatform, params: dict[str, str], code: str, status_code: int | None, more: dict[str, str]
) -> None:
    with pytest.raises(ApiError) as caught:
        api.call("Invoke", {**params, **more})
    assert (caught.value.code, caught.value.status_code) == (code, status_code)
    assert not platform.events.all()


@pytest.mark.usefixtures("plain")
def test_routing_key_is_accepted(api: Api) -> None:
    key = '{"k":"' + "v" * 1016 + '"}'
    assert len(key) == 1024
    assert api.call("Invoke", {"FunctionName": "plain", "RoutingKey": key})["Result"]["InvokeResult"] == 0


# What goes wrong below ---------------------------------------------------------------------------------------------


def test_errors_of_the_platform_get_request_id_and_action(api: Api) -> None:
    with pytest.raises(api_errors.ResourceNotFoundFunction) as caught:
        api.call("Invoke", {"FunctionName": "nobody"})
    assert caught.value.action == "Invoke"
    assert UUID4.fullmatch(caught.value.request_id or "")
    assert str(caught.value).startswith(f"RequestId {caught.value.request_id}: Invoke: ResourceNotFound.Function: ")


@pytest.mark.usefixtures("plain")
def test_the_unexpected_is_an_internal_error_with_its_cause(api: Api, platform: FakePlatform) -> None:
    def burn(event: Invocation) -> None:
        raise OSError("disk on fire")

    platform.outcome = burn
    with pytest.raises(api_errors.InternalError) as caught:
        api.call("Invoke", {"FunctionName": "plain"})
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.message == "OSError: disk on fire"
    assert (caught.value.action, bool(caught.value.request_id)) == ("Invoke", True)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.usefixtures("plain")
def test_what_ends_the_test_run_passes(api: Api, platform: FakePlatform, kind: type[BaseException]) -> None:
    def interrupt(event: Invocation) -> None:
        raise kind

    platform.outcome = interrupt
    with pytest.raises(kind):
        api.call("Invoke", {"FunctionName": "plain"})


@pytest.mark.usefixtures("plain")
def test_what_pytest_scf_has_to_say_itself_passes(api: Api, platform: FakePlatform) -> None:
    def refuse(event: Invocation) -> None:
        raise IsolationUnavailable("namespaces", "refused")

    platform.outcome = refuse
    with pytest.raises(IsolationUnavailable):
        api.call("Invoke", {"FunctionName": "plain"})


def test_each_answer_has_its_own_request_id(api: Api, worker: FunctionRecord) -> None:
    params: dict[str, Any] = {"FunctionName": worker.config.name}
    first, second = (api.call("ListAsyncEvents", params)["RequestId"] for _ in range(2))
    assert cast(str, first) != second
