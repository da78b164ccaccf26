"""Functions of project files: what the file says is what is deployed, and what cannot be is refused by its line."""

from __future__ import annotations

import io
import json
import shutil
import textwrap
import zipfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.errors import ScfWarning
from pytest_scf.facade.projects import reading, routes, variables

CODE = """
import os

def main_handler(event, context):
    return [event, os.environ.get("API_HOST"), context["memory_limit_in_mb"], context["function_name"]]
"""
SCF = """
app: shop
stage: dev
component: scf
name: nightly

inputs:
  name: ${name}-${stage}-${app}
  src:
    src: ./src
    exclude:
      - .env
      - 'tests/**'
  runtime: Python3.6
  handler: index.main_handler
  memorySize: '256'
  timeout: 20
  environment:
    variables:
      API_HOST: 'https://${env:API_HOST}/v1'
  events:
    - timer:
        name: tick
        parameters:
          cronExpression: '0 30 1 * * * *'
          argument: '{"job":"report"}'
          enable: true
    - cos:
        name: in
        parameters:
          bucket: shots-1250000000.cos.ap-shanghai.myqcloud.com
          events: 'cos:ObjectCreated:*'
          filter: {prefix: in/, suffix: .csv}
    - apigw:
        name: api
        parameters:
          endpoints: [{path: /, method: GET}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Any:
    """Writes a project file, and the code beside it."""

    def write(text: str, name: str = "serverless.yml", **files: str) -> Path:
        (tmp_path / "src" / "tests").mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / "index.py").write_text(CODE)
        (tmp_path / "src" / "tests" / "test_index.py").write_text("")
        (tmp_path / ".env").write_text("API_HOST=api.example.com\n")
        for file, content in files.items():
            (tmp_path / file.replace("__", "/", 1).replace("__", ".")).write_text(content)
        (tmp_path / name).write_text(textwrap.dedent(text))
        return tmp_path / name

    return write


def test_a_function_and_its_triggers(each_level: ScfRuntime, project: Any) -> None:
    deployed = each_level.deploy_project(project(SCF))
    fn = deployed["nightly"]
    assert (fn.name, deployed["nightly-dev-shop"], list(deployed)) == ("nightly-dev-shop", fn, ["nightly"])
    assert (fn.config.timeout, fn.config.memory, fn.config.runtime) == (20, 256, "Python3.6")
    assert fn.invoke({"a": 1}).return_value == [{"a": 1}, "https://api.example.com/v1", 256, "nightly-dev-shop"]
    assert not (fn.config.code_root / "tests").exists()
    each_level.clock.advance(days=1)
    timer, cos = fn.triggers
    assert timer.events[0].return_value[0]["Message"] == '{"job":"report"}'
    (event,) = each_level.cos("shots").put("in/a.csv", "1")  # wherever the file has the bucket
    assert event.wait().return_value[0]["Records"][0]["cos"]["cosObject"]["key"] == "/1250000000/shots/in/a.csv"
    assert cos.kind == "cos"
    assert fn.request("GET", "/").json()[1] == "https://api.example.com/v1"


def test_deploy_takes_a_file_with_one_function(each_level: ScfRuntime, project: Any) -> None:
    assert each_level.deploy(project(SCF)).name == "nightly-dev-shop"


def test_the_stage_and_the_environment_win(
    each_level: ScfRuntime, project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVERLESS_STAGE", "release")
    monkeypatch.setenv("API_HOST", "other")
    fn = each_level.deploy_project(project(SCF)).function
    assert (fn.name, fn.config.environment) == ("nightly-release-shop", {"API_HOST": "https://other/v1"})
    other = SCF.replace("shots-", "more-")
    assert each_level.deploy_project(project(other), stage="test").function.name == "nightly-test-shop"


LAYERED = """
component: scf
name: nightly
inputs:
  src: ./src
  runtime: Python3.6
  handler: index.main_handler
  environments: {API_HOST: x}
  layers:
    - name: libs
      version: 2
    - {name: more, version: '1'}
"""
LAYER = """
component: layer
name: libs
inputs:
  name: ${name}
  src: {src: ./libs, exclude: [tests]}
  runtimes: [Python3.6]
  description: of the project
"""


def test_layers_are_published_by_projects_and_bound_by_others(
    scf_runtime: ScfRuntime, project: Any, tmp_path: Path
) -> None:
    for each in ("libs/tests", "more"):
        (tmp_path / each).mkdir(parents=True)
    with pytest.raises(
        UsageError, match=r"yml, line 10: inputs\.layers\[0\]: There is no layer libs: publish it before"
    ):
        scf_runtime.deploy_project(project(LAYERED))
    for number in (1, 2):
        (tmp_path / "libs" / "helper.py").write_text(f"WHAT = {number}\n")
        deployed = scf_runtime.deploy_project(project(LAYER, "layer.yml"))
        assert (list(deployed), deployed.layers) == ([], {"libs": number})
    with pytest.raises(UsageError, match=r"yml, line 12: inputs\.layers\[1\]: .*layers={'more': DIRECTORY}"):
        scf_runtime.deploy_project(project(LAYERED))
    (tmp_path / "src" / "index.py").write_text("import helper\ndef main_handler(e, c):\n    return helper.WHAT\n")
    (tmp_path / "serverless.yml").write_text(textwrap.dedent(LAYERED))
    fn = scf_runtime.deploy_project(tmp_path, layers={"more": tmp_path / "more"}).function
    assert fn.invoke().return_value == 2
    assert not any((layer.directory / "tests").exists() for layer in fn.config.layers.versions)
    shown = scf_runtime.api.call("GetLayerVersion", {"LayerName": "libs", "LayerVersion": 2})
    assert (shown["Description"], shown["CompatibleRuntimes"]) == ("of the project", ["Python3.6"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            LAYERED.replace("version: 2", "version: last"),
            r"line 11: inputs\.layers\[0\]\.version: must be a whole number",
        ),
        (
            LAYERED.replace("      version: 2\n", ""),
            r"line 10: inputs\.layers\[0\]: a layer needs a name and a version",
        ),
        (
            LAYER.replace("runtimes: [Python3.6]", "runtimes: [Cobol]"),
            r"line 5: inputs: layer libs: .*CompatibleRuntimes",
        ),
        (LAYER.replace("./libs", "./none"), r"line 6: inputs\.src\.src: there is no "),
    ],
)
def test_layers_that_cannot_be(scf_runtime: ScfRuntime, project: Any, tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "libs").mkdir()
    with pytest.raises(UsageError, match=problem):
        scf_runtime.deploy_project(project(text))


COMPONENT = """
component: scf
name: nightly
inputs:
  src: .
  runtime: Python3.6
  layers:
    - name: ${output:${stage}:${app}:libs.name}
      version: ${output:${stage}:${app}:libs.version}
"""


def test_a_layer_of_another_component(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    layer = LAYER.replace("name: ${name}", "name: own").replace("./libs", ".")
    for directory, text in {"libs": layer, "api": COMPONENT}.items():
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "serverless.yml").write_text(text)
    (tmp_path / "serverless.yml").write_text("app: shop\n")
    (tmp_path / "api" / "index.py").write_text("import helper\ndef main_handler(e, c):\n    return helper.WHAT\n")
    for number in (1, 2):
        (tmp_path / "libs" / "helper.py").write_text(f"WHAT = {number}\n")
        deployed = scf_runtime.deploy_project(tmp_path)
        assert deployed.layers == {"own": number}
        fn = deployed["nightly"]
        assert fn.invoke().return_value == number
        scf_runtime.api.call("DeleteFunction", {"FunctionName": fn.name})
    with pytest.raises(UsageError, match=r"There is no layer libs: publish it before"):
        scf_runtime.deploy_project(tmp_path / "api")
    fn = scf_runtime.deploy_project(tmp_path / "api", layers={"libs": tmp_path / "libs"}).function
    assert fn.invoke().return_value == 2


MULTI = """
app: shop
component: multi-scf
name: users
inputs:
  src: ./src
  runtime: Python3.7
  memorySize: 128
  environments: [{key: API_HOST, value: common}]
  functions:
    list:
      handler: index.main_handler
      memorySize: 256
    create:
      handler: index.main_handler
      timeout: 10
      environments: [{key: API_HOST, value: own}]
  triggers:
    - type: timer
      function: list
      parameters: {name: t, cronExpression: '0 0 * * * * *', enable: true, argument: x}
    - type: apigw
      parameters: {apis: [{path: /, method: GET, function: create}]}
"""


def test_several_functions(each_level: ScfRuntime, project: Any) -> None:
    deployed = each_level.deploy_project(project(MULTI).parent)
    assert [fn.name for fn in deployed.values()] == ["users-dev-shop-list", "users-dev-shop-create"]
    assert deployed["list"].invoke().return_value == [{}, "common", 256, "users-dev-shop-list"]
    assert deployed["create"].invoke().return_value == [{}, "own", 128, "users-dev-shop-create"]
    assert deployed["create"].config.timeout == 10
    assert [trigger.name for trigger in deployed["list"].triggers] == ["t"]
    with pytest.raises(UsageError, match="has 2 functions"):
        each_level.deploy(project(MULTI.replace("name: users", "name: others"), "other.yml"))
    assert len(each_level.api.call("ListFunctions", {})["Functions"]) == 2


def test_requests_through_the_gateway_are_those_that_the_file_declares(scf_runtime: ScfRuntime, project: Any) -> None:
    text = """
    component: scf
    name: shop
    inputs:
      src: ./src
      handler: articles.main_handler
      runtime: Python3.9
      events:
        - apigw:
            parameters:
              endpoints:
                - {path: '/articles/{id}', method: GET, function: {isIntegratedResponse: true}}
                - {path: /plain, method: POST}
    """
    code = (
        "def main_handler(event, context):\n    return {'statusCode': 201, 'body': str(event.get('pathParameters'))}\n"
    )
    fn = scf_runtime.deploy_project(project(text, src__articles__py=code))["shop"]
    response = fn.request("GET", "/articles/7?page=2", via="apigw")
    assert (response.status_code, response.text) == (201, "{'id': '7'}")
    # Without isIntegratedResponse, which is false unless it is given, what is returned is the body.
    response = fn.request("POST", "/plain", via="apigw")
    assert (response.status_code, response.json()) == (200, {"statusCode": 201, "body": "{}"})
    with pytest.raises(UsageError, match=r"no GET /plain .*, only GET /articles/\{id\}, POST /plain"):
        fn.request("GET", "/plain", via="apigw")
    assert fn.request("GET", "/anything").status_code == 201


def test_code_that_lies_in_a_bucket(scf_runtime: ScfRuntime, project: Any, tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("index.py", "def main_handler(event, context):\n    return 'from the bucket'\n")
    scf_runtime.cos("code").put("built/made.zip", content.getvalue())
    stored = "component: scf\nname: stored\ninputs:\n  src: {bucket: code-1250000000, object: built/made.zip}\n"
    text = f"{stored}  runtime: Python3.9\n  events:\n    - http: {{name: url, parameters: {{authType: NONE}}}}\n"
    fn = scf_runtime.deploy_project(project(text))["stored"]
    assert fn.invoke().return_value == "from the bucket"
    (listed,) = scf_runtime.api.call("ListTriggers", {"FunctionName": fn.name})["Triggers"]
    assert (listed["Type"], listed["TriggerName"], json.loads(listed["TriggerDesc"])["AuthType"]) == (
        "http",
        "url",
        "NONE",
    )
    # A bucket beside the directory is where the cloud uploads that.
    beside = "component: scf\nname: beside\ninputs:\n  src: {src: ./src, bucket: code}\n  runtime: Python3.9\n"
    assert scf_runtime.deploy_project(project(beside, "beside.yml"))["beside"].config.code_root == tmp_path / "src"


def test_a_template(each_level: ScfRuntime, project: Any) -> None:
    text = """
    Globals:
      Function: {Runtime: python3.6, Timeout: 7, Environment: {Variables: {API_HOST: global}}}
    Resources:
      shop:
        Type: TencentCloud::Serverless::Namespace
        importer:
          Type: TencentCloud::Serverless::Function
          Properties:
            CodeUri: ./src
            Handler: index.main_handler
            MemorySize: 256
            Events:
              hourly:
                Type: Timer
                Properties: {CronExpression: '0 MINUTE * * * * *', Enable: true, Message: m}
              off:
                Type: Timer
                Properties: {CronExpression: '0 0 * * * * *', Enable: CLOSE}
    """
    minute = (datetime.now(timezone.utc).minute + 30) % 60  # which time itself does not come to meanwhile
    fn = each_level.deploy_project(project(text.replace("MINUTE", str(minute)), "template.yaml"))["importer"]
    assert (fn.namespace, fn.config.timeout, fn.config.runtime) == ("shop", 7, "Python3.6")
    assert fn.invoke().return_value == [{}, "global", 256, "importer"]
    each_level.clock.advance(hours=1)
    assert [event.return_value[0]["Message"] for trigger in fn.triggers for event in trigger.events] == ["m"]


def test_other_ways_to_write_triggers(each_level: ScfRuntime, project: Any) -> None:
    text = """
    component: scf@dev
    name: demo
    inputs:
      src: {src: ./src}
      runtime: Python3.6
      triggers:
        - type: apigw
          apis: [{path: /, method: GET}]
        - {type: timer, cronExpression: '0 0 * * * * *', enable: true, argument: a}
        - {type: cos, bucket: my-bucket, events: 'cos:ObjectCreated:*', filter: {suffix: .jpg}}
      events:
        - timer:
            parameters: {name: own, cronExpression: '0 0 * * * * *', enable: false}
    """
    fn = each_level.deploy_project(project(text)).function
    assert [trigger.name for trigger in fn.triggers if trigger.kind == "timer"] == ["own", "timer-demo-dev-demo"]
    (event,) = each_level.cos("my-bucket").put("a.jpg", "")
    assert event.wait().status_code == 200


def test_what_has_no_effect_is_named_once(each_level: ScfRuntime, project: Any) -> None:
    text = SCF + "  role: SCF_Role\n  vpcConfig: {vpcId: v, subnetId: s}\n  cls:\n"
    with pytest.warns(ScfWarning, match="without effect here: role, vpcConfig") as warned:
        each_level.deploy_project(project(text))
    assert len(warned) == 1


def test_asynchronous_execution_and_retries(each_level: ScfRuntime, project: Any) -> None:
    text = SCF.replace("  timeout: 20\n", "  timeout: 20\n  retryNum: 1\n  msgTTL: 600\n")
    fn = each_level.deploy_project(project(text)).function
    asked = {"FunctionName": fn.name}
    found = each_level.api.call("GetFunctionEventInvokeConfig", asked)["AsyncTriggerConfig"]
    assert (found["RetryConfig"][0]["RetryNum"], found["MsgTTL"]) == (1, 600)
    other = (
        SCF.replace("  timeout: 20\n", "  asyncRunEnable: true\n")
        .replace("name: nightly", "name: long")
        .replace("shots-", "other-")
    )
    assert each_level.deploy_project(project(other)).function.config.async_run


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("timeout: 20", "timeout: soon", r"serverless\.yml, line 17: inputs\.timeout: must be a whole number"),
        ("timeout: 20", "timeout: 1000", r"serverless\.yml, line \d+: inputs: function nightly-dev-shop: .*Timeout"),
        ("src: ./src", "src: ./none", r"line 10: inputs\.src\.src: there is no "),
        ("component: scf", "component: website", r"line 4: component: 'website' is not supported here"),
        ("component: scf", "other: scf", 'has no "component"'),
        ("${env:API_HOST}", "${env:NOBODY}", r"inputs\.environment\.variables\.API_HOST: \$\{env:NOBODY\}"),
        (
            "0 30 1 * * * *",
            "30 1",
            r"line 25: inputs\.events\[0\]\.timer\.parameters: .*nightly-dev-shop: .*has 2 fields",
        ),
        ("bucket: shots-1250000000.cos.ap-shanghai.myqcloud.com", "bucket:", r"cos\.parameters\.bucket: must name a b"),
        ("enable: true", "enable: often", r"must be true or false"),
        ("app: shop", "app: [shop", r"line \d+: "),
        ("runtime: Python3.6", "runtime: Cobol", r"Runtime"),
        ("  events:", "  type: magic\n  events:", "must be event or web"),
        ("  events:", "  image: {command: a}\n  events:", r"inputs\.image: needs an imageUrl"),
        ("  src:\n    src: ./src", "  src:\n    bucket: b\n    object: o\n    src: ./src", "has both src.* and object"),
        ("  src:\n    src: ./src", "  src:\n    object: o.zip", "needs bucket and object"),
        ("  src:\n    src: ./src", "  src:\n    bucket: b\n    object: o.zip", r"line 10: .*There is no bucket b here"),
    ],
)
def test_what_cannot_be_is_refused_with_file_line_and_key(
    each_level: ScfRuntime, project: Any, before: str, after: str, problem: str
) -> None:
    assert before in SCF
    with pytest.raises(UsageError, match=problem):
        each_level.deploy_project(project(SCF.replace(before, after, 1)))
    assert len(each_level.api.call("ListFunctions", {})["Functions"]) in (0, 1)


def test_a_file_that_is_not_there(each_level: ScfRuntime, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no project file"):
        each_level.deploy_project(tmp_path)
    with pytest.raises(UsageError, match="no project file"):
        each_level.deploy("none.yml")
    (tmp_path / "serverless.yml").write_text("component: scf\n")
    with pytest.raises(UsageError, match=r"there is no file .*/serverless\.yaml; there is .*/serverless\.yml"):
        each_level.deploy_project(tmp_path / "serverless.yaml")
    (tmp_path / "serverless.yml").write_text("one: {component: '@serverless/tencent-scf', inputs: {codeUri: ./}}\n")
    with pytest.raises(UsageError, match="has several components, as files once had: each needs a file of its own"):
        each_level.deploy_project(tmp_path)


def test_a_web_function(scf_runtime_of: Any, project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")  # its runtime is that of Node.js unless said, and the bootstrap needs none
    text = "component: http\nname: site\ninputs:\n  src: ./src\n  faas: {memorySize: 256}\n"
    runtime = scf_runtime_of("namespaces")
    with pytest.raises(UsageError, match="has no scf_bootstrap"):
        runtime.deploy_project(project(text))
    file = project(text, src__scf_bootstrap="#!/bin/bash\nexec /var/lang/python3/bin/python3 -u -m http.server 9000\n")
    (file.parent / "src" / "scf_bootstrap").chmod(0o755)
    fn = runtime.deploy_project(file).function
    assert (fn.config.memory, fn.config.type) == (256, "HTTP")
    assert "main_handler" in fn.request("GET", "/index.py").text


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/article/7", "/article/{id}"),
        ("GET", "/article/7/notes", "/article/{id}"),
        ("GET", "/article", "/article"),
        ("POST", "/article", "/"),  # no other takes the method
        ("GET", "/articles", "/"),
        ("GET", "/article/new", "=/article/new"),
        ("GET", "/static/article/7", "^~/static"),
        ("GET", "/a/b/c", "/a/b"),
        ("PUT", "/a/b", "/a/b"),
    ],
)
def test_which_path_of_an_api_gateway_a_request_is_for(method: str, path: str, found: str) -> None:
    declared = [("ANY", "/"), ("GET", "/article"), ("GET", "/article/{id}"), ("GET", "=/article/new")]
    declared += [("GET", "/static/{any}/{more}"), ("GET", "^~/static"), ("GET", "/a"), ("ANY", "/a/b"), ("PUT", "/a/b")]
    leading = [(routes.Route("service", *each), each) for each in declared]
    chosen = routes.choose(leading, method, path)
    assert chosen is not None
    assert chosen[0].path == found
    assert (method == "PUT") == (chosen[1] == ("PUT", "/a/b"))
    assert routes.choose(leading[1:], "POST", "/other") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{method: FETCH}", r"line 8: inputs.triggers\[0\].parameters.apis\[0\].method: must be one of ANY, GET"),
        ("{path: article}", r"apis\[0\].path: must begin with a slash"),
        ("{path: /, function: other}", "there is no function 'other', only list"),
    ],
)
def test_paths_that_cannot_be(project: Any, text: str, problem: str) -> None:
    multi = f"""component: multi-scf
name: users
inputs:
  src: ./src
  functions: {{list: {{handler: index.main_handler}}}}
  triggers:
    - type: apigw
      parameters: {{apis: [{text}]}}
"""
    with pytest.raises(UsageError, match=problem):
        reading.read(project(multi))


def test_a_server_is_started_by_its_entry_file(scf_runtime_of: Any, project: Any) -> None:
    """Where there is no scf_bootstrap, as the deployment makes one."""
    server = "import http.server\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=9000)\n"
    text = """
    component: multi-scf
    name: site
    inputs:
      src: ./src
      type: web
      runtime: Python3.6
      functions:
        - {name: front, entryFile: server.py}
        - {name: back, type: event, handler: index.main_handler}
      triggers:
        - {type: timer, function: {name: back}, parameters: {cronExpression: '0 0 * * * * *'}}
    """
    deployed = scf_runtime_of("namespaces").deploy_project(project(text, src__server__py=server))
    assert "main_handler" in deployed["front"].request("GET", "/index.py").text
    assert [trigger.name for trigger in deployed["back"].triggers] == ["timer-back"]
    assert not (deployed.file.parent / "src" / "scf_bootstrap").exists()


def test_several_components(each_level: ScfRuntime, project: Any) -> None:
    """A root file, which has nothing but what they share, and the components in directories below it."""
    root = project("app: shop\nstage: test\n")
    for name, component in (("first", "scf"), ("second", "scf"), ("net", "vpc")):
        (root.parent / name).mkdir()
        text = f"component: {component}\nname: {name}\ninputs: {{src: ../src, runtime: Python3.6}}\n"
        (root.parent / name / "serverless.yml").write_text(text)
    with pytest.warns(ScfWarning, match=r"net/serverless\.yml: vpc is not deployed here") as warned:
        deployed = each_level.deploy_project(root.parent)
    assert len(warned) == 1
    assert [fn.name for fn in deployed.values()] == ["first-test-shop", "second-test-shop"]
    each_level.api.call("DeleteFunction", {"FunctionName": "first-test-shop"})
    assert each_level.deploy_project(root.parent / "first")["first"].name == "first-test-shop"
    root.write_text("service: of another tool\n")
    for name in ("first", "second"):
        (root.parent / name / "serverless.yml").unlink()
    with (
        pytest.raises(UsageError, match=r"none of scf, multi-scf, .* is below it"),
        pytest.warns(ScfWarning, match="vpc"),
    ):
        each_level.deploy_project(root)


def test_a_framework_starts_as_its_component_has_it(scf_runtime_of: Any, project: Any) -> None:
    """Its node_modules are a layer, which a component in a directory beside it publishes."""
    text = """
    component: http
    app: shop
    name: site
    inputs:
      src: {hook: npm install, dist: ./src}
      faas:
        framework: koa
        runtime: Nodejs12.16
        layers:
          - {name: '${output:${stage}:${app}:site-layer.name}', version: '${output:${stage}:${app}:site-layer.version}'}
      apigw: {protocols: [http]}
    """
    server = """
    require("http").createServer((request, response) => {
      response.end(`${require("helper")} ${process.env.SERVERLESS}`);
    }).listen(9000);
    """
    file = project(text, src__app__js=server)
    (file.parent / "modules" / "helper").mkdir(parents=True)
    (file.parent / "modules" / "helper" / "index.js").write_text("module.exports = 'help';\n")
    (file.parent / "layer").mkdir()
    layer = (
        "component: layer\nname: site-layer\ninputs: {name: own, src: {src: ../modules, targetDir: /node_modules}}\n"
    )
    (file.parent / "layer" / "serverless.yml").write_text(layer.replace("own,", "own, runtimes: [Nodejs12.16],"))
    runtime = scf_runtime_of("namespaces")
    if shutil.which("node") is None:
        pytest.skip("there is no node on this machine")
    with pytest.warns(ScfWarning, match=r"without effect here: src\.hook$"):
        deployed = runtime.deploy_project(file)
    assert deployed.layers == {"own": 1}
    fn = deployed["site"]
    assert (fn.config.timeout, fn.config.memory) == (10, 512)
    assert fn.request("GET", "/").text == "help 1"
    (file.parent / "layer" / "serverless.yml").unlink()
    with pytest.raises(UsageError, match=r"line 11: .*layers\[0\]: There is no layer site-layer: publish it before"):
        runtime.deploy_project(file)


def test_a_custom_runtime(scf_runtime: ScfRuntime, project: Any) -> None:
    bootstrap = """#!/bin/sh
api=http://127.0.0.1:$SCF_RUNTIME_API_PORT/runtime
exec python3 -c "
import sys, urllib.request
urllib.request.urlopen('$api/init/ready', b'')
while True:
    event = urllib.request.urlopen('$api/invocation/next').read()
    urllib.request.urlopen('$api/invocation/response', event)
"
"""
    file = project(
        "component: scf\nname: own\ninputs: {src: ./src, runtime: CustomRuntime}\n", src__bootstrap=bootstrap
    )
    (file.parent / "src" / "bootstrap").chmod(0o755)
    assert scf_runtime.deploy_project(file).function.invoke({"a": 1}).return_value == {"a": 1}


def test_variables_of_a_file() -> None:
    text = """
    # comment
    A=1
    export B = two words # a comment
    C='single # kept'
    D="line\\nbreak"
    E=
    no assignment
    """
    assert variables.read_env(text) == {"A": "1", "B": "two words", "C": "single # kept", "D": "line\nbreak", "E": ""}


def test_the_first_env_file_counts(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".env.dev").write_text("")
    assert variables.env_file(below, "dev") == tmp_path / ".env.dev"
    (below / ".env").write_text("")
    assert variables.env_file(below, "dev") == below / ".env"
    (below / ".env.dev").write_text("")
    assert variables.env_file(below, "dev") == below / ".env.dev"
    assert variables.env_file(below, "test") == below / ".env"


def test_what_only_the_deployment_knows_stays(project: Any) -> None:
    text = SCF.replace("https://${env:API_HOST}/v1", "${output:dev:shop:vpc.id}")
    (plan,) = reading.read(project(text)).functions
    assert plan.environment == {"API_HOST": "${output:dev:shop:vpc.id}"}
