"""Requests to event functions, as by their URL and through the API gateway, from the test and over HTTP."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading

import httpx
import psutil
import pytest

from pytest_scf import ApiError, ScfRuntime, UsageError


def mirror(event, context):
    return {"statusCode": 200, "headers": {"X-Method": event["httpMethod"]}, "body": json.dumps(event)}


def plain(event, context):
    return {"asked": event["path"]}


def failing(event, context):
    raise ValueError("not today")


def picture(event, context):
    return {
        "isBase64Encoded": True,
        "statusCode": 200,
        "headers": {"Content-Type": "image/png", "Set-Cookie": ["a=1", "b=2"]},
        "body": base64.b64encode(b"\x89PNG\xff").decode(),
    }


def slow(event, context):
    import time

    print("waiting")
    time.sleep(60)


def test_by_the_function_url(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(mirror)
    response = fn.request("POST", "/article?id=1&id=2", headers={"X-Token": "t", "Cookie": "c=1"}, json={"n": "é"})
    assert (response.status_code, response.ok, response.problem) == (200, True, "")
    assert response.headers["x-method"] == "POST"
    event = response.json()
    assert set(event) == {"body", "headers", "httpMethod", "path", "queryString"}
    assert (event["path"], event["queryString"]) == ("/article", {"id": ["1", "2"]})
    assert (event["headers"]["x-token"], event["headers"]["content-type"]) == ("t", "application/json")
    assert json.loads(event["body"]) == {"n": "é"}
    assert event["headers"]["host"].endswith(f".{each_level.settings.region}.tencentscf.com")
    assert response.request_id == response.invocation.request_id
    assert "Report RequestId" in response.log


def test_through_the_gateway(each_level: ScfRuntime) -> None:
    event = each_level.deploy(mirror).request("DELETE", "/article/7", via="apigw").json()
    assert event["requestContext"]["httpMethod"] == "DELETE"
    assert (event["path"], event["isBase64Encoded"], event["headers"]["requestsource"]) == (
        "/article/7",
        False,
        "APIGW",
    )


def test_json_without_a_status_code(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(plain)
    response = fn.request("GET", "/a")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == {"asked": "/a"}
    refused = fn.request("GET", "/a", via="apigw")
    assert (refused.status_code, refused.reason) == (403, "Forbidden")
    assert refused.json()["error"].startswith("Invalid scf response format")
    assert "statusCode" in refused.problem
    assert repr(refused) == f"<Response 403 of plain: {refused.problem}>"
    assert refused.invocation.return_value == {"asked": "/a"}


def test_bytes_in_both_directions(each_level: ScfRuntime) -> None:
    response = each_level.deploy(picture).request("GET", "/")
    assert (response.content, response.headers["content-type"]) == (b"\x89PNG\xff", "image/png")
    assert response.headers.get_all("set-cookie") == ["a=1", "b=2"]
    event = each_level.deploy(mirror).request("POST", "/", body=b"\xff\x00").json()
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff\x00", True)


def test_a_function_that_fails(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(failing)
    response = fn.request("GET", "/")
    assert (response.status_code, response.ok) == (430, False)
    assert response.json()["statusCode"] == 430
    assert "not today" in response.text
    through = fn.request("GET", "/", via="apigw")
    assert (through.status_code, through.json()) == (502, {"errorMessage": "Internal error"})
    assert through.invocation.status_code == 430
    assert "not today" in through.invocation.error_message


def test_a_time_limit(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(slow, timeout=1)
    assert fn.request("GET", "/").status_code == 433
    through = fn.request("GET", "/", via="apigw")
    assert through.status_code == 200
    assert through.json()["statusCode"] == 433


def test_what_cannot_be_is_refused(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(plain)
    with pytest.raises(UsageError, match="via must be one of 'url', 'apigw', not 'mail'"):
        fn.request("GET", "/", via="mail")
    with pytest.raises(UsageError, match="via must be one of"):
        each_level.http(fn, via="mail")
    with pytest.raises(UsageError, match="begins with '/'"):
        fn.request("GET", "a")
    # 5 MB of quotes are more than 6 MB of JSON
    with pytest.raises(ApiError, match="RequestTooLarge"):
        fn.request("POST", "/", body='"' * 5_000_000)


def test_an_address(each_level: ScfRuntime) -> None:
    address = each_level.http(each_level.deploy(mirror))
    assert address.url == f"http://127.0.0.1:{address.port}"
    with httpx.Client(base_url=address.url, timeout=60) as client:
        for number in range(3):  # one connection
            response = client.put(f"/a?n={number}", content=b"body", headers={"X-Token": "t"})
            event = response.json()
            assert (response.status_code, response.headers["x-method"]) == (200, "PUT")
            assert (event["queryString"], event["body"], event["headers"]["x-token"]) == (
                {"n": str(number)},
                "body",
                "t",
            )
            assert event["headers"]["host"] == f"127.0.0.1:{address.port}"
        head = client.head("/")
        assert (head.status_code, head.content, head.headers["x-method"]) == (200, b"", "HEAD")
        assert int(head.headers["content-length"]) > 0
    with httpx.Client(base_url=each_level.http(each_level.deploy(picture), via="apigw").url, timeout=60) as client:
        response = client.get("/")
        assert (response.content, response.headers.get_list("set-cookie")) == (b"\x89PNG\xff", ["a=1", "b=2"])
    with httpx.Client(base_url=each_level.http(each_level.deploy(failing)).url, timeout=60) as client:
        assert client.get("/").status_code == 430
    assert address.port in listening()
    each_level.close()
    # By then the port may be another process's.
    assert address.port not in listening()


def listening() -> set[int]:
    """The ports that this process listens on."""
    return {
        each.laddr.port
        for each in psutil.Process().net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr
    }


def test_an_address_says_what_the_cloud_refuses(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(slow, max_instances=1, timeout=60, async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("waiting")
    with each_level.http(fn) as address:
        response = httpx.get(address.url, timeout=60)
        assert response.status_code == 432
        assert response.json()["errorMessage"].startswith(f"Function [ {fn.name} ] concurrency exceeded")
        event.terminate()
        assert httpx.post(address.url, content=b'"' * 5_000_000, timeout=60).status_code == 406


def with_header(event, context):
    return {"statusCode": 200, "headers": event["queryString"], "body": "sent"}


def test_a_header_that_http_does_not_allow_is_a_502_that_names_it(scf_runtime: ScfRuntime) -> None:
    fn = scf_runtime.deploy(with_header)
    with httpx.Client(base_url=scf_runtime.http(fn).url, timeout=60) as client:
        padded = client.get("/", params={"X-A": " padded\t", "X-B": ""})
        assert (padded.status_code, padded.headers["x-a"], padded.headers["x-b"]) == (200, "padded", "")
        for name in ("X(A)", "X-\u00e9", "X-\u4e2d"):
            refused = client.get("/", params={name: "v"})
            assert refused.status_code == 502
            assert refused.text.startswith(f"the response of the function {fn.name} cannot be sent as HTTP: ")
            assert f"the header {name!r} with the value 'v'" in refused.text
        refused = client.get("/", params={"X-A": "a\x0bb"})
        assert (refused.status_code, "the header 'X-A'" in refused.text) == (502, True)
        assert client.head("/", params={"Content-Length": "many"}).headers["content-length"] == "4"


def test_bytes_that_are_no_http(each_level: ScfRuntime) -> None:
    address = each_level.http(each_level.deploy(plain))
    with socket.create_connection(("127.0.0.1", address.port)) as sock:
        sock.sendall(b"nonsense\r\n\r\n")
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        assert answer.status == 400
        answer.close()


def test_an_address_closes_while_a_request_is_in_flight(each_level: ScfRuntime) -> None:
    fn = each_level.deploy(slow, timeout=60)
    address = each_level.http(fn)
    ended: list[object] = []

    def call() -> None:
        try:
            ended.append(httpx.get(address.url, timeout=60))
        except httpx.HTTPError as error:
            ended.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    while not each_level.invocations():
        threading.Event().wait(0.01)
    each_level.invocations()[0].wait_for_log("waiting")
    each_level.close()
    thread.join(30)
    assert isinstance(ended[0], httpx.HTTPError)
