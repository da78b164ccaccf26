"""Requests as the vendor's SDKs of other languages write and sign them, where those differ from Python's.

What each does is in its own request code: tencentcloud-sdk-go common/client.go, -java common/AbstractClient.java,
-php Common/AbstractClient.php and AbstractModel.php, -ruby common/client.rb, -nodejs common/abstract_client.ts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from wiring import DEADLINE

from pytest_scf import ScfRuntime
from pytest_scf.endpoint.server import Endpoint

WORKER = """
import signal, time
def main_handler(event, context):
    stop = []
    signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
    while not stop:
        time.sleep(0.01)
    return "END"
"""
FORM = "application/x-www-form-urlencoded"
Pairs = list[tuple[str, str]]


class Client:
    """Sends one request over a connection of its own, and gives what stands inside of "Response"."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.now = int(time.time())

    def send(self, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.endpoint.port, timeout=DEADLINE)
        try:
            connection.request(method, target, body, headers)
            found: dict[str, Any] = json.loads(connection.getresponse().read())["Response"]
        finally:
            connection.close()
        assert "Error" not in found, found
        return found

    def tc3(
        self,
        action: str,
        *,
        method: str = "POST",
        query: str = "",
        body: bytes = b"",
        content_type: str,
        signed_type: str | None = None,
        service: str = "scf",
        **headers: str,
    ) -> dict[str, Any]:
        """``signed_type`` is the Content-Type that is signed, where it is not the one that is sent."""
        date = time.strftime("%Y-%m-%d", time.gmtime(self.now))
        scope = f"{date}/{service}/tc3_request"
        signed = f"content-type:{signed_type or content_type}\nhost:{self.endpoint.host}\n"
        canonical = f"{method}\n/\n{query}\n{signed}\ncontent-type;host\n{hashlib.sha256(body).hexdigest()}"
        text = f"TC3-HMAC-SHA256\n{self.now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"TC3{self.endpoint.secret_key}".encode()
        for part in (date, service, "tc3_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        sent = {
            "Host": self.endpoint.host,
            "Content-Type": content_type,
            "X-TC-Action": action,
            "X-TC-Version": "2018-04-16",
            "X-TC-Region": self.endpoint.region,
            "X-TC-Timestamp": str(self.now),
            "Authorization": f"TC3-HMAC-SHA256 Credential={self.endpoint.secret_id}/{scope}, "
            f"SignedHeaders=content-type;host, Signature={hmac.digest(key, text.encode(), 'sha256').hex()}",
            **headers,
        }
        return self.send(method, f"/?{query}" if query else "/", sent, body)

    def version_1(
        self,
        action: str,
        pairs: Pairs,
        *,
        method: str = "POST",
        sign: str = "HmacSHA256",
        wrapped: str = "{}",
        encode: Callable[[Pairs], str] = urlencode,
        **more: str,
    ) -> dict[str, Any]:
        """``wrapped`` is what the signature is put into, ``more`` are further common parameters."""
        told = {"Action": action, "Version": "2018-04-16", "Region": self.endpoint.region, "Nonce": "12345"}
        told |= {"Timestamp": str(self.now), "SecretId": self.endpoint.secret_id, "SignatureMethod": sign, **more}
        pairs = [*pairs, *told.items()]
        text = f"{method}{self.endpoint.host}/?" + "&".join(f"{name}={value}" for name, value in sorted(pairs))
        digest = hmac.digest(self.endpoint.secret_key.encode(), text.encode(), sign.removeprefix("Hmac").lower())
        data = encode([*pairs, ("Signature", wrapped.format(base64.b64encode(digest).decode()))])
        if method == "GET":
            return self.send("GET", f"/?{data}", {"Host": self.endpoint.host})
        return self.send("POST", "/", {"Host": self.endpoint.host, "Content-Type": FORM}, data.encode())


def go_tc3_post(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    body = json.dumps(params, separators=(",", ":")).replace("&", "\\u0026").replace("<", "\\u003c").encode()
    return client.tc3(action, body=body, content_type="application/json", **{"X-TC-Language": ""})


def go_tc3_get(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """Sorted, as url.Values encodes; with the language, which is empty."""
    query = urlencode(sorted([*pairs, ("Language", "")]))
    return client.tc3(action, method="GET", query=query, content_type=FORM)


def go_version_1(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    return client.version_1(action, pairs, Language="", RequestClient="SDK_GO_1.0.500")


def java_tc3_post(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """Its HTTP library adds the charset; the service is what the endpoint has before its first dot."""
    body = json.dumps(params, ensure_ascii=False).encode()
    return client.tc3(action, body=body, content_type="application/json; charset=utf-8", service="127")


def java_tc3_get(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    query = "&".join(f"{name}={quote_plus(value)}" for name, value in pairs)
    return client.tc3(action, method="GET", query=query, content_type=FORM, service="127")


def java_multipart(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """One part for each flattened name."""
    body = b"".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in pairs
    )
    return client.tc3(
        action,
        body=body + b"--b--\r\n",
        content_type="multipart/form-data; charset=utf-8; boundary=b",
        service="127",
    )


def php_tc3_get(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    return client.tc3(action, method="GET", query=urlencode(pairs), content_type=FORM, service="127")


def php_version_1_get(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    return client.version_1(action, pairs, method="GET", sign="HmacSHA1", RequestClient="SDK_PHP_3.0.462")


def php_multipart(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """true is written as 1, false as nothing; what is no scalar is JSON."""
    body = b""
    for name, value in params.items():
        body += f'--60f\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode()
        if isinstance(value, (dict, list)):
            body += b"Content-Type: application/json\r\n"
            value = json.dumps(value)
        elif isinstance(value, bool):
            value = "1" if value else ""
        body += f"\r\n{value}\r\n".encode()
    content_type = "multipart/form-data; boundary=60f"
    return client.tc3(action, body=body + b"--60f--\r\n", content_type=content_type, service="127")


def ruby_version_1(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """Its base64 ends with a newline."""
    return client.version_1(action, pairs, sign="HmacSHA1", wrapped="{}\n", Language="zh-CN")


def ruby_multipart(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    """The boundary is not signed."""
    body = b""
    for name, value in params.items():
        body += f'--60f\r\nContent-Disposition: form-data; name="{name}"\r\n'.encode()
        if isinstance(value, (dict, list)):
            body += b"Content-Type: application/json\r\n"
            value = json.dumps(value)
        elif isinstance(value, bool):
            value = str(value).lower()
        body += f"\r\n{value}\r\n".encode()
    return client.tc3(
        action,
        body=body + b"--60f--\r\n",
        content_type="multipart/form-data; boundary=60f",
        signed_type="multipart/form-data",
    )


def javascript_version_1_get(client: Client, action: str, params: dict[str, Any], pairs: Pairs) -> dict[str, Any]:
    def encode(pairs: Pairs) -> str:
        return "&".join(f"{quote(name, safe='')}={quote(value, safe='!~*()')}" for name, value in pairs)

    return client.version_1(action, pairs, method="GET", encode=encode, RequestClient="SDK_NODEJS_4.0.900")


SDKS = [
    *(go_tc3_post, go_tc3_get, go_version_1),
    *(java_tc3_post, java_tc3_get, java_multipart),
    *(php_tc3_get, php_version_1_get, php_multipart),
    *(ruby_version_1, ruby_multipart, javascript_version_1_get),
]


def flattened(value: Any, name: str = "") -> Pairs:
    if isinstance(value, dict):
        return [pair for key, item in value.items() for pair in flattened(item, f"{name}.{key}" if name else key)]
    if isinstance(value, list):
        return [pair for index, item in enumerate(value) for pair in flattened(item, f"{name}.{index}")]
    return [(name, str(value).lower() if isinstance(value, bool) else str(value))]


@pytest.mark.parametrize("sdk", SDKS)
def test_an_event_is_invoked_listed_and_terminated(
    scf_runtime: ScfRuntime, scf_endpoint: Endpoint, sdk: Callable[..., dict[str, Any]]
) -> None:
    scf_runtime.deploy(WORKER, name="worker", async_run=True)
    client = Client(scf_endpoint)

    def call(action: str, **params: Any) -> dict[str, Any]:
        return sdk(client, action, params, flattened(params))

    text = '{"job": "7 & é + ~*\'()<>"}'
    invoked = call("Invoke", FunctionName="worker", InvocationType="Event", ClientContext=text)
    (event,) = scf_runtime.events()
    assert invoked["Result"]["FunctionRequestId"] == event.request_id
    event.wait_for_signal_handler()
    interval = {"Start": "2000-01-01 00:00:00", "End": "2999-01-01 00:00:00"}
    listed = call("ListAsyncEvents", FunctionName="worker", Status=["RUNNING"], StartTimeInterval=interval, Limit=5)
    assert [each["InvokeRequestId"] for each in listed["EventList"]] == [event.request_id]
    call("TerminateAsyncEvent", FunctionName="worker", InvokeRequestId=event.request_id, GraceShutdown=True)
    assert event.wait().status == "FINISHED"
