"""The same actions over the real platform and a real process: that the two rooms fit together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_scf import api_errors
from pytest_scf.contract.api import Api
from pytest_scf.platform.functions import FunctionConfig
from pytest_scf.platform.platform import Platform
from pytest_scf.platform.settings import Settings

CODE = """
import time


def main_handler(event, context):
    print("é", event)
    if event == "raise":
        raise Exception("I failed!")
    while event == "stay":
        time.sleep(60)
    return {"event": event, "request_id": context["request_id"]}
"""


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Platform]:
    (tmp_path / "index.py").write_text(CODE)
    platform = Platform(Settings())
    try:
        for name, async_run in (("worker", True), ("plain", False)):
            platform.create_function(
                FunctionConfig(name=name, handler="index.main_handler", code_root=tmp_path, async_run=async_run)
            )
        yield platform
    finally:
        platform.close()


def test_synchronous(real: Platform) -> None:
    answer = Api(real).call("Invoke", {"FunctionName": "plain", "ClientContext": '{"job": "é"}', "LogType": "Tail"})
    result = answer["Result"]
    assert result["FunctionRequestId"] == answer["RequestId"]
    assert json.loads(result["RetMsg"]) == {"event": {"job": "é"}, "request_id": answer["RequestId"]}
    assert (result["ErrMsg"], result["InvokeResult"]) == ("", 0)
    assert result["Duration"] > 0
    assert result["BillDuration"] >= 1
    assert result["MemUsage"] > 0
    assert "é {'job': 'é'}\n" in result["Log"]
    assert f"END RequestId:{answer['RequestId']}" in result["Log"]
    assert isinstance(result["Duration"], float)
    assert isinstance(result["BillDuration"], int)


def test_failure(real: Platform) -> None:
    result = Api(real).call("InvokeFunction", {"FunctionName": "plain", "Event": '"raise"'})["Result"]
    assert result["InvokeResult"] == 1
    assert "I failed!" in result["ErrMsg"]
    assert result["Log"] == ""


def test_asynchronous(real: Platform) -> None:
    api = Api(real)
    answer = api.call("Invoke", {"FunctionName": "worker", "InvocationType": "Event", "ClientContext": '"stay"'})
    one = {"InvokeRequestId": answer["Result"]["FunctionRequestId"]}
    (shown,) = api.call("ListAsyncEvents", {"FunctionName": "worker"})["EventList"]
    assert (shown["Status"], shown["EndTime"]) == ("RUNNING", "")
    assert api.call("GetAsyncEventStatus", one)["Result"]["Status"] == "RUNNING"
    with pytest.raises(api_errors.UnsupportedOperationAsyncRunEnable):
        api.call("TerminateAsyncEvent", {"FunctionName": "plain", **one})
    assert set(api.call("TerminateAsyncEvent", {"FunctionName": "worker", **one})) == {"RequestId"}
    assert api.call("GetAsyncEventStatus", one)["Result"] == {"Status": "ABORTED", "StatusCode": 499, **one}
    with pytest.raises(api_errors.FailedOperationAsyncEventStatus):
        api.call("TerminateAsyncEvent", {"FunctionName": "worker", **one})
    (shown,) = api.call("ListAsyncEvents", {"FunctionName": "worker", "Status": ["ABORTED"]})["EventList"]
    assert shown["StartTime"] <= shown["EndTime"]


def test_asynchronous_call_of_a_function_without_asynchronous_execution(real: Platform) -> None:
    api = Api(real)
    answer = api.call("Invoke", {"FunctionName": "plain", "InvocationType": "Event"})
    request_id = answer["Result"]["FunctionRequestId"]
    assert real.wait_final(real.events.get(request_id), 60)
    assert api.call("ListAsyncEvents", {"FunctionName": "plain"})["TotalCount"] == 0
    with pytest.raises(api_errors.ResourceNotFoundAsyncEvent):
        api.call("GetAsyncEventStatus", {"InvokeRequestId": request_id})
