"""What a request asks for, read from its query, its form, its parts or its JSON, and who signed it."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wiring import connect, read_answer, signed

from pytest_scf import ScfRuntime
from pytest_scf.api_errors import InvalidParameter, InvalidRequest
from pytest_scf.contract.flattened import FlattenedParams
from pytest_scf.contract.models.async_events import ListAsyncEventsRequest
from pytest_scf.endpoint.gateway import Gateway
from pytest_scf.endpoint.message import FORM, Message
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.endpoint.signature import Credential

TOLD = {"x-tc-action": "ListAsyncEvents", "x-tc-version": "2018-04-16", "x-tc-region": "r"}
PARTS = "multipart/form-data; boundary=b"


def part(head: str, content: bytes) -> bytes:
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def nested(message: Message) -> Any:
    params = message.parse().params
    assert isinstance(params, FlattenedParams)
    return params.nested(ListAsyncEventsRequest)


@pytest.mark.parametrize(
    "message",
    [
        Message("GET", "/", urlencode({"Action": "A", "Version": "v", "Region": "r", "Limit": "5"}), {}, b""),
        Message("POST", "/", "", {"content-type": FORM}, b"Action=A&Version=v&Region=r&Limit=5"),
        Message(
            *("POST", "/", ""),
            {"content-type": PARTS, "x-tc-action": "A", "x-tc-version": "v", "x-tc-region": "r"},
            part('Content-Disposition: form-data; name="Limit"', b"5") + b"--b--\r\n",
        ),
    ],
    ids=["query", "form", "parts"],
)
def test_where_parameters_stand(message: Message) -> None:
    request = message.parse()
    assert (request.action, request.version, request.region, nested(message)) == ("A", "v", "r", {"Limit": 5})


def test_a_body_of_json() -> None:
    request = Message("POST", "/", "Limit=5", TOLD, b'{"Limit": 6, "FunctionName": "f"}').parse()
    assert request.params == {"Limit": 6, "FunctionName": "f"}
    assert (request.function, request.namespace) == ("f", "default")


def test_the_function_that_a_request_names() -> None:
    flat = Message("GET", "/", "FunctionName=f&Namespace=n&Action=A", {}, b"").parse()
    assert (flat.function, flat.namespace) == ("f", "n")
    odd = Message("POST", "/", "", TOLD, b'{"FunctionName": [1]}').parse()
    assert (odd.function, odd.namespace) == ("", "default")


@given(st.text())
def test_any_text_goes_through_a_part(text: str) -> None:
    head = 'Content-Disposition: form-data; name="FunctionName"; filename="FunctionName"'
    body = part(head, text.encode()) + b"--b--\r\n"
    if "\n--b" not in text and "\r--b" not in text and not text.startswith("--b"):
        assert nested(Message("POST", "/", "", {**TOLD, "content-type": PARTS}, body)) == {"FunctionName": text}


def test_a_part_of_json() -> None:
    head = 'Content-Disposition: form-data; name="Status"\r\nContent-Type: application/json'
    body = part(head, b'["RUNNING"]') + b"--b--\r\n"
    assert nested(Message("POST", "/", "", {**TOLD, "content-type": PARTS}, body)) == {"Status": ["RUNNING"]}


NAMED = 'Content-Disposition: form-data; name="Limit"'


@pytest.mark.parametrize(
    ("content_type", "body", "words"),
    [
        ("multipart/form-data", part(NAMED, b"5") + b"--b--\r\n", "NoBoundaryInMultipartDefect"),
        (PARTS, b"something else", "StartBoundaryNotFoundDefect"),
        (PARTS, part(NAMED, b"5"), "CloseBoundaryNotFoundDefect"),
        (PARTS, part("A: b", b"5") + b"--b--\r\n", "has no name"),
        (PARTS, part(NAMED + "\r\nContent-Type: message/rfc822", b"A: b\r\n\r\n") + b"--b--\r\n", "parts of its own"),
        (PARTS, part(NAMED, b"\xff") + b"--b--\r\n", "`Limit` cannot be read"),
        (PARTS, part(NAMED + "\r\nContent-Type: application/json", b"{") + b"--b--\r\n", "`Limit` cannot be read"),
        (PARTS, part(NAMED, b"5") * 2001 + b"--b--\r\n", "more than 2000 parts"),
        (PARTS, part(NAMED, b"5") * 2 + b"--b--\r\n", "given twice"),
        ("application/json", b"{", "The body of the request is not JSON"),
        ("application/json", b"[]", "must be a JSON object"),
        (FORM, b"a=\xff", "The body is no form"),
        (FORM, b"a=%ff", "cannot be read"),
        (FORM, b"&".join([b"a=b"] * 2001), "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_action(content_type: str, body: bytes, words: str) -> None:
    with pytest.raises((InvalidRequest, InvalidParameter)) as caught:
        Message("POST", "/", "", {**TOLD, "content-type": content_type}, body).parse()
    assert words in caught.value.message
    assert caught.value.action == "ListAsyncEvents"


def test_parts_within_parts_without_end(scf_runtime: ScfRuntime) -> None:
    """Deeper than the standard library's parser can recurse."""
    body = b""
    for number in range(2000):
        boundary = b"b" if number == 0 else b"n%d" % number
        body += b"--" + boundary + b"\r\nContent-Type: multipart/mixed; boundary=n%d\r\n\r\n" % (number + 1)
    gateway = Gateway(scf_runtime.api, None, None)
    answer = gateway.answer(Message("POST", "/", "", {**TOLD, "content-type": PARTS}, body))
    assert json.loads(answer.body)["Response"]["Error"]["Code"] == "InvalidRequest"


def signed_by_version_1(sign: str, params: dict[str, str]) -> dict[str, str]:
    Sign = pytest.importorskip("tencentcloud.common.sign").Sign
    told = {"Action": "ListAsyncEvents", "Version": "2018-04-16", "Region": "r", "Nonce": "1", "SecretId": "me"}
    params = {**params, **told, "Timestamp": str(int(time.time())), "SignatureMethod": sign}
    text = "POSThere/?" + "&".join(f"{name}={params[name]}" for name in sorted(params))
    return {**params, "Signature": Sign.sign("mine", text, sign)}


@pytest.mark.parametrize("around", ["{}", "{}\n", " {}", "\r\n{}\r\n"])
@pytest.mark.parametrize("sign", ["HmacSHA1", "HmacSHA256"])
def test_white_space_around_a_signature_of_version_1(scf_runtime: ScfRuntime, sign: str, around: str) -> None:
    scf_runtime.deploy("def main_handler(event, context):\n    return event\n", name="echo", async_run=True)
    gateway = Gateway(scf_runtime.api, [Credential("me", "mine")], "r")
    params = signed_by_version_1(sign, {"FunctionName": "echo"})
    params["Signature"] = around.format(params["Signature"])
    headers = {"content-type": FORM, "host": "here"}
    answer = gateway.answer(Message("POST", "/", "", headers, urlencode(params).encode()))
    assert answer.error is None, answer.error


def test_white_space_in_the_authorization_header(scf_runtime: ScfRuntime, scf_endpoint: Endpoint) -> None:
    pytest.importorskip("tencentcloud.common.sign")
    scf_runtime.deploy("def main_handler(event, context):\n    return event\n", name="echo", async_run=True)
    data = signed(scf_endpoint, "ListAsyncEvents", {"FunctionName": "echo"})
    spaced = data.replace(b", SignedHeaders=", b" ,\tSignedHeaders = ").replace(b"Signature=", b"Signature= ")
    spaced = spaced.replace(b"Authorization: ", b"Authorization:   ")
    assert spaced != data
    with connect(scf_endpoint.port) as sock:
        for sent in (data, spaced):
            sock.sendall(sent)
            assert read_answer(sock)["TotalCount"] == 0
