"""Adapters by which public functions serve web applications: what they make of our events, and we of their answers."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime

EVERY_BYTE = bytes(range(256))
WSGI = """
import serverless_wsgi
from flask import Flask, Response, jsonify, request

app = Flask(__name__)

@app.route("/echo/<name>", methods=["POST"])
def echo(name):
    found = jsonify(name, request.args.getlist("a"), request.get_data(as_text=True), request.headers["X-Own"])
    found.set_cookie("a", "1")
    found.set_cookie("b", "2")
    return found, 201

@app.route("/bytes")
def every_byte():
    return Response(bytes(range(256)), mimetype="image/png")

def main_handler(event, context):
    event["queryStringParameters"] = event["queryString"]  # as the flask component's handler has it
    return serverless_wsgi.handle_request(app, event, context)
"""
NODE = """
const url = require("url");
const proxy = require("tencent-serverless-http");

const server = proxy.createServer((request, response) => {
  const { pathname, query } = url.parse(request.url, true);
  if (pathname === "/bytes") {
    response.setHeader("Content-Type", "image/png");
    return response.end(Buffer.from([...Array(256).keys()]));
  }
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    response.writeHead(201, { "Content-Type": "application/json", "Set-Cookie": ["a=1; Path=/", "b=2; Path=/"] });
    const name = decodeURIComponent(pathname.split("/")[2]);
    response.end(JSON.stringify([name, query.a, Buffer.concat(pieces).toString(), request.headers["x-own"]]));
  });
}, null, ["image/png"]);

exports.main_handler = async (event, context) => {
  context.callbackWaitsForEmptyEventLoop = false;
  return proxy.proxy(server, event, context, "PROMISE").promise;
};
"""


def check(fn: Any, via: str) -> None:
    headers = {"Content-Type": "text/plain", "X-Own": "own"}
    response = fn.request("POST", "/echo/x%20y?a=1&a=c%26d", body="é", headers=headers, via=via)
    assert (response.status_code, response.json()) == (201, ["x y", ["1", "c&d"], "é", "own"])
    assert response.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]
    response = fn.request("GET", "/bytes", via=via)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/png")
    assert response.content == EVERY_BYTE


def test_serverless_wsgi(scf_runtime: ScfRuntime) -> None:
    pytest.importorskip("serverless_wsgi")
    pytest.importorskip("flask")
    fn = scf_runtime.deploy(WSGI, name="site", timeout=60)
    for via in ("url", "apigw"):
        check(fn, via)


def test_tencent_serverless_http(scf_runtime: ScfRuntime, tmp_path: Path) -> None:
    packages = Path(os.environ.get("NODE_PATH", ""))
    if shutil.which("node") is None or not (packages / "tencent-serverless-http").is_dir():
        pytest.skip("there is no node, or no tencent-serverless-http: npm install it, and set NODE_PATH")
    copy_package(packages, "tencent-serverless-http", tmp_path / "layer" / "node_modules")
    fn = scf_runtime.deploy(NODE, name="site", timeout=60, runtime="Nodejs18.15", layers=[tmp_path / "layer"])
    for via in ("url", "apigw"):
        check(fn, via)


def copy_package(packages: Path, name: str, target: Path) -> None:
    """With what it depends on."""
    if not (packages / name).is_dir() or (target / name).exists():
        return
    shutil.copytree(packages / name, target / name)
    for other in json.loads((packages / name / "package.json").read_text()).get("dependencies", {}):
        copy_package(packages, other, target)
