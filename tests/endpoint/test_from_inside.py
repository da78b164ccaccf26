"""A handler that calls the official SDK as it would in the cloud: its hosts, https, and what its environment holds."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wiring import GOOD, connect, read_answer

from pytest_scf import ScfRuntime, UsageError

pytest.importorskip("tencentcloud.scf.v20180416.models")

CALLER = """
import os
import threading
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models
from tencentcloud.scf.v20180416.scf_client import ScfClient

MINE = Credential(*(os.environ["TENCENTCLOUD_" + name] for name in ("SECRETID", "SECRETKEY", "SESSIONTOKEN")))


def client(endpoint=None, sign=None, method=None, credential=MINE):
    profile = ClientProfile(signMethod=sign, httpProfile=HttpProfile(endpoint=endpoint, reqMethod=method))
    return ScfClient(credential, os.environ["TENCENTCLOUD_REGION"], profile)


def request(kind, **fields):
    made = getattr(models, kind + "Request")()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def call_echo(event, context):
    asked = request("Invoke", FunctionName="echo", ClientContext='{"from": "inside"}')
    ways = [(None, None, None), ("scf.intl.tencentcloudapi.com", "TC3-HMAC-SHA256", "GET")]
    ways += [("scf.ap-guangzhou.tencentcloudapi.com", "HmacSHA1", "POST"), (None, "HmacSHA256", "GET")]
    return [client(*way).Invoke(asked).Result.RetMsg for way in ways]


def from_a_thread(event, context):
    found = []
    thread = threading.Thread(target=lambda: found.extend(call_echo(event, context)))
    thread.start()
    thread.join()
    return found


def end_myself(event, context):
    print("about to end")
    asked = request("TerminateAsyncEvent", FunctionName=context["function_name"], InvokeRequestId=context["request_id"])
    client().TerminateAsyncEvent(asked)
    print("never printed")


def others_credentials(event, context):
    asked = request("Invoke", FunctionName="echo")
    found = []
    for credential in (Credential("AKIDother", "key"), Credential(MINE.secret_id, MINE.secret_key)):
        try:
            client(credential=credential).Invoke(asked)
        except TencentCloudSDKException as error:
            found.append(error.code)
            print(error.message)
        else:
            found.append("let in")
    return found


def with_asyncio(event, context):
    import asyncio
    from tencentcloud.scf.v20180416.scf_client_async import ScfClient as Client

    async def both():
        async with Client(MINE, os.environ["TENCENTCLOUD_REGION"]) as scf:
            asked = request("Invoke", FunctionName="echo", ClientContext='{"from": "inside"}')
            return [found.Result.RetMsg for found in await asyncio.gather(scf.Invoke(asked), scf.Invoke(asked))]

    return asyncio.run(both())
"""
ECHO = "def main_handler(event, context):\n    return event\n"
ANSWER = '{"from": "inside"}'
Make = Callable[..., ScfRuntime]


@pytest.fixture(params=["namespaces", "directory"])
def runtime(request: pytest.FixtureRequest, scf_runtime_of: Make) -> ScfRuntime:
    made = scf_runtime_of(request.param)
    made.deploy(ECHO, name="echo")
    return made


def deploy(runtime: ScfRuntime, handler: str, **config: Any) -> Any:
    return runtime.deploy(CALLER, name="caller", handler=f"index.{handler}", timeout=60, memory=256, **config)


@pytest.mark.parametrize("handler", ["call_echo", "from_a_thread"])
def test_another_function_is_invoked(runtime: ScfRuntime, handler: str) -> None:
    result = deploy(runtime, handler).invoke()
    assert result.return_value == [ANSWER] * 4, result.log
    assert len(runtime.invocations()) == 5


def test_an_event_ends_itself(runtime: ScfRuntime) -> None:
    event = deploy(runtime, "end_myself", async_run=True).invoke_async()
    event.assert_aborted(timeout=60)
    assert event.logs.user.startswith("about to end\n")  # what the SDK logs of its request comes after
    assert "never printed" not in event.logs.user
    event.assert_repossessed(timeout=60)


def test_the_credentials_are_those_of_its_environment(runtime: ScfRuntime) -> None:
    expected = ["AuthFailure.SecretIdNotFound", "AuthFailure.TokenFailure"]
    refused = deploy(runtime, "others_credentials").invoke()
    assert refused.return_value == expected
    assert "the setting credentials" in refused.logs.user


@pytest.mark.parametrize("credentials", ["any", {"AKIDother": "key"}, {"AKIDother": "another key"}])
def test_credentials_of_the_functions_own_are_let_in_by_a_setting(
    scf_runtime_of: Make, credentials: str | dict[str, str]
) -> None:
    runtime = scf_runtime_of("namespaces", credentials=credentials)
    runtime.deploy(ECHO, name="echo")
    first, second = deploy(runtime, "others_credentials").invoke().return_value
    wrong_key = credentials == {"AKIDother": "another key"}
    assert first == ("AuthFailure.SignatureFailure" if wrong_key else "let in")
    assert second == ("let in" if credentials == "any" else "AuthFailure.TokenFailure")


@pytest.mark.parametrize("credentials", ["all", "", None, {"AKIDother": ""}, {"": "key"}, ["AKIDother"]])
def test_credentials_that_cannot_be(credentials: object) -> None:
    with pytest.raises(UsageError, match="credentials must be"):
        ScfRuntime(credentials=credentials)


def test_the_clients_for_asyncio(runtime: ScfRuntime) -> None:
    pytest.importorskip("httpx")
    result = deploy(runtime, "with_asyncio").invoke()
    assert result.return_value == [ANSWER] * 2, result.log


@pytest.mark.parametrize("level", ["namespaces", "directory"])
def test_an_interpreter_of_its_own(scf_runtime_of: Make, level: str) -> None:
    runtime = scf_runtime_of(level, start_method="spawn")
    runtime.deploy(ECHO, name="echo")
    result = deploy(runtime, "call_echo").invoke()
    assert result.return_value == [ANSWER] * 4, result.log


def test_each_runtime_is_reached_by_its_own_functions(scf_runtime_of: Make) -> None:
    first, second = scf_runtime_of("directory"), scf_runtime_of("directory")
    first.deploy(ECHO, name="echo")
    second.deploy("def main_handler(event, context):\n    return 'second'\n", name="echo")
    assert deploy(first, "call_echo").invoke().return_value == [ANSWER] * 4
    assert deploy(second, "call_echo").invoke().return_value == ['"second"'] * 4


WAITING = """
import os, time

def main_handler(event, context):
    with open(os.environ["FIFO"], "w") as fifo:
        fifo.write("arrived")
    time.sleep(999)
"""


def test_a_call_in_flight_when_the_runtime_is_closed(scf_runtime_of: Make, tmp_path: Path) -> None:
    runtime = scf_runtime_of("directory")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    runtime.deploy(WAITING, name="echo", timeout=900, environment={"FIFO": str(fifo)})
    event = deploy(runtime, "call_echo", async_run=True).invoke_async()
    assert fifo.read_text() == "arrived"
    assert runtime.close() == [event]
    assert event.status == "ABORTED"


def test_a_fork_that_closes_its_copy_leaves_the_parent_s_open(scf_runtime_of: Make) -> None:
    runtime = scf_runtime_of("directory")
    runtime.deploy(ECHO, name="echo")
    function = deploy(runtime, "call_echo")
    with runtime.endpoint() as endpoint:
        for _ in range(2):  # before the first call from inside, and after it
            with warnings.catch_warnings():  # from Python 3.12 on: there are threads
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                try:
                    endpoint.close()
                    runtime.close()
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
            assert function.invoke().return_value == [ANSWER] * 4
            with connect(endpoint.port) as sock:
                sock.sendall(GOOD)
                assert "Error" in read_answer(sock)
