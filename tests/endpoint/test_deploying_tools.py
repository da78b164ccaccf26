"""What the terraform provider and the serverless toolkit send, in the order in which they do, to a ``serve`` that began
empty: CreateFunction, polls of GetFunction, updates, what clears, triggers asked for, deletion.

Their requests beyond the documents are in the vendor's repositories: service_tencentcloud_scf.go of the provider,
src/modules/scf of tencent-component-toolkit. Both sign by version 1, so that everything comes flat.
"""

from __future__ import annotations

from collections.abc import Callable
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
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(scf_runtime: ScfRuntime, scf_endpoint: Endpoint, opened: Callable[[Any], Any]) -> Call:
    http = HttpProfile(endpoint=scf_endpoint.host, protocol="http")
    credential = Credential(scf_endpoint.secret_id, scf_endpoint.secret_key)
    profile = ClientProfile(signMethod="HmacSHA1", httpProfile=http)
    client = opened(CommonClient("scf", "2018-04-16", credential, scf_endpoint.region, profile))

    def call(action: str, **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = client.call_json(action, params)["Response"]
        return found

    return call


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
