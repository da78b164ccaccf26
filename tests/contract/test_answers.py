"""What is answered against the vendor's model: the type of each field, and null only where the model allows it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import FakePlatform, finish

from pytest_scf import ScfRuntime, UsageError, api_errors
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.api import Api
from pytest_scf.platform.settings import Settings

sdk = pytest.importorskip("tencentcloud.scf.v20180416.models")

_FIELD = re.compile(r":param _(\w+): (.*?)\n\s*:type \1: ([^\n]+)", re.DOTALL)
_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def documented(name: str) -> Iterator[tuple[str, str, bool]]:
    """The fields of one of the SDK's classes: name, type, and whether it may be null."""
    doc = inspect.getdoc(getattr(sdk, name).__init__) or ""
    for field, text, kind in _FIELD.findall(doc):
        yield field, re.sub(r":class:`[\w.]*\.(\w+)`", r"\1", kind.strip()), "null" in text


def problems(name: str, answer: dict[str, Any], path: str) -> Iterator[str]:
    for field, kind, may_be_null in documented(name):
        yield from problems_of(kind, answer[field], may_be_null, f"{path}.{field}")


def problems_of(kind: str, value: Any, may_be_null: bool, path: str) -> Iterator[str]:
    if value is None:
        if not may_be_null:
            yield f"{path} is null"
    elif kind.startswith("list of "):
        if not isinstance(value, list):
            yield f"{path} is {value!r}, no list"
            return
        for index, item in enumerate(value):
            yield from problems_of(kind.removeprefix("list of "), item, False, f"{path}.{index}")
    elif kind in _SCALARS:
        if not isinstance(value, _SCALARS[kind]) or (isinstance(value, bool) and kind != "bool"):
            yield f"{path} is {value!r}, no {kind}"
    elif isinstance(value, dict):
        yield from problems(kind, value, path)
    else:
        yield f"{path} is {value!r}, no {kind}"


FUNCTION = {"FunctionName": "worker"}
EVERYTHING: dict[str, Any] = {
    "VpcConfig": {"VpcId": "vpc-1", "SubnetId": "subnet-1"},
    "Role": "SCF_Role",
    "ClsLogsetId": "set",
    "ClsTopicId": "topic",
    "DeadLetterConfig": {"Type": "CMQ-QUEUE", "Name": "dead", "FilterType": ""},
    "PublicNetConfig": {"PublicNetStatus": "ENABLE", "EipConfig": {"EipStatus": "DISABLE"}},
    "Tags": [{"Key": "team", "Value": "a"}],
    "DnsCache": "TRUE",
    "IntranetConfig": {"IpFixed": "ENABLE"},
    "L5Enable": "TRUE",
    "Environment": {"Variables": [{"Key": "A", "Value": "1"}]},
}


@pytest.fixture
def call(api: Api, platform: FakePlatform) -> Callable[..., dict[str, Any]]:
    platform.outcome = finish
    return lambda action, **params: api.call(action, params)


@pytest.mark.parametrize("config", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_every_answer_is_as_the_model_has_it(
    call: Callable[..., dict[str, Any]], config: dict[str, Any], tmp_path: Path
) -> None:
    code = {"LocalPath": str(tmp_path)}
    answers: list[tuple[str, dict[str, Any]]] = []

    def ask(action: str, **params: Any) -> dict[str, Any]:
        answers.append((action, call(action, **params)))
        return answers[-1][1]

    ask("CreateNamespace", Namespace="other")
    ask("UpdateNamespace", Namespace="other", Description="x")
    ask("ListNamespaces")
    layer = {"LayerName": "libs", "LayerVersion": 1}
    tags = {"Tags": EVERYTHING["Tags"]} if config else {}
    ask("PublishLayerVersion", LayerName="libs", CompatibleRuntimes=["Python3.10"], Content=code, **tags)
    ask("GetLayerVersion", **layer)
    ask("ListLayers")
    ask("ListLayerVersions", LayerName="libs")
    layers = {"Layers": [layer]} if config else {}
    ask("CreateFunction", **FUNCTION, Code=code, AsyncRunEnable="TRUE", TraceEnable="TRUE", **layers, **config)
    ask("DeleteLayerVersion", **layer)
    ask("GetFunction", **FUNCTION)
    ask("ListFunctions")
    ask("PublishVersion", **FUNCTION)
    ask("ListVersionByFunction", **FUNCTION)
    routing = {"AdditionalVersionWeights": [{"Version": "$LATEST", "Weight": 0.5}]}
    match = {"Version": "1", "Key": "k", "Method": "exact", "Expression": "v"}
    ask("CreateAlias", **FUNCTION, Name="live", FunctionVersion="1", RoutingConfig=routing)
    ask("UpdateAlias", **FUNCTION, Name="live", FunctionVersion="1", RoutingConfig={"AddtionVersionMatchs": [match]})
    ask("GetAlias", **FUNCTION, Name="live")
    ask("ListAliases", **FUNCTION)
    ask("DeleteAlias", **FUNCTION, Name="live")
    ask("GetFunctionEventInvokeConfig", **FUNCTION)
    ask("UpdateFunctionEventInvokeConfig", **FUNCTION, AsyncTriggerConfig={"MsgTTL": 60})
    ask("GetReservedConcurrencyConfig", **FUNCTION)
    ask("PutReservedConcurrencyConfig", **FUNCTION, ReservedConcurrencyMem=128)
    ask("GetReservedConcurrencyConfig", **FUNCTION)
    ask("DeleteReservedConcurrencyConfig", **FUNCTION)
    version = {**FUNCTION, "Qualifier": "1"}
    action = {"TriggerName": "a", "TriggerProvisionedConcurrencyNum": 2, "TriggerCronConfig": "0 0 6 * * * *"}
    ask("PutProvisionedConcurrencyConfig", **version, VersionProvisionedConcurrencyNum=1, TriggerActions=[action])
    ask("GetProvisionedConcurrencyConfig", **FUNCTION)
    ask("DeleteProvisionedConcurrencyConfig", **version)
    ask("UpdateFunctionConfiguration", **FUNCTION, Timeout=5)
    ask("UpdateFunctionCode", **FUNCTION, Code=code)
    event = ask("Invoke", **FUNCTION, InvocationType="Event")["Result"]["FunctionRequestId"]
    ask("Invoke", **FUNCTION, LogType="tail")
    ask("InvokeFunction", **FUNCTION)
    ask("ListAsyncEvents", **FUNCTION)
    ask("GetAsyncEventStatus", InvokeRequestId=event)
    ask("TerminateAsyncEvent", **FUNCTION, InvokeRequestId=event)
    ask("GetRequestStatus", **FUNCTION, FunctionRequestId=event)
    ask("GetFunctionLogs", **FUNCTION)
    trigger = {**FUNCTION, "TriggerName": "tick", "Type": "timer"}
    ask("CreateTrigger", **trigger, TriggerDesc="0 0 0 * * * *", Enable="CLOSE")
    ask("GetFunction", **FUNCTION)
    ask("ListTriggers", **FUNCTION)
    ask("UpdateTrigger", **trigger, TriggerDesc="0 0 1 * * * *")
    ask("UpdateTriggerStatus", **trigger, Enable="CLOSE")
    ask("DeleteTrigger", **trigger)
    ask("DeleteFunctionVersion", **FUNCTION, Qualifier="1")
    ask("DeleteFunction", **FUNCTION)
    ask("DeleteNamespace", Namespace="other")
    assert [problem for action, answer in answers for problem in problems(f"{action}Response", answer, action)] == []
    assert {action for action, _ in answers} == set(ACTIONS)


@pytest.fixture
def told(tmp_path: Path, call: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """GetFunction of a function that is created with these parameters."""

    def create(**config: Any) -> dict[str, Any]:
        call("CreateFunction", **FUNCTION, Code={"LocalPath": str(tmp_path)}, **config)
        return call("GetFunction", **FUNCTION)

    return create


@pytest.mark.parametrize("config", [{}, EVERYTHING], ids=["nothing", "everything"])
def test_what_has_no_effect_is_told_again(told: Callable[..., dict[str, Any]], config: dict[str, Any]) -> None:
    answer = told(**config)
    assert answer["EipConfig"] == {"EipFixed": "FALSE", "Eips": []}
    assert answer["CfsConfig"] == {"CfsInsList": []}
    if config:
        for name in ("VpcConfig", "Role", "DeadLetterConfig", "Tags", "DnsCache", "L5Enable", "Environment"):
            assert answer[name] == config[name]
        assert answer["IntranetConfig"] == {"IpFixed": "ENABLE", "IpAddress": []}


def test_what_the_vendors_clients_send_beyond_the_documents(
    told: Callable[..., dict[str, Any]], call: Callable[..., dict[str, Any]]
) -> None:
    told(DeployMode="code", DiskSize=512, L5Enable="FALSE", Layers=[{"LayerName": "", "LayerVersion": 0}])
    assert call("GetFunction", **FUNCTION, ShowTriggers="FALSE")["Triggers"] == []
    assert call("ListFunctions", Type="HTTP")["TotalCount"] == 0
    assert call("ListFunctions", Type="Event")["TotalCount"] == 1
    with pytest.raises(api_errors.ResourceNotFoundLayer, match="no layer real"):
        call("UpdateFunctionConfiguration", **FUNCTION, Layers=[{"LayerName": "real", "LayerVersion": 1}])


def test_a_variable_without_a_name_clears_the_environment(
    told: Callable[..., dict[str, Any]], call: Callable[..., dict[str, Any]]
) -> None:
    told(Environment={"Variables": [{"Key": "A", "Value": "1"}]})
    call("UpdateFunctionConfiguration", **FUNCTION, Environment={"Variables": [{"Key": "", "Value": ""}]})
    assert call("GetFunction", **FUNCTION)["Environment"] == {"Variables": []}
    with pytest.raises(api_errors.InvalidParameterValueEnvironment):
        call("UpdateFunctionConfiguration", **FUNCTION, Environment={"Variables": [{"Key": "", "Value": "1"}]})


def test_a_version_that_is_not_there(told: Callable[..., dict[str, Any]], call: Callable[..., dict[str, Any]]) -> None:
    told()
    with pytest.raises(api_errors.ResourceNotFoundVersion):
        call("GetFunction", **FUNCTION, Qualifier="7")


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("tag-team", ["a", "b"], True),
        ("tag-team", ["b"], False),
        ("tag-other", ["a"], False),
        ("VpcId", ["vpc-1"], True),
        ("VpcId", ["vpc-2"], False),
        ("SubnetId", ["subnet-1"], True),
        ("ClsTopicId", ["topic"], True),
        ("ClsLogsetId", ["set"], True),
        ("Role", ["SCF_Role"], True),
        ("Role", ["other"], False),
        ("CfsId", ["cfs-1"], False),
        ("CfsMountInsId", ["cfs-1"], False),
        ("Eip", ["1.2.3.4"], False),
        ("Status", ["CreateFailed", "Active"], True),
        ("Runtime", ["Php7"], False),
        ("Type", ["Event"], True),
        ("Type", ["HTTP"], False),
        ("PublicNetStatus", ["ENABLE"], True),
        ("PublicNetStatus", ["DISABLE"], False),
        ("AsyncRunEnable", ["TRUE"], False),
        ("AsyncRunEnable", ["FALSE"], True),
        ("TraceEnable", ["FALSE"], True),
        ("Stamp", ["Default"], True),
    ],
)
def test_filters(
    told: Callable[..., dict[str, Any]],
    call: Callable[..., dict[str, Any]],
    name: str,
    values: list[str],
    found: bool,
) -> None:
    told(**EVERYTHING)
    assert call("ListFunctions", Filters=[{"Name": name, "Values": values}])["TotalCount"] == found


@pytest.mark.parametrize(
    "filters",
    [
        [{"Name": "Colour", "Values": ["red"]}],
        [{"Name": "Role", "Values": ["a", "b"]}],
        [{"Name": "Status", "Values": ["Active"] * 21}],
        [{"Name": "Status", "Values": ["Active"]}] * 11,
    ],
)
def test_filters_that_cannot_be(call: Callable[..., dict[str, Any]], filters: list[dict[str, Any]]) -> None:
    with pytest.raises(api_errors.InvalidParameterValueFilters):
        call("ListFunctions", Filters=filters)


@pytest.mark.parametrize(("smallest", "msg_ttl", "taken"), [(60, 24, False), (60, 60, True), (1, 24, True)])
def test_how_long_a_message_is_kept_at_least_is_a_setting(smallest: int, msg_ttl: int, taken: bool) -> None:
    platform = FakePlatform(msg_ttl_smallest=smallest)
    platform.deploy("worker")
    params = {**FUNCTION, "AsyncTriggerConfig": {"MsgTTL": msg_ttl}}
    if taken:
        Api(platform).call("UpdateFunctionEventInvokeConfig", params)
        assert platform.functions.get("default", "worker").msg_ttl == msg_ttl
    else:
        with pytest.raises(api_errors.LimitExceededMsgTTL):
            Api(platform).call("UpdateFunctionEventInvokeConfig", params)


@pytest.mark.parametrize("code", [437, 443])
def test_the_status_code_of_a_missing_handler_is_a_setting(code: int) -> None:
    with ScfRuntime(missing_handler_code=code) as runtime:
        fn = runtime.deploy("def main_handler(event, context):\n    pass\n", handler="index.absent", async_run=True)
        event = fn.invoke_async().wait()
        assert (event.status, event.status_code) == ("FAILED", code)
        assert event.error is not None
        assert event.error["statusCode"] == code


def test_the_status_code_of_a_missing_handler_is_one_of_two() -> None:
    with pytest.raises(UsageError, match="missing_handler_code"):
        Settings(missing_handler_code=430)
