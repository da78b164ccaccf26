"""Web functions: HTTP requests reach a server as they are (docs/cloud-contract.md#web-functions)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.api_errors import InvalidParameterRequestTooLarge, ResourceNotFoundFunction, UnsupportedOperation

BOOTSTRAP = "#!/bin/bash\n/var/lang/python37/bin/python3.7 app.py\n"


@pytest.fixture
def web(server: Callable[..., Path]) -> Callable[..., Path]:
    """The same as ``server``, with a bootstrap."""

    def write(code: str = "", bootstrap: str = BOOTSTRAP, mode: int = 0o755) -> Path:
        directory = server(code)
        (directory / "scf_bootstrap").write_text(bootstrap)
        (directory / "scf_bootstrap").chmod(mode)
        return directory

    return write


def test_a_request_passes_through_and_comes_back(each_level: ScfRuntime, web: Callable[..., Path]) -> None:
    if each_level.isolation == "namespaces":
        fn = each_level.deploy_web(web())
    else:
        fn = each_level.deploy_web(web(bootstrap="#!/bin/sh\nexec python app.py\n"))
    response = fn.request("POST", "/jobs?page=2&name=é", headers={"X-Mine": "yes"}, body=b"raw")
    assert (response.status_code, response.ok) == (200, True)
    got = response.json()
    assert got["path"] == "/jobs?page=2&name=%C3%A9"
    assert got["headers"]["X-Mine"] == "yes"
    assert got["headers"]["X-Scf-Request-Id"] == response.request_id
    assert got["headers"]["X-Scf-Name"] == fn.name
    assert response.headers["content-type"] == "application/json"
    assert f"RequestId:{response.request_id}" in response.log


def test_the_status_the_headers_and_the_body_are_the_servers(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    code = """
    def answer(request, event):
        request.reply(404, b"\\x00\\xff", "application/octet-stream", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    """
    response = isolated.deploy_web(web(code)).request("get", "/nothing")
    assert (response.status_code, response.reason, response.ok) == (404, "Not Found", False)
    assert response.content == b"\x00\xff"
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    assert response.invocation.status_code == 200  # what the server answers is its own affair


def test_json_is_encoded(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    code = """
    def answer(request, event):
        request.reply(200, json.dumps([json.loads(event), request.headers["Content-Type"]]))
    """
    response = isolated.deploy_web(web(code)).request("POST", "/", json={"a": [1]})
    assert response.json() == [{"a": [1]}, "application/json"]


def test_a_client_cannot_set_the_platforms_headers(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    got = (
        isolated.deploy_web(web()).request("GET", "/", headers={"X-Scf-Name": "forged", "x-scf-secret-id": "x"}).json()
    )
    assert got["headers"]["X-Scf-Name"] != "forged"
    assert "x-scf-secret-id" not in {name.lower() for name in got["headers"]}


def test_an_instance_is_kept_and_a_time_limit_repossesses_it(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    code = """
    def answer(request, event):
        if request.path == "/hang":
            time.sleep(3600)
        request.reply(200, json.dumps(os.getpid()))
    """
    fn = isolated.deploy_web(web(code), timeout=2)
    first = fn.request("GET", "/").json()
    assert fn.request("GET", "/").json() == first
    hanging = fn.request("GET", "/hang")
    assert hanging.status_code == 433
    assert "time out" in hanging.json()["errorMessage"]
    assert not fn.instances


def test_the_interpreters_of_the_cloud_are_those_at_hand(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    code = "def answer(request, event):\n    request.reply(200, json.dumps(sys.version_info[:2]))\n"
    for path in ("/var/lang/python37/bin/python3.7", "/var/lang/python310/bin/python3", "/var/lang/python3/bin/python"):
        response = isolated.deploy_web(web(code, f"#!/bin/sh\nexec {path} app.py\n")).request("GET")
        assert response.status_code == 200, response.log
    if shutil.which("node"):
        bootstrap = "#!/bin/sh\nexec /var/lang/node16/bin/node server.js\n"
        directory = web(bootstrap=bootstrap)
        (directory / "server.js").write_text(
            "require('http').createServer((q, r) => r.end(JSON.stringify(q.url))).listen(9000)\n"
        )
        assert isolated.deploy_web(directory).request("GET", "/from-node").json() == "/from-node"


def test_limits_of_request_and_response(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    code = """
    def answer(request, event):
        size = int(request.path[1:])
        if request.command == "GET":
            request.reply(200, "", headers=[("X-Long", "x" * size)])
        else:
            request.reply(200, b"x" * size)
    """
    fn = isolated.deploy_web(web(code), timeout=60, memory=512)
    megabytes = 6 * 1024 * 1024
    assert fn.request("GET", "/3500").ok
    refused = fn.request("GET", "/4097")
    assert refused.status_code == 443
    assert "headers of the response" in refused.text
    assert len(fn.request("POST", f"/{megabytes}", body=b"x" * megabytes).content) == megabytes
    assert fn.request("POST", f"/{megabytes + 1}").status_code == 407
    with pytest.raises(InvalidParameterRequestTooLarge):
        fn.request("POST", "/1", body=b"x" * (megabytes + 1))


def test_a_zip_file_keeps_its_bootstrap_executable(
    isolated: ScfRuntime, web: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    archive = shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "site"), "zip", web())
    fn = isolated.deploy_web(archive)
    assert fn.name == "site"
    assert fn.request("GET").ok


def test_it_cannot_be_invoked(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    fn = isolated.deploy_web(web())
    for kind in ("RequestResponse", "Event"):
        with pytest.raises(UnsupportedOperation, match="web function"):
            isolated.api.call("Invoke", {"FunctionName": fn.name, "InvocationType": kind})


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"method": "GET it"}, "method"),
        ({"method": "GET", "path": "jobs"}, "begins with '/'"),
        ({"method": "GET", "headers": {"A b": "c"}}, "is not a header"),
        ({"method": "GET", "headers": {"A": "c\r\nB: d"}}, "is not a header"),
        ({"method": "POST", "body": 7}, "bytes or str"),
        ({"method": "POST", "body": b"", "json": 1}, "not both"),
    ],
)
def test_a_request_that_cannot_be_is_refused(
    isolated: ScfRuntime, web: Callable[..., Path], arguments: Any, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        isolated.deploy_web(web()).request(**arguments)


def test_an_address_passes_requests_on_as_they_are(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    with isolated.http(isolated.deploy_web(web())) as address, httpx.Client(base_url=address.url) as client:
        for number in range(2):
            got = client.post(f"/jobs?page={number}", content=b"\x00raw", headers={"X-Mine": "yes"}).json()
            assert (got["event"], got["path"]) == ("\x00raw", f"/jobs?page={number}")
            assert (got["headers"]["x-mine"], got["headers"]["host"]) == ("yes", f"127.0.0.1:{address.port}")


def test_an_image_function_takes_requests_as_events(isolated: ScfRuntime, server: Callable[..., Path]) -> None:
    fn = isolated.deploy_image(["python", "app.py"], cwd=server())
    got = fn.request("GET", "/article?id=1").json()
    assert (got["path"], got["event"]["path"], got["event"]["queryString"]) == (
        "/event-invoke",
        "/article",
        {"id": "1"},
    )


def test_a_bootstrap_that_cannot_start_is_said(
    isolated: ScfRuntime, web: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.raises(UsageError, match="is not executable"):
        isolated.deploy_web(web(mode=0o644))
    with pytest.raises(UsageError, match="has none"):
        isolated.deploy_web(tmp_path_factory.mktemp("empty"))
    with pytest.raises(UsageError, match="neither"):
        isolated.deploy_web(__file__)
    assert isolated.deploy_web(web(bootstrap="#!/no/such/shell\n")).request("GET").status_code == 445
    exits = isolated.deploy_web(web(bootstrap="#!/bin/sh\necho not today; exit 4\n")).request("GET")
    assert exits.status_code == 405
    assert "not today" in exits.log
    assert json.loads(exits.text)["statusCode"] == 405


def test_a_deleted_web_function_is_not_started_again(isolated: ScfRuntime, web: Callable[..., Path]) -> None:
    fn = isolated.deploy_web(web())
    assert fn.request("GET", "/").ok
    isolated.api.call("DeleteFunction", {"FunctionName": fn.name})
    with pytest.raises(ResourceNotFoundFunction, match="deleted"):
        fn.request("GET", "/")
    assert isolated.instances == []
