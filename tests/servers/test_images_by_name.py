"""Functions of images that clients create by name, with the official SDK (docs/cloud-contract.md#image-functions)."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ApiError, ScfRuntime, UsageError, api_errors

models = pytest.importorskip("tencentcloud.scf.v20180416.models")
sdk = pytest.importorskip("tencentcloud.scf.v20180416.scf_client")
from tencentcloud.common.credential import Credential  # noqa: E402
from tencentcloud.common.exception import TencentCloudSDKException  # noqa: E402

URI = "ccr.ccs.tencentyun.com/shop/api:1"
DOCKERFILE = """
FROM python:3.11
ENV SHOP=corner GREETING=hello
COPY app.py /app/
WORKDIR /app
ENTRYPOINT ["python"]
CMD ["-u", "app.py"]
"""
SAYS_ARGUMENTS = """
def answer(request, event):
    said = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}
    request.reply(200, json.dumps(said))
"""


@pytest.fixture
def runtime(isolated: ScfRuntime) -> ScfRuntime:
    return isolated


@pytest.fixture
def call(runtime: ScfRuntime) -> Callable[..., Any]:
    """An action of the official SDK's client, by its name and fields."""
    client = sdk.ScfClient(Credential("id", "key"), "ap-guangzhou")

    def call(action: str, **fields: Any) -> Any:
        request = getattr(models, f"{action}Request")()
        request._deserialize(fields)
        with runtime.sdk():
            return getattr(client, action)(request)

    return call


def image(uri: str = URI, **fields: Any) -> dict[str, Any]:
    return {"ImageConfig": {"ImageType": "personal", "ImageUri": uri, **fields}}


def create(call: Callable[..., Any], code: dict[str, Any], **fields: Any) -> None:
    call("CreateFunction", FunctionName="api", Runtime="CustomImage", Code=code, **fields)


def invoke(call: Callable[..., Any]) -> Any:
    result = call("Invoke", FunctionName="api", ClientContext='{"id": 7}', LogType="Tail").Result
    assert result.InvokeResult == 0, result.Log
    return json.loads(result.RetMsg)


def test_a_flask_application_runs_as_its_image(runtime: ScfRuntime, call: Callable[..., Any], tmp_path: Path) -> None:
    pytest.importorskip("flask")
    (tmp_path / "app.py").write_text(
        textwrap.dedent("""
            from flask import Flask, request
            app = Flask(__name__)

            @app.post("/event-invoke")
            def invoke():
                return {"event": request.json, "name": request.headers["X-Scf-Name"]}

            app.run(host="0.0.0.0", port=9000)
        """)
    )
    runtime.images.add(URI, ["python", "app.py"], cwd=tmp_path)
    digest = "sha256:" + "0a" * 32
    create(call, image(f"{URI}@{digest}", RegistryId="tcr-1", Command="./start", Args="--fast"))
    assert invoke(call) == {"event": {"id": 7}, "name": "api"}
    told = call("GetFunction", FunctionName="api", ShowCode="TRUE")
    assert (told.Runtime, told.Type, told.InitTimeout, told.CodeSize, told.CodeInfo) == (
        "CustomImage",
        "Event",
        90,
        0,
        "",
    )
    assert told.ImageConfig.ImageUri == f"{URI}@{digest}"
    assert (told.ImageConfig.Command, told.ImageConfig.Args) == ("./start", "--fast")
    assert (told.ImageConfig.RegistryId, told.ImageConfig.ImagePort) == ("tcr-1", 9000)


def test_command_and_args_take_the_place_of_those_of_a_dockerfile(
    runtime: ScfRuntime, call: Callable[..., Any], server: Callable[..., Path]
) -> None:
    pytest.importorskip("dockerfile_parse")
    directory = server(SAYS_ARGUMENTS)
    (directory / "Dockerfile").write_text(DOCKERFILE)
    runtime.images[URI] = directory
    variables = {"Variables": [{"Key": "GREETING", "Value": "hi"}]}
    create(call, image(Args="app.py --verbose 'a b'"), Environment=variables)
    found = invoke(call)
    assert (found["argv"], found["cwd"]) == (["--verbose", "a b"], "/app")
    assert (found["env"]["SHOP"], found["env"]["GREETING"]) == ("corner", "hi")
    assert found["env"]["SCF_RUNTIME"] == "CustomImage"
    told = call("GetFunction", FunctionName="api").Environment.Variables
    assert [(each.Key, each.Value) for each in told] == [("GREETING", "hi")]
    call("UpdateFunctionCode", FunctionName="api", Code=image(Command="python app.py", Args="last"))
    assert invoke(call)["argv"] == ["last"]
    assert call("GetFunction", FunctionName="api").ImageConfig.Args == "last"


def test_a_web_function_of_an_image(runtime: ScfRuntime, call: Callable[..., Any], server: Callable[..., Path]) -> None:
    runtime.images.add(URI, ["python", "app.py"], cwd=server())
    create(call, image(ImagePort=9000), Type="HTTP")
    with pytest.raises(TencentCloudSDKException, match="web function"):
        call("Invoke", FunctionName="api")
    assert call("GetFunction", FunctionName="api").Type == "HTTP"


def test_a_published_version_keeps_its_image(
    runtime: ScfRuntime, call: Callable[..., Any], server: Callable[..., Path]
) -> None:
    runtime.images.add(URI, ["python", "app.py"], cwd=server("def answer(r, e):\n    r.reply(200, '1')\n"))
    runtime.images[f"{URI}.1"] = ["python", "-c", "raise SystemExit(3)"]
    create(call, image())
    call("PublishVersion", FunctionName="api")
    call("UpdateFunctionCode", FunctionName="api", Code=image(f"{URI}.1"))
    assert call("Invoke", FunctionName="api", Qualifier="1").Result.RetMsg == "1"
    assert call("GetFunction", FunctionName="api", Qualifier="1").ImageConfig.ImageUri == URI
    assert call("Invoke", FunctionName="api").Result.InvokeResult != 0


def test_an_image_that_nobody_knows_is_refused_with_what_to_do(call: Callable[..., Any]) -> None:
    with pytest.raises(TencentCloudSDKException) as refused:
        create(call, image())
    assert refused.value.code == "ResourceNotFound.ImageConfig"
    assert f"scf_runtime.images['{URI}']" in refused.value.message
    assert "--scf-launcher" in refused.value.message


@pytest.mark.parametrize(
    ("code", "fields", "error"),
    [
        ({"ImageConfig": {"ImageType": "private", "ImageUri": URI}}, {}, "InvalidParameterValue.ImageType"),
        (image("api"), {}, "InvalidParameterValue.ImageUri"),
        ({"ImageConfig": {"ImageType": "enterprise", "ImageUri": URI}}, {}, "MissingParameter"),
        (image(ImagePort=-1), {}, "UnsupportedOperation"),
        (image(), {"Runtime": "Python3.10"}, "InvalidParameterValue.Code"),
        ({"ZipFile": "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}, {}, "MissingParameter.Code"),
    ],
)
def test_what_cannot_be_is_refused(
    runtime: ScfRuntime, code: dict[str, Any], fields: dict[str, Any], error: str
) -> None:
    runtime.images[URI] = ["true"]
    asked = {"FunctionName": "api", "Runtime": "CustomImage", "Code": code, **fields}
    with pytest.raises(ApiError) as refused:
        runtime.api.call("CreateFunction", asked)
    assert refused.value.code == error
    assert not runtime.api.call("ListFunctions", {})["Functions"]


def test_code_and_image_do_not_take_each_others_place(runtime: ScfRuntime, tmp_path: Path) -> None:
    runtime.images[URI] = ["true"]
    (tmp_path / "index.py").write_text("main_handler = print\n")
    runtime.deploy(tmp_path, name="code")
    with pytest.raises(api_errors.InvalidParameterValueCode, match="to an image"):
        runtime.api.call("UpdateFunctionCode", {"FunctionName": "code", "Code": image()})
    runtime.deploy_image(["true"], name="image")
    with pytest.raises(api_errors.InvalidParameterValueCode, match="from an image"):
        runtime.api.call("UpdateFunctionCode", {"FunctionName": "image", "Code": {"LocalPath": str(tmp_path)}})


def test_images_are_named_by_the_settings_too(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    runtime = scf_runtime_of("directory", images={URI: ["python", "app.py"], "a.b/c/d:2": "Dockerfile"})
    assert set(runtime.images) == {URI, "a.b/c/d:2"}
    assert runtime.images[f"{URI}@sha256:00"].command == ["python", "app.py"]
    del runtime.images[URI]
    assert len(runtime.images) == 1
    with pytest.raises(UsageError, match="images must be a dict"):
        ScfRuntime(images=[URI])


@pytest.mark.parametrize(
    ("value", "match"),
    [(7, "takes a command"), ([], "program and its arguments"), ("nowhere/Dockerfile", "there is no")],
)
def test_what_no_image_can_run_is_refused_at_once(scf_runtime: ScfRuntime, value: object, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        scf_runtime.images[URI] = value
    assert URI not in scf_runtime.images


PROJECT = f"""
component: scf
name: api
inputs:
  src: .
  image:
    imageUri: {URI}
    registryId: tcr-1
    command: python
    args: -u app.py
"""


def test_an_image_of_a_project_file(runtime: ScfRuntime, server: Callable[..., Path]) -> None:
    pytest.importorskip("yaml")
    directory = server("def answer(r, e):\n    r.reply(200, json.dumps(e))\n")
    (directory / "serverless.yml").write_text(PROJECT)
    with pytest.raises(UsageError, match=r"serverless\.yml, line 5: inputs: function .*ResourceNotFound\.ImageConfig"):
        runtime.deploy(directory / "serverless.yml")
    runtime.images.add(URI, ["python", "app.py"], cwd=directory)
    fn = runtime.deploy(directory / "serverless.yml")
    assert fn.invoke({"id": 7}).return_value == {"id": 7}
    told = runtime.api.call("GetFunction", {"FunctionName": fn.name})["ImageConfig"]
    assert (told["ImageType"], told["Command"], told["Args"]) == ("enterprise", "python", "-u app.py")
