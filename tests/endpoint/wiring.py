"""Requests as bytes, signed by the official SDK's own code, and answers read from a socket."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import socket
import time
import zipfile
from collections.abc import Callable
from typing import Any

from pytest_scf.endpoint.gateway import Answer
from pytest_scf.endpoint.listener import listen
from pytest_scf.endpoint.message import Message
from pytest_scf.endpoint.request_reader import Limits
from pytest_scf.endpoint.server import Server, api_connections

#: seconds that an answer may take on a machine under heavy load
DEADLINE = 60
GOOD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody"


def signed(
    endpoint: Any, action: str, params: Any, *, headers: dict[str, str] | None = None, host: str | None = None
) -> bytes:
    from tencentcloud.common.sign import Sign

    body = json.dumps(params).encode()
    host = host or endpoint.host
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    payload = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{payload}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    scope = f"{date}/scf/tc3_request"
    signature = Sign.sign_tc3(endpoint.secret_key, date, "scf", f"TC3-HMAC-SHA256\n{now}\n{scope}\n{digest}")
    sent = {
        "Host": host,
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "X-TC-Action": action,
        "X-TC-Version": "2018-04-16",
        "X-TC-Region": endpoint.region,
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={endpoint.secret_id}/{scope}, "
        f"SignedHeaders=content-type;host, Signature={signature}",
        **(headers or {}),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body


def zipped(files: dict[str, str]) -> str:
    """A zip of files, in base64, as CreateFunction takes code."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(content.getvalue()).decode()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=DEADLINE)


def read_answer(sock: socket.socket) -> dict[str, Any]:
    """The next answer of a connection, what stands inside of "Response"."""
    response = http.client.HTTPResponse(sock)
    response.begin()
    assert response.status == 200
    assert response.getheader("Content-Type") == "application/json"
    # All of it is read here, so that nothing of the next answer can be taken along.
    found: dict[str, Any] = json.loads(response.read())["Response"]
    assert found["RequestId"]
    return found


def read_to_the_end(sock: socket.socket) -> bytes:
    found = bytearray()
    try:
        while data := sock.recv(65536):
            found += data
    except ConnectionError:
        pass
    return bytes(found)


def answers_in(data: bytes) -> list[dict[str, Any]]:
    """All answers in what a connection sent. They are HTTP 200 in the cloud's shape, or it fails."""
    found = []
    while data:
        if data.startswith(b"HTTP/1.1 100 Continue\r\n\r\n"):
            data = data[25:]
            continue
        head, _, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n"), data
        (length,) = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")]
        assert len(rest) >= length, data
        if length and rest:
            answer = json.loads(rest[:length])["Response"]
            assert answer["RequestId"]
            found.append(answer)
        data = rest[length:]
    return found


def mirror(message: Message) -> Answer:
    """Answers with what came."""
    found = {
        "Method": message.method,
        "Path": message.path,
        "Query": message.query,
        "Body": message.body.decode("latin-1"),
        "Headers": dict(message.headers),
        "RequestId": "1",
    }
    return Answer(json.dumps({"Response": found}).encode(), "Mirror", None, "1")


class Running:
    def __init__(self, answer: Callable[[Message], Answer], limits: Limits) -> None:
        listener = listen("127.0.0.1", 0)
        self.port: int = listener.getsockname()[1]
        self.server = Server(listener, api_connections(answer, limits))
        self.sockets: list[socket.socket] = []

    def connect(self) -> socket.socket:
        sock = connect(self.port)
        self.sockets.append(sock)
        return sock

    def send(self, data: bytes) -> bytes:
        """Everything that comes back until the connection ends."""
        sock = self.connect()
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it was refused before the end
        return read_to_the_end(sock)

    def is_well(self) -> bool:
        (answer,) = answers_in(self.send(GOOD))
        return bool(answer["Body"] == "body")
