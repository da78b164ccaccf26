"""The official Python SDK in the same process, as the user's code uses it, with nothing sent to the network."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from typing import Any

import pytest

from pytest_scf import ScfRuntime

models = pytest.importorskip("tencentcloud.scf.v20180416.models")
from tencentcloud.common import abstract_client  # noqa: E402
from tencentcloud.common.common_client import CommonClient  # noqa: E402
from tencentcloud.common.credential import Credential  # noqa: E402
from tencentcloud.common.exception import TencentCloudSDKException  # noqa: E402
from tencentcloud.common.http.request import ApiRequest  # noqa: E402
from tencentcloud.common.profile.client_profile import ClientProfile  # noqa: E402
from tencentcloud.common.profile.http_profile import HttpProfile  # noqa: E402
from tencentcloud.scf.v20180416.scf_client import ScfClient  # noqa: E402

ECHO = "def main_handler(event, context):\n    return event\n"
MINE = Credential("my id, of the cloud", "my key")


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"somebody connects: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def invoke(client: Any, event: str = '{"k": "\\u00e9 +&"}', name: str = "echo") -> str:
    request = models.InvokeRequest()
    request.FunctionName, request.ClientContext = name, event
    text: str = client.Invoke(request).Result.RetMsg
    return text


@pytest.mark.parametrize(
    ("sign", "method"), list(itertools.product(["TC3-HMAC-SHA256", "HmacSHA1", "HmacSHA256"], ["GET", "POST"]))
)
def test_each_way_of_signing_and_sending(scf_sdk: ScfRuntime, sign: str, method: str) -> None:
    scf_sdk.deploy(ECHO, name="echo")
    profile = ClientProfile(signMethod=sign, httpProfile=HttpProfile(reqMethod=method))
    assert invoke(ScfClient(MINE, "ap-beijing", profile)) == '{"k": "é +&"}'


@pytest.mark.parametrize("endpoint", ["scf.intl.tencentcloudapi.com", "https://10.0.0.7:8443", "localhost:1", None])
@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA1"])
def test_each_endpoint(scf_sdk: ScfRuntime, endpoint: str | None, sign: str) -> None:
    scf_sdk.deploy(ECHO, name="echo")
    profile = ClientProfile(signMethod=sign, httpProfile=HttpProfile(endpoint=endpoint, keepAlive=True))
    assert invoke(ScfClient(MINE, "ap-beijing", profile), "7") == "7"


MADE_BEFORE = ScfClient(MINE, "ap-beijing")


def test_a_client_that_was_made_before(scf_sdk: ScfRuntime) -> None:
    scf_sdk.deploy(ECHO, name="echo")
    assert invoke(MADE_BEFORE, "7") == "7"


def test_the_common_client_and_a_stream_logger(scf_sdk: ScfRuntime, capsys: pytest.CaptureFixture[str]) -> None:
    common = CommonClient("scf", "2018-04-16", MINE, "ap-beijing")
    logger = logging.getLogger(abstract_client.LOGGER_NAME)
    handlers, level = list(logger.handlers), logger.level
    try:
        common.set_stream_logger()
        scf_sdk.deploy(ECHO, name="echo", async_run=True)
        found = common.call_json("ListAsyncEvents", {"FunctionName": "echo", "Limit": 1})
    finally:
        logger.handlers, logger.level = handlers, level
        logger.setLevel(level)
    assert found["Response"]["TotalCount"] == 0
    shown = capsys.readouterr().err
    assert "HTTP/1.1 200 OK" in shown
    assert "Traceback" not in shown


def test_the_api_s_errors_are_the_sdk_s(scf_sdk: ScfRuntime) -> None:
    with pytest.raises(TencentCloudSDKException) as caught:
        invoke(ScfClient(MINE, "ap-beijing"))
    assert caught.value.code == "ResourceNotFound.Function"
    assert caught.value.requestId


def test_an_event_from_its_invocation_to_its_termination(scf_sdk: ScfRuntime) -> None:
    scf_sdk.deploy(
        "import time\n\ndef main_handler(event, context):\n    time.sleep(999)\n", name="sleeper", async_run=True
    )
    client = ScfClient(MINE, "ap-beijing")
    request = models.InvokeRequest()
    request.FunctionName, request.InvocationType = "sleeper", "Event"
    asked = models.TerminateAsyncEventRequest()
    asked.FunctionName, asked.InvokeRequestId = "sleeper", client.Invoke(request).Result.FunctionRequestId
    client.TerminateAsyncEvent(asked)
    assert [event.status for event in scf_sdk.events()] == ["ABORTED"]


@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA1"])
def test_another_service_is_refused(scf_sdk: ScfRuntime, sign: str) -> None:
    common = CommonClient("cvm", "2017-03-12", MINE, "ap-beijing", ClientProfile(signMethod=sign))
    with pytest.raises(ValueError, match=r"the SDK called 'cvm'.*only 'scf' is answered"):
        common.call_json("DescribeInstances", {})


def test_it_is_undone(scf_runtime: ScfRuntime) -> None:
    scf_runtime.deploy(ECHO, name="echo")
    original = ApiRequest.send_request
    client = ScfClient(MINE, "ap-beijing")
    with scf_runtime.sdk():
        assert invoke(client, "7") == "7"
        with ScfRuntime() as other, other.sdk():
            with pytest.raises(TencentCloudSDKException, match="echo"):
                invoke(client, "7")
        assert invoke(client, "7") == "7"
    assert ApiRequest.send_request is original
    with pytest.raises(TencentCloudSDKException, match="somebody connects"):
        invoke(client)


def test_a_client_for_asyncio(scf_sdk: ScfRuntime) -> None:
    pytest.importorskip("httpx")
    from tencentcloud.scf.v20180416.scf_client_async import ScfClient as AsyncClient

    scf_sdk.deploy(ECHO, name="echo")

    async def both(method: str) -> list[Any]:
        request = models.InvokeRequest()
        request.FunctionName, request.ClientContext = "echo", '"é"'
        profile = ClientProfile(httpProfile=HttpProfile(reqMethod=method))
        async with AsyncClient(MINE, "ap-beijing", profile) as client:
            return list(await asyncio.gather(client.Invoke(request), client.Invoke(request)))

    for method in ("POST", "GET"):
        assert [found.Result.RetMsg for found in asyncio.run(both(method))] == ['"é"'] * 2


WITHOUT = """
    import sys
    sys.modules["tencentcloud"] = None

    def test_nothing(scf_sdk):
        pass
"""


def test_without_the_sdk(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others take most of the time that pytest needs
    pytester.makepyfile(WITHOUT)
    arguments = ("-pscf", "-ptimeout", "-pno:cacheprovider", "--scf-isolation=directory")
    result = pytester.runpytest_subprocess(*arguments, timeout=120)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the official Python SDK is not installed*pip install 'pytest-scf?sdk?'*"])
