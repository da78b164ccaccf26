"""Whatever is sent, the answer has the cloud's shape and is no internal error, and the next request is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wiring import Running, answers_in, connect, read_answer, read_to_the_end, signed

from pytest_scf import ScfRuntime
from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.endpoint.gateway import Gateway
from pytest_scf.endpoint.message import FORM, Message
from pytest_scf.endpoint.request_reader import Limits
from pytest_scf.endpoint.server import Endpoint
from pytest_scf.endpoint.signature import Credential

BASE = [
    b"POST / HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nX-TC-Action: Invoke\r\n"
    b"Authorization: TC3-HMAC-SHA256 Credential=a/2024-01-01/scf/tc3_request, SignedHeaders=host, Signature=00\r\n"
    b'Content-Length: 20\r\n\r\n{"FunctionName":"f"}',
    b"GET /?Action=Invoke&Status.0=RUNNING&Nonce=1&Signature=x HTTP/1.1\r\nHost: here\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n{}\n",
]
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b":",
        b" ",
        b"\0",
        b"%",
        b"&",
        b"HTTP/1.1",
        b"Content-Length: 9",
        b"-1",
        b"\xff",
        b"9" * 30,
    ]
)


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    data = draw(st.sampled_from(BASE))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        data = data[:start] + draw(PIECES | st.binary(max_size=6)) + data[end:]
    return data + draw(st.sampled_from([b"", BASE[0]]))


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    limits = Limits(body_bytes=100_000)
    with ScfRuntime(isolation="directory") as runtime:
        running = Running(Gateway(runtime.api, [Credential.new()], "r").answer, limits)
        try:
            yield running
        finally:
            running.server.close(grace=10)


@settings(max_examples=150, deadline=None)
@given(data=mangled() | st.binary(max_size=300))
def test_bytes_on_a_socket(server: Running, data: bytes) -> None:
    try:
        for answer in answers_in(server.send(data)):
            assert answer["Error"]["Code"] != "InternalError", answer
    finally:
        while server.sockets:
            server.sockets.pop().close()


NAMES = sorted({name for action in ACTIONS.values() for name in action.reader.validators} | {"Action", "Version"})
TEXTS = (
    st.sampled_from(["1", "-1", "true", "RUNNING", "echo", "", "{}", "2024-01-01 00:00:00", "9" * 25, "é"]) | st.text()
)
KEYS = st.builds(
    ".".join, st.lists(st.sampled_from([*NAMES, "0", "1", "Start", ""]) | st.text(max_size=3), min_size=1, max_size=4)
)
FLAT = st.lists(st.tuples(KEYS, TEXTS), max_size=6)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "content-type", "host", "x-tc-region", "x-tc-timestamp", "x-tc-token"]),
    st.text(st.characters(max_codepoint=255), max_size=20)
    | st.sampled_from([FORM, "multipart/form-data; boundary=b", "multipart/form-data", "SKIP"]),
)
MULTIPART = st.lists(st.binary(max_size=30) | st.sampled_from([b'Content-Disposition: form-data; name="Limit"'])).map(
    lambda parts: b"--b\r\n" + b"\r\n--b\r\n".join(parts) + b"\r\n--b--\r\n"
)


@pytest.fixture(scope="module")
def gateways() -> Iterator[list[Gateway]]:
    with ScfRuntime(isolation="directory") as runtime:
        yield [Gateway(runtime.api, None, None), Gateway(runtime.api, [Credential("me", "mine")], "r")]


@settings(max_examples=200, deadline=None)
@given(
    action=st.sampled_from([*(name for name in ACTIONS if not name.startswith("Create")), ""]),
    method=st.sampled_from(["GET", "POST"]),
    flat=FLAT,
    body=st.binary(max_size=50) | MULTIPART | st.just(b"{}"),
    headers=HEADERS,
)
def test_messages(
    gateways: list[Gateway], action: str, method: str, flat: list[tuple[str, str]], body: bytes, headers: dict[str, str]
) -> None:
    pairs = [(name, value.encode(errors="replace")) for name, value in flat]
    query = urlencode(pairs, errors="replace")
    if headers.get("content-type") == FORM:
        body = query.encode()
    told = {"x-tc-action": action, "x-tc-version": "2018-04-16", "x-tc-region": "r", **headers}
    for gateway in gateways:
        answer = gateway.answer(Message(method, "/", query if method == "GET" else "", told, body))
        found = json.loads(answer.body)["Response"]
        assert found["RequestId"]
        assert found.get("Error", {}).get("Code") != "InternalError", found


def test_nothing_is_lost_between_malformed_requests(scf_runtime: ScfRuntime, scf_endpoint: Endpoint) -> None:
    pytest.importorskip("tencentcloud.common.sign")
    scf_runtime.deploy("def main_handler(event, context):\n    return event\n", name="echo", async_run=True)
    invoked = []
    for number in range(20):
        with connect(scf_endpoint.port) as bad:
            bad.sendall(BASE[number % len(BASE)][: 40 + number])
            with connect(scf_endpoint.port) as good:
                params = {
                    "FunctionName": "echo",
                    "InvocationType": "Event",
                    "ClientContext": str(number),
                }
                good.sendall(signed(scf_endpoint, "Invoke", params))
                invoked.append(read_answer(good)["Result"]["FunctionRequestId"])
            bad.sendall(b"\r\n\r\n\r\n\r\n")
            bad.shutdown(1)
            read_to_the_end(bad)
    events = [event.wait() for event in scf_runtime.events()]
    assert [(event.request_id, event.return_value) for event in events] == list(zip(invoked, range(20), strict=True))
