"""``python -m pytest_scf serve serverless.yml``, in a process of its own, and what reaches it from outside."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import DEADLINE, Serve

from pytest_scf.command import main
from pytest_scf.endpoint.http_server import HttpRequest, HttpResponse
from pytest_scf.facade.handles import Function
from pytest_scf.serve import watching
from pytest_scf.serve.addresses import logged, of_function
from pytest_scf.serve.project import ServedProject
from pytest_scf.serve.watching import Code, Watch

pytest.importorskip("yaml")
pytest.importorskip("tencentcloud.scf.v20180416.models")

#: an address of this machine whose ports nobody else takes
OWN_HOST = "127.0.0.5" if sys.platform == "linux" else "127.0.0.1"
SHOP = """
app: shop
component: multi-scf
name: shop
inputs:
  src: {src: ./src, exclude: ['tests/**']}
  region: ap-shanghai
  runtime: Python3.9
  environments: [{key: GREETING, value: '${env:GREETING}'}]
  functions:
    articles: {handler: articles.main_handler}
    pictures: {handler: pictures.main_handler}
    tick: {handler: tick.main_handler, name: 'tick-${stage}'}
  triggers:
    - type: apigw
      parameters:
        apis:
          - {path: '/article/{id}', method: GET, function: articles}
          - {path: /, method: ANY, function: pictures}
    - type: cos
      function: pictures
      parameters: {bucket: shop-1250000000.cos.ap-shanghai.myqcloud.com, events: 'cos:ObjectCreated:*'}
    - type: timer
      function: tick
      parameters: {name: often, cronExpression: '* * * * * * *', argument: now, enable: true}
    - type: timer
      function: tick
      parameters: {name: never, cronExpression: '0 0 0 1 1 * *', enable: false}
"""
ARTICLES = """
import json, os
def main_handler(event, context):
    found = {**event["pathParameters"], "greeting": os.environ["GREETING"], "region": context["tencentcloud_region"]}
    return {"statusCode": 200, "body": json.dumps(found)}
"""
PICTURES = """
def main_handler(event, context):
    if "Records" not in event:
        return {"statusCode": 201, "body": event["path"]}
    print("picture", event["Records"][0]["cos"]["cosObject"]["key"])
"""
TICK = "def main_handler(event, context):\n    print('first', event['TriggerName'], event['Message'])\n"

APP = """
from http.server import BaseHTTPRequestHandler, HTTPServer

class Echo(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

HTTPServer(("0.0.0.0", 9000), Echo).serve_forever()
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    for name, text in (("articles", ARTICLES), ("pictures", PICTURES), ("tick", TICK)):
        (tmp_path / "src" / f"{name}.py").write_text(text)
    (tmp_path / ".env.test").write_text("GREETING=hello\n")
    (tmp_path / "serverless.yml").write_text(SHOP)
    return tmp_path


def ask(url: str, method: str = "GET", data: bytes | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=DEADLINE) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_whole_project_is_served(serve: Serve, shop: Path) -> None:
    served = serve(shop, "--port=0", "--stage=test")
    assert served.said("region (.*)") == "ap-shanghai"
    assert f"function tick-test: {shop}/src, tick.main_handler" in served.printed
    assert "timer often at * * * * * * *: tick-test" in served.printed
    assert "timer never at 0 0 0 1 1 * *, disabled: tick-test" in served.printed
    assert "cos cos:ObjectCreated:* of * in shop-1250000000: shop-test-shop-pictures" in served.printed

    gateway = served.said(
        r"(http://\S+)/article/\{id\}: GET, function shop-test-shop-articles, through the API gateway"
    )
    assert served.said(r"(http://\S+)/: ANY, function shop-test-shop-pictures, through the API gateway") == gateway
    status, body = ask(f"{gateway}/article/7")
    assert (status, json.loads(body)) == (200, {"id": "7", "greeting": "hello", "region": "ap-shanghai"})
    assert ask(f"{gateway}/other", "POST", b"x") == (201, b"/other")

    bucket = served.said(r"(http://\S+)/: bucket shop-1250000000$")
    assert ask(f"{bucket}/a.jpg", "PUT", b"picture") == (200, b"")
    assert ask(f"{bucket}/a.jpg") == (200, b"picture")
    served.until(r"shop-test-shop-pictures \w{8} \| picture /1250000000/shop/a.jpg$")
    served.until(r"tick-test \w{8} \| first often now$")
    ran = served.call("Invoke", FunctionName="tick-test", ClientContext='{"TriggerName": 1, "Message": 2}')
    assert ran["Result"]["RetMsg"] == "null"

    below = psutil.Process(served.process.pid).children(recursive=True)
    served.end(signal.SIGTERM)
    assert served.process.returncode == 0
    assert psutil.wait_procs(below, timeout=DEADLINE)[1] == []
    assert any(line.endswith("ms GET /article/7: 200") for line in served.printed)
    # The timer may be due between the two.
    assert "SIGTERM: closing" in served.printed
    assert served.printed[-1] == "closed"


def test_changed_code_is_what_a_timer_runs_next(serve: Serve, shop: Path) -> None:
    """Also where the function has a copy of it, as something is excluded."""
    served = serve(shop / "serverless.yml", "--port=0", environment={"GREETING": "", "SERVERLESS_STAGE": "dev"})
    served.until(r"tick-dev \w{8} \| first ")
    (shop / "src" / "tick.py").write_text(TICK.replace("first", "second"))
    served.until(r"^tick-dev: its code has changed, and is loaded anew$")
    served.until(r"tick-dev \w{8} \| second ")
    served.end()


def test_a_bucket_for_functions_without_triggers_of_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "index.py").write_text("def main_handler(event, context):\n    return event\n")
    served = serve(tmp_path, "--port=0", "--bucket=notes")
    address = served.said(r"(http://\S+)/: bucket notes-1250000000$")
    assert ask(f"{address}/a/b.txt", "PUT", b"text") == (200, b"")
    assert b"<Key>a/b.txt</Key>" in ask(f"{address}/?prefix=a")[1]
    served.end()


URL = """
component: scf
name: site
inputs:
  src: ./src
  runtime: Python3.9
  handler: pictures.main_handler
  vpcConfig: {vpcId: v}
  events:
    - http: {name: url, parameters: {authType: NONE}}
    - apigw: {parameters: {endpoints: [{path: =/exactly, method: POST, function: {isIntegratedResponse: true}}]}}
"""


def test_a_function_url_and_a_path_that_no_api_has(serve: Serve, shop: Path) -> None:
    (shop / "serverless.yml").write_text(URL)
    served = serve(shop, "--port=0")
    assert any(line.endswith("without effect here: vpcConfig") for line in served.printed)
    url = served.said(r"(http://\S+)/: function site-dev-site$")
    gateway = served.said(r"(http://\S+)=/exactly: POST, function site-dev-site, through the API gateway")
    assert ask(f"{url}/any") == (201, b"/any")
    assert ask(f"{gateway}/exactly", "POST", b"") == (201, b"/exactly")
    status, body = ask(f"{gateway}/exactly/not", "POST", b"")
    assert status == 404
    assert json.loads(body)["message"].startswith("There is no api match uri[/exactly/not] host [127.0.0.1:")
    assert ask(f"{gateway}/exactly")[0] == 404
    assert served.end(signal.SIGINT)[-2:] == ["SIGINT: closing", "closed"]


def test_a_response_that_cannot_be_sent_is_logged_as_what_is_sent() -> None:
    said: list[str] = []
    answering = logged(lambda request: HttpResponse(200, b"", [("a name", "v")]), lambda what, _: said.append(what))
    response = answering(HttpRequest("GET", "/a", [], b""))
    assert isinstance(response, HttpResponse)
    assert b"'a name'" in response.body
    assert said == ["GET /a: 502"]


SECOND = "def main_handler(event, context):\n    return 'second'\n"


@pytest.fixture
def failing_once(
    tmp_path: Path, scf_runtime_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[Function, Watch, list[str]]:
    """A function whose code has changed, which can be loaded from the second time on; and what is said of it."""
    monkeypatch.setattr(watching, "_LOOK_EVERY", 0.0)
    monkeypatch.setattr(watching, "_LOOK_FOR_TIMERS_EVERY", 0.01)
    runtime = scf_runtime_of("directory")
    (tmp_path / "index.py").write_text("def main_handler(event, context):\n    return 1\n")
    function = runtime.deploy(tmp_path, name="tick")
    failed: list[OSError] = []

    def reload() -> None:
        if not failed:
            failed.append(OSError(errno.ENOSPC, "No space left on device"))
            raise failed[0]
        runtime._platform.update_function(function._record, replace)

    said: list[str] = []
    watch = Watch([Code(function, tmp_path, reload)], said.append)
    (tmp_path / "index.py").write_text(SECOND)
    return function, watch, said


FAILURE = "tick: its code has changed, and cannot be loaded: OSError: [Errno 28] No space left on device"
LOADED = "tick: its code has changed, and is loaded anew"


def test_code_that_cannot_be_loaded_is_a_500_and_tried_again(
    failing_once: tuple[Function, Watch, list[str]],
) -> None:
    function, watch, said = failing_once
    answering = logged(of_function(function, watch.refresh).answering, lambda what, _: said.append(what))
    refused, answered = (answering(HttpRequest("GET", "/", [], b"")) for _ in range(2))
    assert isinstance(refused, HttpResponse)
    assert (refused.status, json.loads(refused.body)["errorMessage"]) == (500, FAILURE)
    assert isinstance(answered, HttpResponse)
    assert (answered.status, answered.body) == (200, b'"second"')
    assert said == [f"GET /: 500, {FAILURE}", LOADED, "GET /: 200"]


def test_code_that_cannot_be_loaded_does_not_end_the_watch(failing_once: tuple[Function, Watch, list[str]]) -> None:
    function, watch, said = failing_once
    loaded = threading.Event()

    def note(text: str) -> None:
        said.append(text)
        if text == LOADED:
            loaded.set()

    watch._say = note
    watch.keep_fresh([function])
    assert loaded.wait(DEADLINE)
    watch.close()
    assert said == [FAILURE, LOADED]


def test_no_copy_is_kept_of_code_that_cannot_be_loaded(shop: Path, scf_runtime_of: Callable[..., Any]) -> None:
    runtime = scf_runtime_of("directory")
    code = next(ServedProject(runtime, shop, "test").codes())
    before = set(runtime._platform.base_dir.glob("code-*"))
    (shop / "src").rename(shop / "elsewhere")
    with pytest.raises(OSError, match="No such file"):
        code.reload()
    assert set(runtime._platform.base_dir.glob("code-*")) == before
    (shop / "elsewhere").rename(shop / "src")
    code.reload()


def test_a_project_is_deployed_and_loaded_anew_while_others_delete_functions(
    shop: Path, scf_runtime_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scf_runtime_of("directory")
    copy = shutil.copytree

    def copy_and_delete_others(*arguments: Any, **keywords: Any) -> object:
        """When it is copied, and no function's yet."""
        copied = copy(*arguments, **keywords)
        runtime.deploy("def main_handler(event, context):\n    return 1\n", name="other")
        runtime.api.call("DeleteFunction", {"FunctionName": "other"})
        return copied

    monkeypatch.setattr(shutil, "copytree", copy_and_delete_others)
    for code in ServedProject(runtime, shop, "test").codes():
        code.reload()


def test_a_web_function(serve: Serve, shop: Path, scf_runtime_of: Callable[..., Any]) -> None:
    scf_runtime_of("namespaces")
    (shop / "serverless.yml").write_text("component: http\nname: site\ninputs:\n  src: ./src\n")
    start = shop / "src" / "scf_bootstrap"
    start.write_text("#!/bin/bash\nexec /var/lang/python3/bin/python3 -u -m http.server 9000\n")
    start.chmod(0o755)
    served = serve(shop, "--port=0")
    assert any(line == f"function site-dev-site: {shop}/src, scf_bootstrap" for line in served.printed)
    assert ask(served.said(r"(http://\S+)/: function site-dev-site$") + "/tick.py") == (200, TICK.encode())
    served.end()


def test_an_image_that_is_named(serve: Serve, tmp_path: Path, scf_runtime_of: Callable[..., Any]) -> None:
    scf_runtime_of("namespaces")
    uri = "ccr.ccs.tencentyun.com/shop/api:1"
    project = f"component: scf\nname: api\ninputs:\n  name: api\n  image: {{imageUri: {uri}, imageType: personal}}\n"
    (tmp_path / "serverless.yml").write_text(project)
    (tmp_path / "app.py").write_text(APP)
    served = serve(tmp_path, "--port=0", "--image", uri, "python -u app.py")
    result = served.call("Invoke", FunctionName="api", ClientContext='{"id": 7}')["Result"]
    assert (result["InvokeResult"], result["RetMsg"]) == (0, '{"id": 7}')
    served.end()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{}/index.html"], 'index.html, line 1: the document: has no "component"'),
        (["{}", "--timeout=7"], "--timeout is for directories of functions"),
        (["{}", "--set", "tick", "timeout=7"], "--set is for directories of functions"),
        (["{}", "--stage=test", "--layer", "libs", "{}/none"], "there is no file or directory"),
        (["{}/src", "--stage=test"], "--stage is for a project file"),
        (["{}"], "serverless.yml, line 9: inputs.environments[0].value: ${{env:GREETING}}: the variable"),
        (
            ["{}", "--stage=test", f"--host={OWN_HOST}", "--port={}"],
            "The addresses of functions and buckets have the ports after --port (2 of",
        ),
    ],
)
def test_what_cannot_be_is_said(
    shop: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (shop / "index.html").write_text("no: project\n")
    with socket.create_server((OWN_HOST, 0)) as taken:
        before = taken.getsockname()[1] - 1
        given = [argument.format(before if "port" in argument else shop) for argument in arguments]
        assert main(["serve", *given]) == 2
    assert words.replace("{{", "{").replace("}}", "}") in capsys.readouterr().err


def test_layers_that_a_project_names(serve: Serve, shop: Path) -> None:
    (shop / "libs").mkdir()
    (shop / "libs" / "helper.py").write_text("WHAT = 7\n")
    (shop / "src" / "index.py").write_text("import helper\ndef main_handler(event, context):\n    return helper.WHAT\n")
    (shop / "serverless.yml").write_text(
        """component: multi-scf
name: site
inputs:
  src: ./src
  runtime: Python3.9
  functions: {handler: {name: handler, layers: [{name: libs, version: 3}]}}
"""
    )
    served = serve(shop, "--port=0", "--layer", "libs", shop / "libs")
    assert served.call("Invoke", FunctionName="handler")["Result"]["RetMsg"] == "7"
    served.end()


TEMPLATE = """
Resources:
  default:
    Type: TencentCloud::Serverless::Namespace
    pictures:
      Type: TencentCloud::Serverless::Function
      Properties:
        CodeUri: ./src
        Handler: pictures.main_handler
        Runtime: Python3.6
        Events:
          api: {Type: APIGW, Properties: {StageName: release, HttpMethod: GET}}
"""


def test_a_template(serve: Serve, shop: Path) -> None:
    (shop / "serverless.yml").unlink()
    (shop / "template.yaml").write_text(TEMPLATE)
    served = serve(shop, "--port=0")
    gateway = served.said(r"(http://\S+)/pictures: GET, function pictures, through the API gateway")
    assert ask(f"{gateway}/pictures") == (201, b"/pictures")
    served.end()
