"""HTTP requests to functions, and their responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http.client import HTTPMessage
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote

from pytest_scf import facts, trigger_events
from pytest_scf.contract.validators import too_large
from pytest_scf.errors import UsageError
from pytest_scf.facade import http_answers
from pytest_scf.facade.description import one_line
from pytest_scf.facade.values import Answered
from pytest_scf.runtimes import wire

if TYPE_CHECKING:
    from pytest_scf.contract.operations import Operations
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Attempt, Invocation
    from pytest_scf.platform.settings import Settings

_R = TypeVar("_R", bound=Answered)


class GatewayApi(Protocol):
    """An API of the gateway's, as a project file declares it."""

    @property
    def resource(self) -> str:
        """Its path: "/shop/{id}"."""

    @property
    def integrated(self) -> bool:
        """Whether what the handler returns is taken apart as a response."""


def check_way(via: object) -> None:
    """Raises UsageError for a way of requests to functions that there is not."""
    if via not in http_answers.WAYS:
        raise UsageError(f"via must be one of {', '.join(map(repr, http_answers.WAYS))}, not {via!r}")


def send(
    platform: Operations,
    result_of: Callable[[Invocation], _R],
    record: FunctionRecord,
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: bytes | str | None,
    json_: Any,
    via: str,
    gateway: GatewayApi | None = None,
) -> Response[_R]:
    """Send a request to a function of any kind, as it would come by its URL or through the API gateway (``via``).

    ``gateway`` is what the API gateway declares of it. ``result_of`` makes the handle of the invocation that the
    response carries.
    """
    check_way(via)
    packed = pack_request(method, path, headers, body, json_)
    if record.config.type == "HTTP":
        invocation = platform.invoke(record, packed, asynchronous=False, as_request=True)
        platform.wait_final(invocation)
        return Response(result_of(invocation), invocation.attempt.response, invocation.attempt.err_msg)
    payload = json.dumps(
        _event(packed, platform.settings, via, None if gateway is None else gateway.resource), ensure_ascii=False
    ).encode()
    if len(payload) > facts.SYNC_EVENT_BYTES:
        raise too_large("body", len(payload), facts.SYNC_EVENT_BYTES)
    invocation = platform.invoke(record, payload, asynchronous=False, invoke_type="APIGW")
    platform.wait_final(invocation)
    result = result_of(invocation)
    if invocation.status != facts.FINISHED:
        if via == "url":
            return Response(result, b"", invocation.attempt.err_msg)
        answer = http_answers.of_failure(invocation.status_code, invocation.attempt.err_msg, via)
    else:
        integrated = gateway is None or gateway.integrated
        answer = http_answers.of_value(_value(invocation.attempt), via, integrated=integrated)
    head = {"status": answer.status, "reason": answer.reason, "headers": answer.headers}
    return Response(result, wire.pack_message(head, answer.body), "", answer.problem)


def _event(packed: bytes, settings: Settings, via: str, resource: str | None) -> Mapping[str, Any]:
    head, body = wire.unpack_message(packed)
    joined: dict[str, str] = {}
    for name, value in head["headers"]:  # type: ignore[attr-defined]
        name = name.lower()
        joined[name] = f"{joined[name]}{'; ' if name == 'cookie' else ', '}{value}" if name in joined else value
    make = trigger_events.function_url if via == "url" else partial(trigger_events.apigw, resource=resource)
    return make(
        str(head["method"]),
        str(head["path"]),
        headers=joined,
        body=body,
        source_ip="127.0.0.1",
        appid=settings.appid,
        region=settings.region,
    )


def _value(attempt: Attempt) -> Any:
    """What the handler returned: a JSON value; of a server, text that need not be JSON."""
    try:
        return json.loads(attempt.ret_msg)
    except ValueError:
        return attempt.ret_msg


def pack_request(
    method: object, path: object, headers: Sequence[tuple[str, str]], body: object, json_: object
) -> bytes:
    """A request as the platform passes it on. Raises UsageError, and InvalidParameter.RequestTooLarge."""
    if not isinstance(method, str) or not method.isascii() or not method.isalpha():
        raise UsageError(f"method must be one like 'GET'; got {method!r}")
    if not isinstance(path, str) or not path.startswith("/"):
        raise UsageError(f"path must be a str that begins with '/', like '/jobs?page=2'; got {path!r}")
    if body is not None and json_ is not None:
        raise UsageError("give body= or json=, not both")
    sent = [(str(name), str(value)) for name, value in headers]
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


class Response(Generic[_R]):
    """What a function answered; where it could not, its status code of the cloud (433, 439, ...) and the error."""

    def __init__(self, invocation: _R, packed: bytes, error: str, problem: str = "") -> None:
        #: the invocation behind it: its log, its instance, its diagnosis
        self.invocation = invocation
        #: why the gateway refused what the handler returned; "" where it did not
        self.problem = problem
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
        problem = f": {one_line(self.problem)}" if self.problem else ""
        return f"<Response {int(self.status_code)} of {self.invocation.function.name}{problem}>"
