"""HTTP requests to web functions, and their responses (contract 6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pytest_scf import facts
from pytest_scf.contract.validators import too_large
from pytest_scf.errors import UsageError
from pytest_scf.runtimes import wire

if TYPE_CHECKING:
    from pytest_scf.facade.handles import InvokeResult


def pack_request(method: object, path: object, headers: Mapping[str, str] | None, body: object, json_: object) -> bytes:
    """A request as the platform passes it on. Raises UsageError, and InvalidParameter.RequestTooLarge."""
    if not isinstance(method, str) or not method.isascii() or not method.isalpha():
        raise UsageError(f"method must be one like 'GET'; got {method!r}")
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"path must be a str that begins with '/', like '/jobs?page=2'; got {path!r}")
    if body is not None and json_ is not None:
        raise UsageError("give body= or json=, not both")
    sent = [(str(name), str(value)) for name, value in (headers or {}).items()]
    for name, value in sent:
        if not name or any(character in "\r\n\0" for character in name + value) or ":" in name or " " in name:
            raise UsageError(f"{name!r}: {value!r} is not a header")
    data = body.encode() if isinstance(body, str) else b"" if body is None else body
    if json_ is not None:
        data = json.dumps(json_).encode()
        if "content-type" not in {name.lower() for name, _value in sent}:
            sent.append(("Content-Type", "application/json"))
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise UsageError(f"body must be bytes or str; got {type(body).__name__}")
    if len(data) > facts.WEB_BODY_BYTES:
        raise too_large("body", len(data), facts.WEB_BODY_BYTES)
    safe = quote(path, safe="/?&=#%:@!$'()*+,;[]~-._")
    return wire.pack_message({"method": method.upper(), "path": safe, "headers": sent}, bytes(data))


class Response:
    """What a web function answered; where it could not, its status code of the cloud (433, 439, ...) and the error."""

    def __init__(self, invocation: InvokeResult, packed: bytes, error: str) -> None:
        #: the invocation behind it: its log, its instance, its diagnosis
        self.invocation = invocation
        self.status_code: int = invocation.status_code
        self.reason = ""
        #: looked up without regard to case; of a header that came twice, ``get_all`` gives all
        self.headers = HTTPMessage()
        self.content = error.encode()
        if packed:
            head, self.content = wire.unpack_message(packed)
            self.status_code, self.reason = int(str(head["status"])), str(head["reason"])
            for name, value in head["headers"]:  # type: ignore[attr-defined]
                self.headers[name] = value

    @property
    def ok(self) -> bool:
        """Whether the status code is below 400."""
        return self.status_code < 400

    @property
    def text(self) -> str:
        return self.content.decode(self.headers.get_content_charset("utf-8"), "replace")

    def json(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content)

    @property
    def request_id(self) -> str:
        return self.invocation.request_id

    @property
    def log(self) -> str:
        return self.invocation.log

    def __repr__(self) -> str:
        return f"<Response {int(self.status_code)} of {self.invocation.function.name}>"
