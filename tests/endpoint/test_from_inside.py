"""A handler that calls the official SDK as it would in the cloud: its hosts, https, and what its environment holds."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from wiring import GOOD, connect, read_answer

from pytest_scf import InstanceError, ScfRuntime, UsageError
from pytest_scf.instances.sockets import socketpair

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
def runtime_with_echo(request: pytest.FixtureRequest, scf_runtime_of: Make) -> ScfRuntime:
    made = scf_runtime_of(request.param)
    made.deploy(ECHO, name="echo")
    return made


def deploy(runtime: ScfRuntime, handler: str, **config: Any) -> Any:
    return runtime.deploy(CALLER, name="caller", handler=f"index.{handler}", timeout=60, memory=256, **config)


@pytest.mark.parametrize("handler", ["call_echo", "from_a_thread"])
def test_another_function_is_invoked(runtime_with_echo: ScfRuntime, handler: str) -> None:
    result = deploy(runtime_with_echo, handler).invoke()
    assert result.return_value == [ANSWER] * 4, result.log
    assert len(runtime_with_echo.invocations()) == 5


def test_an_event_ends_itself(runtime_with_echo: ScfRuntime) -> None:
    event = deploy(runtime_with_echo, "end_myself", async_run=True).invoke_async()
    event.assert_aborted(timeout=60)
    assert event.logs.user.startswith("about to end\n")  # what the SDK logs of its request comes after
    assert "never printed" not in event.logs.user
    event.assert_repossessed(timeout=60)


def test_the_credentials_are_those_of_its_environment(runtime_with_echo: ScfRuntime) -> None:
    expected = ["AuthFailure.SecretIdNotFound", "AuthFailure.TokenFailure"]
    refused = deploy(runtime_with_echo, "others_credentials").invoke()
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


def test_the_clients_for_asyncio(runtime_with_echo: ScfRuntime) -> None:
    pytest.importorskip("httpx")
    result = deploy(runtime_with_echo, "with_asyncio").invoke()
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


def test_the_api_is_there_again_after_a_lack_of_descriptors_and_threads(
    scf_runtime_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scf_runtime_of("directory")
    runtime.deploy(ECHO, name="echo")
    function = deploy(runtime, "call_echo")
    failed: list[str] = []

    def no_descriptor(*args: object) -> NoReturn:
        failed.append("no descriptor")
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("pytest_scf.endpoint.listener.Socket", no_descriptor)
        with pytest.raises(InstanceError, match=r"cannot be started: Too many open files: .* ulimit -n"):
            function.invoke()

    start = threading.Thread.start

    def pair_or_not() -> Any:
        return socketpair() if len(failed) > 1 else no_descriptor()

    def start_or_not(thread: threading.Thread) -> None:
        if thread.name == "pytest-scf-endpoint" and len(failed) < 3:
            failed.append("no thread")
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr("pytest_scf.endpoint.server.socketpair", pair_or_not)
    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    result = function.invoke()
    assert result.return_value == [ANSWER] * 4, result.log
    assert failed == ["no descriptor", "no descriptor", "no thread"]


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


CALLER_IN_PYTHON = """
import base64, hashlib, hmac, json, os, time, urllib.parse, urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

def call(action, **params):
    endpoint = os.environ["PYTEST_SCF_API_ENDPOINT"]
    params.update(Action=action, Version="2018-04-16", Region="ap-guangzhou", Nonce="1")
    params.update(SecretId=os.environ["TENCENTCLOUD_SECRETID"], Token=os.environ["TENCENTCLOUD_SESSIONTOKEN"])
    params.update(Timestamp=str(int(time.time())))
    text = "POST" + endpoint + "/?" + "&".join(name + "=" + params[name] for name in sorted(params))
    digest = hmac.new(os.environ["TENCENTCLOUD_SECRETKEY"].encode(), text.encode(), hashlib.sha1).digest()
    body = urllib.parse.urlencode({**params, "Signature": base64.b64encode(digest).decode()}).encode()
    return json.load(urllib.request.urlopen("http://" + endpoint, body))["Response"]

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        event = self.rfile.read(int(self.headers["Content-Length"])).decode()
        body = json.dumps(call("Invoke", FunctionName="echo", ClientContext=event)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("", 9000), Handler).serve_forever()
"""
CALLER_IN_JAVASCRIPT = """
const crypto = require("crypto");
const http = require("http");

exports.main_handler = (event) => new Promise((resolve, reject) => {
  const endpoint = process.env.PYTEST_SCF_API_ENDPOINT;
  const params = {
    FunctionName: "echo", ClientContext: JSON.stringify(event), Action: "Invoke", Version: "2018-04-16", Nonce: "1",
    Region: process.env.TENCENTCLOUD_REGION, Timestamp: String(Math.floor(Date.now() / 1000)),
    SecretId: process.env.TENCENTCLOUD_SECRETID, Token: process.env.TENCENTCLOUD_SESSIONTOKEN,
  };
  const listed = Object.keys(params).sort().map((name) => `${name}=${params[name]}`).join("&");
  const hmac = crypto.createHmac("sha1", process.env.TENCENTCLOUD_SECRETKEY);
  params.Signature = hmac.update(`GET${endpoint}/?${listed}`).digest("base64");
  http.get(`http://${endpoint}/?${new URLSearchParams(params)}`, (response) => {
    let text = "";
    response.on("data", (data) => { text += data; });
    response.on("end", () => resolve(JSON.parse(text).Response));
  }).on("error", reject);
});
"""


@pytest.mark.usefixtures("port_9000")
def test_a_server_in_an_image_calls_the_endpoint_that_it_is_told(runtime_with_echo: ScfRuntime, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(CALLER_IN_PYTHON)
    function = runtime_with_echo.deploy_image([sys.executable, "app.py"], cwd=tmp_path, timeout=60)
    for number in range(2):  # by the same instance: each call has a connection of its own
        result = function.invoke({"n": number})
        assert result.return_value["Result"]["RetMsg"] == json.dumps({"n": number}), result.log


def test_a_server_of_a_custom_runtime_is_told_the_endpoint(runtime_with_echo: ScfRuntime, tmp_path: Path) -> None:
    call = CALLER_IN_PYTHON.partition("class Handler")[0]
    bootstrap = f"""#!{sys.executable}
{call}
base = "http://127.0.0.1:" + os.environ["SCF_RUNTIME_API_PORT"] + "/runtime/"
urllib.request.urlopen(base + "init/ready", b"")
while True:
    event = urllib.request.urlopen(base + "invocation/next").read().decode()
    answer = call("Invoke", FunctionName="echo", ClientContext=event)
    urllib.request.urlopen(base + "invocation/response", json.dumps(answer).encode())
"""
    (tmp_path / "bootstrap").write_text(bootstrap)
    (tmp_path / "bootstrap").chmod(0o755)
    result = runtime_with_echo.deploy(tmp_path, runtime="CustomRuntime", timeout=60).invoke({"n": 1})
    assert result.return_value["Result"]["RetMsg"] == '{"n": 1}', result.log


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node on this machine")
def test_a_function_in_javascript_calls_the_endpoint_that_it_is_told(runtime_with_echo: ScfRuntime) -> None:
    function = runtime_with_echo.deploy(CALLER_IN_JAVASCRIPT, name="js", runtime="Nodejs18.15", timeout=60)
    result = function.invoke({"n": 1})
    assert result.return_value["Result"]["RetMsg"] == '{"n": 1}', result.log
