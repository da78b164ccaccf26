"""The official SDKs of COS, as they are, in functions of JavaScript and in servers: they reach ``scf_runtime.cos``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime

NODE = """\
const COS = require("cos-nodejs-sdk-v5");
const Bucket = "shots-1250000000", Region = "ap-guangzhou";

exports.main_handler = async (event) => {
  const cos = new COS({ SecretId: "id", SecretKey: "key" });
  const seen = [];
  cos.on("before-send", (options) => seen.push(options.method));
  const { Body } = await cos.getObject({ Bucket, Region, Key: "in/a.txt" });
  await cos.putObject({ Bucket, Region, Key: "out/é.txt", Body: Body.toString().toUpperCase() });
  const { Contents } = await cos.getBucket({ Bucket, Region, Prefix: "out/" });
  return [Contents.map((each) => each.Key), seen, cos instanceof COS];
};
"""
FLASK = """\
import os, sys
from flask import Flask
from qcloud_cos import CosConfig, CosS3Client

app = Flask(__name__)

@app.post("/event-invoke")
def invoke():
    client = CosS3Client(CosConfig(Region="ap-guangzhou", SecretId="id", SecretKey="key"))
    body = client.get_object(Bucket="shots-1250000000", Key="in/a.txt")["Body"].get_raw_stream().read()
    client.put_object(Bucket="shots-1250000000", Key="out/a.txt", Body=body.upper())
    return {"path": sys.path, "variable": os.environ.get("PYTHONPATH")}

app.run(host="0.0.0.0", port=9000)
"""
SERVER_OF_NODE = """\
const http = require("http");
const COS = require("cos-nodejs-sdk-v5");
http.createServer((request, response) => {
  const place = { Bucket: "shots-1250000000", Region: "ap-guangzhou" };
  new COS({ SecretId: "id", SecretKey: "key" }).putObject({ ...place, Key: "out/a.txt", Body: "A,B" }, (error) => {
    response.end(error ? `failed ${error}` : "put");
  });
}).listen(9000, "0.0.0.0");
"""


@pytest.fixture
def layer() -> Path:
    """A directory with the SDK in its ``node_modules``: a layer, as an instance does not see all of this machine."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("there is no node on this machine")
    script = "console.log(require('path').resolve(require.resolve('cos-nodejs-sdk-v5'), '../../..'))"
    found = subprocess.run([program, "-e", script], capture_output=True, text=True, timeout=60)
    if found.returncode:
        pytest.skip("cos-nodejs-sdk-v5 is not installed for node: npm install it, and set NODE_PATH")
    return Path(found.stdout.strip())


def test_a_function_of_javascript(each_level: ScfRuntime, layer: Path, tmp_path: Path) -> None:
    bucket = each_level.cos("shots")
    bucket.put("in/a.txt", "a,b")
    (tmp_path / "index.js").write_text(NODE)
    fn = each_level.deploy(tmp_path, runtime="Nodejs18.15", layers=[layer], timeout=60)
    result = fn.invoke()
    assert result.return_value == [["out/é.txt"], ["GET", "PUT", "GET"], True], result.log
    assert bucket.get("out/é.txt") == b"A,B"


def test_a_version_that_tells_nobody_before_it_sends(isolated: ScfRuntime, tmp_path: Path) -> None:
    """Those of before 2018 are laid out so, and send by the module request."""
    if shutil.which("node") is None:
        pytest.skip("there is no node on this machine")
    files = {
        "node_modules/cos-nodejs-sdk-v5/index.js": "module.exports = require('./sdk/base');",
        "node_modules/cos-nodejs-sdk-v5/sdk/base.js": "const send = require('request');"
        "exports.get = (url) => new Promise((done) => send({ url, method: 'GET' }, done));",
        "node_modules/request/index.js": "module.exports = ({ url, headers }, done) =>"
        "require('http').get(url, { headers }, (answer) => answer.on('data', (data) => done(data.toString())));",
        "index.js": "exports.main_handler = async (event) => require('cos-nodejs-sdk-v5').get(event.url);",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    isolated.cos("shots").put("in/a.txt", b"a,b")
    fn = isolated.deploy(tmp_path, runtime="Nodejs18.15")
    url = "http://shots-1250000000.cos.ap-guangzhou.myqcloud.com/in/a.txt"
    assert fn.invoke({"url": url}).return_value == "a,b"


def test_a_module_of_javascript(isolated: ScfRuntime, layer: Path, tmp_path: Path) -> None:
    bucket = isolated.cos("shots")
    bucket.put("in/a.txt", "a,b")
    (tmp_path / "node_modules").symlink_to("/opt/node_modules")  # NODE_PATH is not for modules
    head, _, rest = NODE.partition("\n")
    assert "require" in head
    text = 'import COS from "cos-nodejs-sdk-v5";\n' + rest.replace(
        "exports.main_handler =", "export const main_handler ="
    )
    (tmp_path / "index.mjs").write_text(text)
    result = isolated.deploy(tmp_path, runtime="Nodejs18.15", layers=[layer], timeout=60).invoke()
    assert result.return_value == [["out/é.txt"], ["GET", "PUT", "GET"], True], result.log


def test_a_server_in_python(isolated: ScfRuntime, tmp_path: Path) -> None:
    pytest.importorskip("flask")
    pytest.importorskip("qcloud_cos")
    bucket = isolated.cos("shots")
    bucket.put("in/a.txt", "a,b")
    (tmp_path / "app.py").write_text(FLASK)
    environment = {"PYTHONPATH": "/somewhere"}
    command = [sys.executable, "app.py"]
    result = isolated.deploy_image(command, cwd=tmp_path, environment=environment, timeout=60).invoke()
    assert result.status_code == 200, result.log
    assert bucket.get("out/a.txt") == b"A,B"
    # What has changed the SDK is not seen.
    assert result.return_value["variable"] == "/somewhere"
    assert not [place for place in result.return_value["path"] if place.endswith(os.path.join("probe", "site"))]


def test_a_server_in_javascript(isolated: ScfRuntime, layer: Path, tmp_path: Path) -> None:
    bucket = isolated.cos("shots")
    (tmp_path / "app.js").write_text(SERVER_OF_NODE)
    environment = {"NODE_PATH": "/opt/node_modules", "NODE_OPTIONS": "--no-warnings"}
    command = [str(shutil.which("node")), "app.js"]
    fn = isolated.deploy_image(command, cwd=tmp_path, web=True, environment=environment, layers=[layer], memory=512)
    response = fn.request("GET", "/")
    assert response.text == "put", response.log
    assert bucket.get("out/a.txt") == b"A,B"


def test_a_server_is_led_nowhere_where_no_bucket_is_used(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    show = "def answer(request, event):\n    request.reply(200, json.dumps(dict(os.environ)))\n"
    found: dict[str, Any] = isolated.deploy_image(["python", "app.py"], cwd=server(show)).invoke().return_value
    assert not {"PYTEST_SCF_COS_ENDPOINT", "PYTHONPATH", "NODE_OPTIONS"} & set(found)
