"""What the terraform provider and the serverless toolkit send, in the order in which they do, to an endpoint that began
empty: CreateFunction, polls of GetFunction, updates, what clears, triggers asked for, deletion.

Their requests beyond the documents are in the vendor's repositories: service_tencentcloud_scf.go and the resources of
the provider, which signs by TC3; src/modules/scf of tencent-component-toolkit, which signs by version 1, so that
everything comes flat. The toolkit itself is run in test_serverless_toolkit.py.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wiring import zipped

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.server import Endpoint

pytest.importorskip("tencentcloud.common.common_client")
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

ECHO = "import os\ndef main_handler(event, context):\n    return os.environ.get('STAGE')\n"
SLEEPER = "import time\ndef main_handler(event, context):\n    print('sleeps', flush=True)\n    time.sleep(9999)\n"
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def calling(scf_endpoint: Endpoint, opened: Callable[[Any], Any]) -> Callable[[str], Call]:
    """Gives a client that signs by a method."""

    def client(method: str) -> Call:
        http = HttpProfile(endpoint=scf_endpoint.host, protocol="http")
        credential = Credential(scf_endpoint.secret_id, scf_endpoint.secret_key)
        profile = ClientProfile(signMethod=method, httpProfile=http)
        client = opened(CommonClient("scf", "2018-04-16", credential, scf_endpoint.region, profile))

        def call(action: str, **params: Any) -> dict[str, Any]:
            found: dict[str, Any] = client.call_json(action, params)["Response"]
            return found

        return call

    return client


@pytest.fixture
def call(calling: Callable[[str], Call]) -> Call:
    return calling("HmacSHA1")


@pytest.fixture
def provider(calling: Callable[[str], Call]) -> Call:
    return calling("TC3-HMAC-SHA256")


def test_a_function_is_created_updated_cleared_and_deleted(call: Call) -> None:
    where = {"FunctionName": "made", "Namespace": "default"}
    with pytest.raises(TencentCloudSDKException) as caught:  # whether it is there decides between create and update
        call("GetFunction", **where, ShowTriggers="FALSE")
    assert caught.value.code in ("ResourceNotFound.Function", "ResourceNotFound.FunctionName")
    call(
        "CreateFunction",
        **where,
        Code={"ZipFile": zipped({"index.py": ECHO})},
        Handler="index.main_handler",
        Runtime="Python3.6",
        Description="",
        MemorySize=128,
        Timeout=3,
        Type="Event",
        DeployMode="code",
        L5Enable="FALSE",
        Environment={"Variables": [{"Key": "STAGE", "Value": "one"}]},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    found = call("GetFunction", **where, ShowTriggers="TRUE")
    assert (found["Status"], found["MemorySize"], found["Triggers"]) == ("Active", 128, [])
    for name in ("VpcConfig", "EipConfig", "AccessInfo", "CfsConfig", "DeadLetterConfig", "PublicNetConfig"):
        assert isinstance(found[name], dict), f"the provider dereferences {name}"
    assert call("Invoke", **where)["Result"]["RetMsg"] == '"one"'
    call("UpdateFunctionCode", **where, Handler="index.main_handler", ZipFile=zipped({"index.py": ECHO}))
    call(
        "UpdateFunctionConfiguration", **where, Environment={"Variables": [{"Key": "STAGE", "Value": "two"}]}, Timeout=4
    )
    assert call("Invoke", **where)["Result"]["RetMsg"] == '"two"'
    call(
        "UpdateFunctionConfiguration",
        **where,
        Environment={"Variables": [{"Key": "", "Value": ""}]},
        Layers=[{"LayerName": "", "LayerVersion": 0}],
    )
    found = call("GetFunction", **where)
    assert (found["Environment"], found["Timeout"]) == ({"Variables": []}, 4)
    assert call("Invoke", **where)["Result"]["RetMsg"] == "null"
    assert call("PublishVersion", **where, Description="first")["FunctionVersion"] == "1"
    call("CreateAlias", **where, Name="live", FunctionVersion="1")
    call("UpdateAlias", **where, Name="live", FunctionVersion="1", Description="moved")
    call("DeleteAlias", **where, Name="live")
    listed = call("ListFunctions", Namespace="default", Limit=20, Offset=0)
    assert [each["FunctionName"] for each in listed["Functions"]] == ["made"]
    call("DeleteFunction", **where)
    with pytest.raises(TencentCloudSDKException):
        call("GetFunction", **where)


def pages(call: Call, action: str, key: str, **params: Any) -> Iterator[dict[str, Any]]:
    """As the provider reads lists: 20 at a time, until fewer come."""
    offset = 0
    while True:
        found = call(action, **params, Offset=offset, Limit=20)[key]
        yield from found
        if len(found) < 20:
            return
        offset += 20


def test_terraform_functions(provider: Call, scf_runtime: ScfRuntime) -> None:
    where = {"FunctionName": "made", "Namespace": "terraform"}
    with pytest.raises(TencentCloudSDKException) as caught:
        provider("GetFunction", **where)
    assert caught.value.code == "ResourceNotFound.Namespace"  # one of those by which it knows that there is none
    provider("CreateNamespace", Namespace="terraform", Description="of a test")
    assert "terraform" in [each["Name"] for each in pages(provider, "ListNamespaces", "Namespaces")]
    scf_runtime.cos("code").put("a.zip", base64.b64decode(zipped({"index.py": ECHO})))
    provider(
        "CreateFunction",
        **where,
        Handler="index.main_handler",
        Description="",
        MemorySize=128,
        Timeout=3,
        Runtime="Python3.9",
        Type="Event",
        Code={"CosBucketName": "code", "CosObjectName": "/a.zip", "CosBucketRegion": "ap-guangzhou"},
        PublicNetConfig={"PublicNetStatus": "ENABLE", "EipConfig": {"EipStatus": "DISABLE"}},
        Environment={"Variables": [{"Key": "STAGE", "Value": "one"}]},
        Tags=[{"Key": "team", "Value": "a"}],
    )
    found = provider("GetFunction", **where)
    assert (found["Status"], found["Environment"]["Variables"]) == ("Active", [{"Key": "STAGE", "Value": "one"}])
    # What it takes the value of without asking whether it is there.
    assert [found["L5Enable"], found["InstallDependency"], found["EipConfig"]["EipFixed"]] == ["FALSE"] * 3
    assert found["PublicNetConfig"]["EipConfig"]["EipStatus"] == "DISABLE"
    assert found["AccessInfo"].keys() == {"Host", "Vip"}
    provider("UpdateFunctionCode", **where, Handler="index.main_handler", Code={"ZipFile": zipped({"index.py": ECHO})})
    provider(
        "UpdateFunctionConfiguration",
        **where,
        Description="changed",
        MemorySize=256,
        Timeout=4,
        Runtime="Python3.9",
        Environment={"Variables": [{"Key": "", "Value": ""}]},
        L5Enable="FALSE",
        DnsCache="FALSE",
    )
    found = provider("GetFunction", **where)
    assert (found["Status"], found["Environment"], found["MemorySize"]) == ("Active", {"Variables": []}, 256)
    tagged = {"Filters": [{"Name": "tag-team", "Values": ["a"]}], "SearchKey": "mad", "Description": "changed"}
    (listed,) = pages(provider, "ListFunctions", "Functions", Namespace="terraform", **tagged)
    assert listed["FunctionName"] == "made"

    assert provider("PublishVersion", **where, Description="first")["FunctionVersion"] == "1"
    assert provider("GetFunction", **where, Qualifier="1")["FunctionVersion"] == "1"
    assert {each["Version"] for each in pages(provider, "ListVersionByFunction", "Versions", **where)} >= {"1"}
    provider("CreateAlias", **where, Name="live", FunctionVersion="1", Description="")
    (alias,) = provider("ListAliases", **where, FunctionVersion="1", Offset="0", Limit="20")["Aliases"]
    assert alias["Name"] == "live"
    retries = {"RetryConfig": [{"RetryNum": 1}], "MsgTTL": 600}
    provider("UpdateFunctionEventInvokeConfig", **where, AsyncTriggerConfig=retries)
    assert provider("GetFunctionEventInvokeConfig", **where)["AsyncTriggerConfig"]["MsgTTL"] == 600
    provider("PutReservedConcurrencyConfig", **where, ReservedConcurrencyMem=512)
    assert provider("GetReservedConcurrencyConfig", **where)["ReservedMem"] == 512
    provider("DeleteReservedConcurrencyConfig", **where)

    assert (
        provider("Invoke", **where, InvocationType="RequestResponse", Qualifier="$LATEST")["Result"]["RetMsg"] == "null"
    )
    asked = {**where, "Offset": 0, "Limit": 10, "OrderBy": "start_time", "Filter": {"RetCode": "is0"}}
    for order in ("desc", "asc"):  # in small letters
        (log,) = provider("GetFunctionLogs", **asked, Order=order)["Data"]
        assert log["RetMsg"] == "null"

    provider("DeleteAlias", **where, Name="live")
    provider("DeleteFunction", **where, Qualifier="1")
    provider("DeleteFunction", **where)
    with pytest.raises(TencentCloudSDKException) as caught:
        provider("GetFunction", **where)
    assert caught.value.code == "ResourceNotFound.Function"
    provider("DeleteNamespace", Namespace="terraform")


@pytest.mark.parametrize(
    ("kind", "name", "described", "changed", "read_back"),
    [
        ("timer", "tick", "*/5 * * * * * *", "0 0 3 * * * *", {"cron": "0 0 3 * * * *"}),
        (
            "ckafka",
            "ckafka-1-orders",
            '{"maxMsgNum":10,"offset":"latest","retry":3}',
            '{"maxMsgNum":20,"retry":4}',
            {"maxMsgNum": 20, "offset": "latest", "retry": 4},
        ),
        (
            "http",
            "url-trigger",
            '{"AuthType":"NONE","NetConfig":{"EnableExtranet":true,"EnableIntranet":false}}',
            "",
            {},
        ),
        (
            "cos",
            "shots-1250000000.cos.ap-guangzhou.myqcloud.com",
            '{"event":"cos:ObjectCreated:Put","filter":{"Prefix":"","Suffix":""}}',
            "",
            {"event": "cos:ObjectCreated:Put"},
        ),
        ("cmq", "sales", '{"filterType":1,"filterKey":["a"]}', "", {}),
    ],
)
def test_terraform_triggers(
    provider: Call,
    scf_runtime: ScfRuntime,
    kind: str,
    name: str,
    described: str,
    changed: str,
    read_back: dict[str, Any],
) -> None:
    """The resources tencentcloud_scf_trigger and _trigger_config, and the block ``triggers`` of a function."""
    scf_runtime.deploy(ECHO, name="made")
    where = {"FunctionName": "made", "Namespace": "default"}
    trigger = {**where, "TriggerName": name, "Type": kind}
    info = provider("CreateTrigger", **trigger, TriggerDesc=described, Enable="OPEN", Qualifier="$DEFAULT")[
        "TriggerInfo"
    ]
    assert (info["TriggerName"], info["Qualifier"]) == (name, "$DEFAULT")
    if changed:
        update = {**trigger, "Qualifier": "$DEFAULT", "Enable": "CLOSE", "Description": "less"}
        for _ in range(2):  # once when it is made, and at once again
            provider("UpdateTrigger", **update, TriggerDesc=changed)
    filters = [{"Name": "TriggerName", "Values": [name]}]
    (found,) = pages(provider, "ListTriggers", "Triggers", **where, Filters=filters)
    # It shows as changed what it reads back otherwise than it is configured: 1 and 0 are OPEN and CLOSE.
    assert (found["Enable"], found["Description"]) == ((0, "less") if changed else (1, ""))
    told = json.loads(found["TriggerDesc"])
    assert {key: told[key] for key in read_back} == read_back
    assert provider("GetFunction", **where)["Triggers"][0]["TriggerName"] == name
    provider("DeleteTrigger", **trigger, TriggerDesc=described, Qualifier="$DEFAULT")
    assert list(pages(provider, "ListTriggers", "Triggers", **where, Filters=filters)) == []
    provider("CreateTrigger", **trigger, TriggerDesc=described, Enable="OPEN")
    provider("DeleteTrigger", **trigger, TriggerDesc=described)
    assert provider("GetFunction", **where)["Triggers"] == []


def test_terraform_asynchronous_events(provider: Call, scf_runtime: ScfRuntime) -> None:
    """tencentcloud_scf_invoke_function, _async_event_management, _async_event_status and _terminate_async_event."""
    worker = scf_runtime.deploy(SLEEPER, name="made", async_run=True)
    where = {"FunctionName": "made", "Namespace": "default"}
    invoke = {**where, "InvocationType": "Event", "Qualifier": "$LATEST", "ClientContext": "{}", "LogType": "Tail"}
    event = provider("Invoke", **invoke)["Result"]["FunctionRequestId"]
    asked = {**where, "Qualifier": "$LATEST", "InvokeType": ["OTHERS"], "Order": "ASC", "Orderby": "StartTime"}
    (running,) = pages(provider, "ListAsyncEvents", "EventList", **asked, Status=["RUNNING"], InvokeRequestId=event)
    assert (running["InvokeRequestId"], running["EndTime"]) == (event, "")
    status = provider("GetAsyncEventStatus", InvokeRequestId=event)["Result"]
    assert status == {"Status": "RUNNING", "StatusCode": 0, "InvokeRequestId": event}
    scf_runtime.events()[0].wait_for_log("sleeps")
    answer = provider("TerminateAsyncEvent", **where, InvokeRequestId=event, GraceShutdown=False)
    assert answer.keys() == {"RequestId"}
    assert provider("GetAsyncEventStatus", InvokeRequestId=event)["Result"]["Status"] == "ABORTED"
    assert list(pages(provider, "ListAsyncEvents", "EventList", **asked, Status=["RUNNING"])) == []
    (ended,) = pages(provider, "ListAsyncEvents", "EventList", **asked, Status=["ABORTED"])
    assert ended["InvokeRequestId"] == event
    with pytest.raises(TencentCloudSDKException) as caught:  # planned again
        provider("TerminateAsyncEvent", **where, InvokeRequestId=event, GraceShutdown=True)
    assert caught.value.code == "FailedOperation.AsyncEventStatus"
    assert worker.config.async_run


def test_terraform_layers(provider: Call) -> None:
    """tencentcloud_scf_layer, and the data sources of layers and of their versions."""
    published = provider(
        "PublishLayerVersion",
        LayerName="libs",
        CompatibleRuntimes=["Python3.9"],
        Content={"ZipFile": zipped({"helper.py": "VALUE = 7\n"})},
        Description="of a test",
        LicenseInfo="MIT",
    )
    version = {"LayerName": "libs", "LayerVersion": published["LayerVersion"]}
    found = provider("GetLayerVersion", **version)
    assert (found["Status"], found["CompatibleRuntimes"]) == ("Active", ["Python3.9"])
    assert found["CodeSha256"]
    assert found["Location"]
    where = {"FunctionName": "made", "Namespace": "default"}
    code = "import helper\ndef main_handler(event, context):\n    return helper.VALUE\n"
    provider(
        "CreateFunction",
        **where,
        Handler="index.main_handler",
        Runtime="Python3.9",
        Type="Event",
        Code={"ZipFile": zipped({"index.py": code})},
        Layers=[version],
    )
    assert provider("Invoke", **where)["Result"]["RetMsg"] == "7"
    told = provider("GetFunction", **where)["Layers"][0]
    assert {name: told[name] for name in version} == version
    listed = list(pages(provider, "ListLayers", "Layers", CompatibleRuntime="Python3.9", SearchKey="lib"))
    assert [(each["LayerName"], each["LayerVersion"]) for each in listed] == [("libs", 1)]
    versions = provider("ListLayerVersions", LayerName="libs", CompatibleRuntime=["Python3.9"])["LayerVersions"]
    assert [each["LayerVersion"] for each in versions] == [1]
    provider("DeleteFunction", **where)
    provider("DeleteLayerVersion", **version)
    assert list(pages(provider, "ListLayers", "Layers")) == []
