"""The actions on triggers: what they refuse, and what they tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_scf import ScfRuntime, api_errors

CODE = "def main_handler(event, context):\n    return event\n"
BUCKET = "shots-1259990001.cos.ap-guangzhou.myqcloud.com"
ALL = '{"event":"cos:ObjectCreated:*"}'

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(scf_runtime: ScfRuntime) -> Call:
    scf_runtime.deploy(CODE, name="one")
    scf_runtime.deploy(CODE, name="two")
    return lambda action, **params: scf_runtime.api.call(action, params)


def timer(call: Call, name: str = "t", **params: object) -> dict[str, Any]:
    defaults = {"FunctionName": "one", "TriggerName": name, "Type": "timer", "TriggerDesc": "0 0 1 * * * *"}
    return call("CreateTrigger", **{**defaults, **params})["TriggerInfo"]


def cos(call: Call, desc: str = ALL, **params: object) -> dict[str, Any]:
    defaults = {"FunctionName": "one", "TriggerName": BUCKET, "Type": "cos", "TriggerDesc": desc}
    return call("CreateTrigger", **{**defaults, **params})["TriggerInfo"]


def test_what_is_told_of_a_trigger(call: Call) -> None:
    made = timer(call, CustomArgument="a", Description="d", Enable="CLOSE")
    assert (made["Enable"], made["Type"], made["TriggerName"], made["Qualifier"]) == (0, "timer", "t", "$LATEST")
    assert (made["TriggerDesc"], made["CustomArgument"]) == ('{"cron":"0 0 1 * * * *"}', "a")
    assert (made["AvailableStatus"], made["Description"]) == ("Available", "d")
    assert made["AddTime"] == made["ModTime"]
    listed = call("ListTriggers", FunctionName="one")
    assert (listed["TotalCount"], listed["Triggers"]) == (1, [made])
    told = call("GetFunction", FunctionName="one")["Triggers"]
    assert call("GetFunction", FunctionName="one", ShowTriggers="FALSE")["Triggers"] == []
    assert told == [{name: value for name, value in made.items() if name != "BoundResources"}]


def test_the_list_has_an_order_pages_and_filters(call: Call, scf_runtime: ScfRuntime) -> None:
    for name in ("a", "b", "c"):
        timer(call, name, Description=f"of {name}")
        scf_runtime.clock.advance(seconds=2)
    call("UpdateTrigger", FunctionName="one", TriggerName="a", Type="timer", Description="new")

    def names(**params: object) -> list[str]:
        return [each["TriggerName"] for each in call("ListTriggers", FunctionName="one", **params)["Triggers"]]

    assert names() == ["a", "c", "b"]
    assert names(Order="ASC") == ["b", "c", "a"]
    assert names(OrderBy="add_time") == ["c", "b", "a"]
    assert names(Offset=1, Limit=1) == ["c"]
    assert names(Filters=[{"Name": "TriggerName", "Values": ["b", "c"]}]) == ["c", "b"]
    assert names(Filters=[{"Name": "Description", "Values": ["new"]}]) == ["a"]
    assert names(Filters=[{"Name": "Type", "Values": ["cos"]}]) == []
    assert names(Filters=[{"Name": "Qualifier", "Values": ["$LATEST"]}, {"Name": "TriggerName", "Values": ["b"]}]) == [
        "b"
    ]
    with pytest.raises(api_errors.InvalidParameterValueFilters):
        names(Filters=[{"Name": "Color", "Values": []}])


def test_a_bucket_has_a_trigger_for_each_kind_of_event(call: Call) -> None:
    cos(call, '{"event":"cos:ObjectCreated:*","filter":{"Prefix":"in/"}}')
    removed = '{"event":"cos:ObjectRemove:*"}'
    cos(call, removed)
    with pytest.raises(api_errors.ResourceInUseTrigger):
        cos(call, removed)
    with pytest.raises(api_errors.InvalidParameterValueCosNotifyRuleConflict, match=r"of function one\."):
        cos(call, '{"event":"cos:ObjectCreated:Put","filter":{"Prefix":"in/sub/"}}', FunctionName="two")
    cos(call, '{"event":"cos:ObjectCreated:Put","filter":{"Prefix":"other/"}}', FunctionName="two")
    asked = {"FunctionName": "one", "TriggerName": BUCKET, "Type": "cos"}
    call("UpdateTriggerStatus", **asked, TriggerDesc=removed, Enable="CLOSE")
    listed = call("ListTriggers", FunctionName="one")["Triggers"]
    assert {json.loads(each["TriggerDesc"])["event"]: each["Enable"] for each in listed} == {
        "cos:ObjectRemove:*": 0,
        "cos:ObjectCreated:*": 1,
    }
    with pytest.raises(api_errors.InvalidParameterValueTriggerDesc):
        call("DeleteTrigger", **asked)
    call("DeleteTrigger", **asked, TriggerDesc=removed)
    assert call("ListTriggers", FunctionName="one")["TotalCount"] == 1


def test_what_is_refused(call: Call) -> None:
    with pytest.raises(api_errors.ResourceNotFoundFunction):
        timer(call, FunctionName="none")
    with pytest.raises(api_errors.ResourceNotFoundQualifier):
        timer(call, Qualifier="7")
    with pytest.raises(api_errors.InvalidParameterValueType, match="one of timer, cos"):
        timer(call, Type="mps")
    with pytest.raises(api_errors.InvalidParameterValueTriggerName):
        timer(call, "no blanks")
    with pytest.raises(api_errors.InvalidParameterValueTriggerName):
        timer(call, "a" * 101)
    with pytest.raises(
        api_errors.InvalidParameterValueTriggerCronConfig, match="hour: '25' is not a number from 0"
    ) as refused:
        timer(call, TriggerDesc="0 0 25 * * * *")
    assert refused.value.__cause__ is None  # which would be shown, with frames of ours
    with pytest.raises(api_errors.InvalidParameterValueTriggerCronConfig):
        call("CreateTrigger", FunctionName="one", TriggerName="t", Type="timer")
    with pytest.raises(api_errors.InvalidParameterValue, match="CustomArgument"):
        timer(call, CustomArgument="é" * 2049)
    with pytest.raises(api_errors.InvalidParameterValue, match="CustomArgument"):
        cos(call, CustomArgument="x")
    with pytest.raises(api_errors.InvalidParameterValue, match="Enable"):
        timer(call, Enable="TRUE")
    timer(call)
    with pytest.raises(api_errors.ResourceInUseTrigger):
        timer(call, TriggerDesc="0 0 2 * * * *")
    for number in range(9):
        timer(call, f"t{number}")
    with pytest.raises(api_errors.LimitExceededTrigger):
        timer(call, "eleventh")
    cos(call)
    with pytest.raises(api_errors.UnsupportedOperationTrigger, match="and not cos"):
        call("UpdateTrigger", FunctionName="one", TriggerName=BUCKET, Type="cos", TriggerDesc=ALL)
    call("CreateTrigger", FunctionName="one", TriggerName="url", Type="http", TriggerDesc='{"AuthType":"NONE"}')
    with pytest.raises(api_errors.UnsupportedOperationTrigger):
        call("UpdateTriggerStatus", FunctionName="one", TriggerName="url", Type="http", Enable="CLOSE")
    with pytest.raises(api_errors.InvalidParameterValueTriggerCronConfig):
        call("UpdateTrigger", FunctionName="one", TriggerName="t", Type="timer", TriggerDesc="x")
    for action, more in (("UpdateTrigger", {}), ("UpdateTriggerStatus", {"Enable": "OPEN"}), ("DeleteTrigger", {})):
        with pytest.raises(api_errors.ResourceNotFoundTrigger, match="has no timer trigger none"):
            call(action, FunctionName="one", TriggerName="none", Type="timer", **more)
