"""The vendor's SDKs as a function brings them along: of many versions, and the one for calls between functions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import Function, ScfRuntime

pytest.importorskip("tencentcloud.scf.v20180416.models")

#: the oldest that is published in parts, before and after the SDK came to send with ``requests``; "": the newest here
VERSIONS = ["3.0.251", "3.0.500", "3.0.1090", ""]

CALLER = """
import os, sys
import tencentcloud
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models, scf_client

def call(name, **options):
    names = ("SECRETID", "SECRETKEY", "SESSIONTOKEN")
    credential = Credential(*(os.environ["TENCENTCLOUD_" + name] for name in names))
    profile = ClientProfile(httpProfile=HttpProfile(**options))
    client = scf_client.ScfClient(credential, os.environ["TENCENTCLOUD_REGION"], profile)
    request = models.InvokeRequest()
    request.FunctionName = name
    return client.Invoke(request).Result.RetMsg

def main_handler(event, context):
    found = [call("echo", **options) for options in ({}, {"reqMethod": "GET"}, {"protocol": "http"})]
    try:
        call("missing")
    except TencentCloudSDKException as error:
        found.append(error.code)
    return [tencentcloud.__version__, found]
"""


@pytest.fixture
def runtime(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    made = scf_runtime_of("namespaces")
    made.deploy("def main_handler(event, context): return 'echo'\n", name="echo")
    return made


def deployed(runtime: ScfRuntime, source: str, code: Path, packages: Path | None) -> Function:
    """A function with this code and these packages, in an environment with a proxy that there is not."""
    shutil.copytree(packages, code) if packages is not None else code.mkdir()
    (code / "index.py").write_text(source)
    return runtime.deploy(code, timeout=120, environment={"HTTPS_PROXY": "http://127.0.0.1:9"})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_of_the_sdk_reaches_the_runtime(
    version: str, runtime: ScfRuntime, installed: Callable[..., Path], tmp_path: Path
) -> None:
    names = ("tencentcloud-sdk-python-common", "tencentcloud-sdk-python-scf")
    packages = installed(*(f"{name}=={version}" for name in names)) if version else None
    fn = deployed(runtime, CALLER, tmp_path / "code", packages)
    result = fn.invoke()
    assert result.error is None, result.logs
    used, found = result.return_value
    assert used == version or not version
    assert found == ['"echo"', '"echo"', '"echo"', "ResourceNotFound.Function"]
    assert "Traceback" not in result.logs.user


BETWEEN = """
import json
from tencentserverless import scf
from tencentserverless.exception import TencentServerlessSDKException

def main_handler(event, context):
    found = []
    for name, data in (("echo", None), ("add", {"a": 1}), ("broken", None), ("ends", None), ("slow", {"seconds": 60})):
        try:
            found.append(scf.invoke(name, data=data))
        except TencentServerlessSDKException as error:
            message = str(error.get_message())
            found.append([error.get_code(), message if message[0] != "{" else json.loads(message)["statusCode"]])
    return [found, scf.Client().echo()]
"""


def test_the_sdk_between_functions_raises_for_an_error_of_the_users_code(
    runtime: ScfRuntime, installed: Callable[..., Path], tmp_path: Path
) -> None:
    runtime.deploy("def main_handler(event, context): return event['a'] + 1\n", name="add")
    runtime.deploy("def main_handler(event, context): return {}['key']\n", name="broken")
    runtime.deploy("import os\n\ndef main_handler(event, context): os._exit(1)\n", name="ends")
    runtime.deploy(
        "import time\n\ndef main_handler(event, context): time.sleep(event['seconds'])\n", name="slow", timeout=1
    )
    result = deployed(runtime, BETWEEN, tmp_path / "code", installed("tencentserverless")).invoke()
    assert result.error is None, result.logs
    found, by_attribute = result.return_value
    assert found == ['"echo"', "2", [1, "user code exception caught"], [-1, 439], [-1, 433]]
    assert by_attribute == '"echo"'
