"""The official Python SDK over HTTP, in each way that it can sign and send."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from wiring import zipped

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.server import Endpoint

models = pytest.importorskip("tencentcloud.scf.v20180416.models")
from tencentcloud.common.common_client import CommonClient  # noqa: E402
from tencentcloud.common.credential import Credential  # noqa: E402
from tencentcloud.common.exception import TencentCloudSDKException  # noqa: E402
from tencentcloud.common.profile.client_profile import ClientProfile  # noqa: E402
from tencentcloud.common.profile.http_profile import HttpProfile  # noqa: E402
from tencentcloud.scf.v20180416.scf_client import ScfClient  # noqa: E402

WORKER = """
import signal, time
def main_handler(event, context):
    stop = []
    signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
    while event and not stop:
        time.sleep(0.01)
    return "END"
"""
WAYS = list(itertools.product(["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"], ["GET", "POST"]))


ClientOf = Callable[..., Any]


@pytest.fixture
def client_of(opened: Callable[[Any], Any]) -> ClientOf:
    def client(endpoint: Endpoint, sign: str = "TC3-HMAC-SHA256", method: str = "POST") -> Any:
        http = HttpProfile(endpoint=endpoint.host, protocol="http", reqMethod=method)
        credential = Credential(endpoint.secret_id, endpoint.secret_key)
        return opened(ScfClient(credential, endpoint.region, ClientProfile(signMethod=sign, httpProfile=http)))

    return client


def request(name: str, **fields: Any) -> Any:
    made = getattr(models, f"{name}Request")()
    for field, value in fields.items():
        assert hasattr(made, field), field
        setattr(made, field, value)
    return made


@pytest.mark.parametrize(("sign", "method"), WAYS)
def test_an_event_is_invoked_listed_asked_for_and_terminated(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, sign: str, method: str, client_of: ClientOf
) -> None:
    function = scf_runtime.deploy(WORKER, name="worker", async_run=True)
    scf = client_of(scf_endpoint, sign, method)

    def call(name: str, **fields: Any) -> Any:
        return getattr(scf, name)(request(name, **fields))

    text = '{"job": "7 & é + ~"}'
    found = call("Invoke", FunctionName="worker", InvocationType="Event", ClientContext=text)
    invoked = found.Result.FunctionRequestId
    (event,) = scf_runtime.events()
    assert event.request_id == invoked
    event.wait_for_signal_handler()
    interval = models.TimeInterval()
    interval.Start, interval.End = "2000-01-01 00:00:00", "2999-01-01 00:00:00"
    listed = call(
        "ListAsyncEvents",
        FunctionName="worker",
        Status=["RUNNING", "FAILED"],
        StartTimeInterval=interval,
        Limit=5,
        Offset=0,
    )
    assert (listed.TotalCount, listed.EventList[0].InvokeRequestId) == (1, invoked)
    status = call("GetAsyncEventStatus", InvokeRequestId=invoked)
    assert (status.Result.Status, status.Result.StatusCode) == ("RUNNING", 0)
    assert call("TerminateAsyncEvent", FunctionName="worker", InvokeRequestId=invoked, GraceShutdown=True).RequestId
    assert event.wait().status == "FINISHED"
    with pytest.raises(TencentCloudSDKException) as caught:
        call("TerminateAsyncEvent", FunctionName="worker", InvokeRequestId=invoked, GraceShutdown=False)
    assert caught.value.code == "FailedOperation.AsyncEventStatus"
    assert caught.value.requestId
    assert function.invoke({}).return_value == "END"


@pytest.mark.parametrize(("sign", "method"), WAYS[::3])
def test_the_attempts_at_an_asynchronous_invocation_and_their_logs(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, sign: str, method: str, client_of: ClientOf
) -> None:
    source = "def main_handler(event, context):\n    print('trying')\n    raise ValueError(event)\n"
    event = scf_runtime.deploy(source, name="fragile", retry_num=1).invoke_async(7)
    event.wait_for_attempt(1)
    scf_runtime.clock.advance(minutes=1)
    event.assert_failed(430)
    scf = client_of(scf_endpoint, sign, method)
    status = scf.GetRequestStatus(
        request("GetRequestStatus", FunctionName="fragile", FunctionRequestId=event.request_id)
    )
    assert status.TotalCount == 2
    assert [(each.RetCode, each.RetryNum) for each in status.Data] == [(-1, 1), (-1, 0)]
    failures = models.LogFilter()
    failures.RetCode = "not0"
    logs = scf.GetFunctionLogs(request("GetFunctionLogs", FunctionName="fragile", Filter=failures, Limit=1))
    assert (logs.TotalCount, len(logs.Data)) == (2, 1)
    assert (logs.Data[0].RetryNum, logs.Data[0].RetCode) == (1, 430)
    assert "trying" in logs.Data[0].Log
    failures.RetCode = "is0"
    assert scf.GetFunctionLogs(request("GetFunctionLogs", FunctionName="fragile", Filter=failures)).TotalCount == 0


def test_a_forced_termination_answers_when_it_is_done(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, client_of: ClientOf
) -> None:
    event = scf_runtime.deploy(WORKER, name="worker", async_run=True).invoke_async(1)
    client_of(scf_endpoint).TerminateAsyncEvent(
        request("TerminateAsyncEvent", FunctionName="worker", InvokeRequestId=event.request_id)
    )
    assert (event.status, event.instance.alive) == ("ABORTED", False)


def test_a_synchronous_invocation_and_its_log(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, client_of: ClientOf
) -> None:
    scf_runtime.deploy("def main_handler(event, context):\n    print('é')\n    return event\n", name="echo")
    found = client_of(scf_endpoint).InvokeFunction(
        request("InvokeFunction", FunctionName="echo", Event='{"k": "\\u00e9"}', LogType="Tail")
    )
    assert json.loads(found.Result.RetMsg) == {"k": "é"}
    assert "é\n" in found.Result.Log


@pytest.mark.parametrize("method", ["call_json", "multipart"])
def test_the_common_client(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, method: str, opened: Callable[[Any], Any]
) -> None:
    scf_runtime.deploy(WORKER, name="worker", async_run=True)
    http = HttpProfile(endpoint=scf_endpoint.host, protocol="http", keepAlive=True)
    credential = Credential(scf_endpoint.secret_id, scf_endpoint.secret_key)
    profile = ClientProfile(httpProfile=http)
    common = opened(CommonClient("scf", "2018-04-16", credential, scf_endpoint.region, profile))
    options = {"IsMultipart": True, "BinaryParams": ["Namespace"]} if method == "multipart" else {}
    asked = {"FunctionName": "worker", "Status": ["RUNNING"], "Namespace": "default", "Limit": "5"}
    if method == "call_json":
        asked["Limit"] = 5  # type: ignore[assignment]
    for _ in range(2):
        found = common.call_json("ListAsyncEvents", asked, options=options)
        assert found["Response"]["TotalCount"] == 0


@pytest.mark.parametrize(("sign", "method"), WAYS)
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"secret_id": "nobody"}, "AuthFailure.SecretIdNotFound"),
        ({"token": "some"}, "AuthFailure.TokenFailure"),
        ({"region": "ap-nowhere"}, "UnsupportedRegion"),
        ({"region": ""}, "MissingParameter"),
    ],
)
def test_who_is_refused(
    scf_endpoint: Endpoint, sign: str, method: str, change: dict[str, str], code: str, client_of: ClientOf
) -> None:
    scf = client_of(scf_endpoint, sign, method)
    secret_id = change.get("secret_id", scf_endpoint.secret_id)
    secret_key = change.get("secret_key", scf_endpoint.secret_key)
    scf.credential = Credential(secret_id, secret_key, change.get("token"))
    scf.region = change.get("region", scf_endpoint.region)
    with pytest.raises(TencentCloudSDKException) as caught:
        scf.GetAsyncEventStatus(request("GetAsyncEventStatus", InvokeRequestId="1"))
    assert caught.value.code == code


@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA1"])
def test_a_stale_timestamp(scf_runtime: ScfRuntime, sign: str, client_of: ClientOf) -> None:
    import time

    # The SDK sends whole seconds, and some go by until they are looked at: ahead it has to be by more than 301.
    for seconds, code in ((-360, "AuthFailure.SignatureExpire"), (301, "AuthFailure.SignatureExpire"), (0, "")):
        with Endpoint(scf_runtime.api, region="r", now=lambda moved=seconds: time.time() + moved) as endpoint:  # type: ignore[misc]
            with pytest.raises(TencentCloudSDKException) as caught:
                client_of(endpoint, sign).GetAsyncEventStatus(request("GetAsyncEventStatus", InvokeRequestId="1"))
            assert caught.value.code == (code or "ResourceNotFound.AsyncEvent")


def test_another_service(scf_endpoint: Endpoint, opened: Callable[[Any], Any]) -> None:
    http = HttpProfile(endpoint=scf_endpoint.host, protocol="http")
    credential = Credential(scf_endpoint.secret_id, scf_endpoint.secret_key)
    profile = ClientProfile(httpProfile=http)
    common = opened(CommonClient("cvm", "2017-03-12", credential, scf_endpoint.region, profile))
    with pytest.raises(TencentCloudSDKException) as caught:
        common.call_json("DescribeInstances", {})
    assert caught.value.code == "NoSuchProduct"
    assert "'cvm'" in caught.value.message


def test_an_unsigned_payload(scf_runtime: ScfRuntime, scf_endpoint: Endpoint, client_of: ClientOf) -> None:
    scf_runtime.deploy(WORKER, name="worker", async_run=True)
    scf = client_of(scf_endpoint)
    scf.profile.unsignedPayload = True
    assert scf.ListAsyncEvents(request("ListAsyncEvents", FunctionName="worker")).TotalCount == 0


def test_nothing_is_signed(scf_endpoint: Endpoint, client_of: ClientOf) -> None:
    scf = client_of(scf_endpoint)
    with pytest.raises(TencentCloudSDKException) as caught:
        scf.call_json("ListAsyncEvents", {"FunctionName": "worker"}, options={"SkipSign": True})
    assert caught.value.code == "AuthFailure.InvalidAuthorization"


FLOW_WAYS = [*itertools.product(["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"], ["GET", "POST"]), ("multipart", "POST")]


@pytest.mark.parametrize(("sign", "method"), FLOW_WAYS)
def test_a_function_is_managed(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, sign: str, method: str, opened: Callable[[Any], Any]
) -> None:
    """Numbers, true and false, arrays and objects mean the same in a query, a form, parts and JSON."""
    http = HttpProfile(endpoint=scf_endpoint.host, protocol="http", reqMethod=method)
    profile = ClientProfile(signMethod="TC3-HMAC-SHA256" if sign == "multipart" else sign, httpProfile=http)
    credential = Credential(scf_endpoint.secret_id, scf_endpoint.secret_key)
    client = opened(CommonClient("scf", "2018-04-16", credential, scf_endpoint.region, profile))
    options = {"IsMultipart": True} if sign == "multipart" else {}

    def call(action: str, **params: Any) -> Any:
        if sign == "multipart":  # in parts without a type of their own, the SDK writes what is neither text nor JSON
            params = {name: str(value) if isinstance(value, (bool, int)) else value for name, value in params.items()}
        return client.call_json(action, params, options=options)["Response"]

    tags = [{"Key": "team", "Value": "a & b"}, {"Key": "é", "Value": "1"}]
    call(
        "CreateFunction",
        FunctionName="worker",
        Code={"ZipFile": zipped({"index.py": WORKER})},
        MemorySize=256,
        Timeout=7,
        InitTimeout=30,
        AsyncRunEnable="TRUE",
        TraceEnable="TRUE",
        Environment={"Variables": [{"Key": f"KEY_{number}", "Value": f"{number}"} for number in range(12)]},
        Tags=tags,
        VpcConfig={"VpcId": "vpc-1", "SubnetId": "subnet-1"},
    )
    found = call("GetFunction", FunctionName="worker")
    assert (found["MemorySize"], found["Timeout"], found["InitTimeout"]) == (256, 7, 30)
    assert found["Environment"]["Variables"] == [{"Key": f"KEY_{number}", "Value": f"{number}"} for number in range(12)]
    assert found["Tags"] == tags
    assert found["VpcConfig"] == {"VpcId": "vpc-1", "SubnetId": "subnet-1"}
    call("UpdateFunctionConfiguration", FunctionName="worker", MemorySize=128, InitTimeout=31, Timeout=8)
    found = call("GetFunction", FunctionName="worker")
    assert (found["MemorySize"], found["Timeout"], found["InitTimeout"]) == (128, 8, 31)
    for version in ("1", "2"):
        assert call("PublishVersion", FunctionName="worker", Description=f"v{version}")["FunctionVersion"] == version
    routing = {"AdditionalVersionWeights": [{"Version": "2", "Weight": 0.25}]}
    call("CreateAlias", FunctionName="worker", Name="live", FunctionVersion="1", RoutingConfig=routing)
    weights = call("GetAlias", FunctionName="worker", Name="live")["RoutingConfig"]["AdditionalVersionWeights"]
    assert weights == [{"Version": "2", "Weight": 0.25}]
    listed = call("ListFunctions", Limit=10, Offset=0, Filters=[{"Name": "Runtime", "Values": [found["Runtime"]]}])
    assert [each["FunctionName"] for each in listed["Functions"]] == ["worker"]
    retries = {"RetryConfig": [{"RetryNum": 1}], "MsgTTL": 120}
    call("UpdateFunctionEventInvokeConfig", FunctionName="worker", AsyncTriggerConfig=retries)
    config = call("GetFunctionEventInvokeConfig", FunctionName="worker")["AsyncTriggerConfig"]
    assert config == {"RetryConfig": [{"RetryNum": 1}], "MsgTTL": 120}
    call("PutReservedConcurrencyConfig", FunctionName="worker", ReservedConcurrencyMem=256)
    assert call("GetReservedConcurrencyConfig", FunctionName="worker")["ReservedMem"] == 256
    text = '{"job": [1, 2]}'
    invoked = call("Invoke", FunctionName="worker", InvocationType="Event", ClientContext=text)["Result"]
    (event,) = scf_runtime.events()
    assert event.request_id == invoked["FunctionRequestId"]
    event.wait_for_signal_handler()
    call("TerminateAsyncEvent", FunctionName="worker", InvokeRequestId=event.request_id, GraceShutdown=True)
    assert event.wait().status == "FINISHED"
    call("DeleteFunction", FunctionName="worker")
    assert call("ListFunctions")["TotalCount"] == 0


def test_a_layer_is_published_and_bound(scf_endpoint: Endpoint, client_of: ClientOf) -> None:
    client = client_of(scf_endpoint)
    for text in ("first", "second"):
        content = models.Code()
        content.ZipFile = zipped({"helper.py": f"WHAT = {text!r}\n"})
        asked = request("PublishLayerVersion", LayerName="libs", CompatibleRuntimes=["Python3.10"], Content=content)
        number = client.PublishLayerVersion(asked).LayerVersion
    assert number == 2
    shown = client.GetLayerVersion(request("GetLayerVersion", LayerName="libs", LayerVersion=2))
    assert (shown.LayerName, shown.Status, shown.CompatibleRuntimes) == ("libs", "Active", ["Python3.10"])
    (listed,) = client.ListLayers(request("ListLayers", SearchKey="lib", Limit=5)).Layers
    versions = client.ListLayerVersions(request("ListLayerVersions", LayerName="libs")).LayerVersions
    assert (listed.LayerVersion, [each.LayerVersion for each in versions]) == (2, [2, 1])
    code, layer = models.Code(), models.LayerVersionSimple()
    code.ZipFile = zipped({"index.py": "import helper\ndef main_handler(event, context):\n    return helper.WHAT\n"})
    layer.LayerName, layer.LayerVersion = "libs", 1
    client.CreateFunction(request("CreateFunction", FunctionName="made", Code=code, Layers=[layer]))
    client.DeleteLayerVersion(request("DeleteLayerVersion", LayerName="libs", LayerVersion=1))
    (bound,) = client.GetFunction(request("GetFunction", FunctionName="made")).Layers
    assert (bound.LayerName, bound.LayerVersion, bound.Status) == ("libs", 1, "Active")
    assert client.Invoke(request("Invoke", FunctionName="made")).Result.RetMsg == '"first"'
    layer.LayerName, layer.LayerVersion = "", 0
    client.UpdateFunctionConfiguration(request("UpdateFunctionConfiguration", FunctionName="made", Layers=[layer]))
    assert client.GetFunction(request("GetFunction", FunctionName="made")).Layers == []
    with pytest.raises(TencentCloudSDKException) as caught:
        client.GetLayerVersion(request("GetLayerVersion", LayerName="libs", LayerVersion=1))
    assert caught.value.code == "ResourceNotFound.LayerVersion"
