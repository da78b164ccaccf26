"""The events of HTTP requests: a function URL (583/100227), the API gateway (583/12513), a load balancer, WebSocket."""

from __future__ import annotations

import base64
import json as json_module
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import parse_qs, urlsplit

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.trigger_events._common import APPID, REGION, Override, finished, new_id

#: a repeated parameter is a list. Choice: the documents do not show one; the vendor's Go library reads a list
Query = dict[str, str | list[str]]
GivenQuery = Mapping[str, str | Sequence[str]] | None
_ADDRESS = "203.0.113.7"
_TEXT_TYPES = ("text/", "application/json", "application/javascript", "application/xml")


@dataclass(frozen=True)
class _Request:
    """A request in the parts that all of the events are made of."""

    method: str
    path: str
    query: Query
    #: names in lower case
    headers: dict[str, str]
    body: bytes | str

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        query: GivenQuery,
        headers: Mapping[str, str] | None,
        body: bytes | str | None,
        json: object,
        host: str,
    ) -> _Request:
        if not path.startswith("/"):
            raise UsageError(f"path={path!r} must begin with a slash")
        if body is not None and json is not None:
            raise UsageError("give body= or json=, not both")
        given = {name.lower(): value for name, value in (headers or {}).items()}
        if json is not None:
            body = json_module.dumps(json, ensure_ascii=False)
            given.setdefault("content-type", "application/json")
        parts = urlsplit(path)
        found: dict[str, list[str]] = parse_qs(parts.query, keep_blank_values=True)
        for name, value in (query or {}).items():
            found.setdefault(name, []).extend([value] if isinstance(value, str) else value)
        return cls(
            method.upper(),
            parts.path,
            {name: values[0] if len(values) == 1 else values for name, values in found.items()},
            {"host": host, **given},
            b"" if body is None else body,
        )

    def text_body(self) -> tuple[str, bool]:
        """The body as an event carries it, and whether that is base64: so where it is bytes that are no UTF-8."""
        if isinstance(self.body, str):
            return self.body, False
        try:
            return self.body.decode(), False
        except UnicodeDecodeError:
            return base64.b64encode(self.body).decode(), True


class FunctionUrlEvent(TypedDict):
    """``isBase64Encoded``, true, is there in addition where the body is base64."""

    body: str
    headers: dict[str, str]
    httpMethod: str
    path: str
    queryString: Query


def function_url(
    method: str = "GET",
    path: str = "/",
    *,
    query: GivenQuery = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    source_ip: str = _ADDRESS,
    appid: str = APPID,
    region: str = REGION,
    override: Override = None,
) -> FunctionUrlEvent:
    """The event of a request to a function URL; ``path`` may have a query string, and ``query`` adds to it.

    Choice, as the documents do not say how bytes arrive: a body that is no UTF-8 is base64, and marked so.
    """
    host = f"{appid}-0123456789.{region}.tencentscf.com"
    request = _Request.of(method, path, query, {"x-scf-remote-addr": source_ip, **(headers or {})}, body, json, host)
    text, encoded = request.text_body()
    event = FunctionUrlEvent(
        body=text,
        headers=request.headers,
        httpMethod=request.method,
        path=request.path,
        queryString=request.query,
    )
    return finished(event, {**({"isBase64Encoded": True} if encoded else {}), **(override or {})})


class ApigwContext(TypedDict):
    serviceId: str
    path: str
    httpMethod: str
    requestId: str
    identity: dict[str, str]
    sourceIp: str
    stage: str


class ApigwEvent(TypedDict):
    requestContext: ApigwContext
    headers: dict[str, str]
    body: str
    pathParameters: dict[str, str]
    queryStringParameters: Query
    headerParameters: dict[str, str]
    stageVariables: dict[str, str]
    path: str
    queryString: Query
    httpMethod: str
    isBase64Encoded: bool


def apigw(
    method: str = "GET",
    path: str = "/",
    *,
    resource: str | None = None,
    query: GivenQuery = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    path_parameters: Mapping[str, str] | None = None,
    query_parameters: GivenQuery = None,
    header_parameters: Mapping[str, str] | None = None,
    stage: str = "release",
    service_id: str = "service-00000000",
    secret_id: str | None = None,
    source_ip: str = _ADDRESS,
    appid: str = APPID,
    region: str = REGION,
    override: Override = None,
) -> ApigwEvent:
    """The event of a request through the API gateway; ``path`` may have a query string, and ``query`` adds to it.

    ``resource`` is the path that the API declares ("/shop/{id}"), whose parameters are found in ``path``; the other
    parameters that it declares are given. ``secret_id``: of a caller that was authenticated.

    Choice: ``isBase64Encoded`` is a boolean, true where the body is bytes that are no UTF-8; the documents show
    a string, the vendor's Go library a boolean.
    """
    host = f"{service_id}-{appid}.{region}.apigw.tencentcs.com"
    request_id = new_id()
    request = _Request.of(method, path, query, headers, body, json, host)
    added = {
        "x-api-requestid": request_id,
        "x-api-scheme": "https",
        "x-b3-traceid": request_id,
        "x-qualifier": facts.DEFAULT_ALIAS,
        "requestsource": "APIGW",
    }
    text, encoded = request.text_body()
    event = ApigwEvent(
        requestContext=ApigwContext(
            serviceId=service_id,
            path=resource or request.path,
            httpMethod=request.method,
            requestId=request_id,
            identity={} if secret_id is None else {"secretId": secret_id},
            sourceIp=source_ip,
            stage=stage,
        ),
        headers={**request.headers, **added},
        body=text,
        pathParameters={**_path_parameters(resource, request.path), **(path_parameters or {})},
        queryStringParameters={
            name: value if isinstance(value, str) else list(value) for name, value in (query_parameters or {}).items()
        },
        headerParameters=dict(header_parameters or {}),
        stageVariables={"stage": stage},
        path=request.path,
        queryString=request.query,
        httpMethod=request.method,
        isBase64Encoded=encoded,
    )
    return finished(event, override)


def _path_parameters(resource: str | None, path: str) -> dict[str, str]:
    """What the names in braces stand for. Raises UsageError where the path is not one of the resource's."""
    if resource is None:
        return {}
    declared, found = resource.split("/"), path.split("/")
    pairs = list(zip(declared, found, strict=False))
    names = {name[1:-1]: value for name, value in pairs if name.startswith("{") and name.endswith("}")}
    # An API may be declared by the beginning of its path.
    if len(found) < len(declared) or any(name != value and not name.startswith("{") for name, value in pairs if name):
        raise UsageError(f"path={path!r} is not a path of resource={resource!r}")
    return names


class ClbEvent(TypedDict):
    headers: dict[str, str]
    payload: Any
    isBase64Encoded: str


def clb(
    method: str = "GET",
    path: str = "/",
    *,
    query: GivenQuery = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    source_ip: str = _ADDRESS,
    vip: str = "203.0.113.9",
    override: Override = None,
) -> ClbEvent:
    """The event of a request through a load balancer. A body of JSON comes parsed, one that is no text as base64."""
    request = _Request.of(method, path, query, headers, body, json, vip)
    content_type = request.headers.get("content-type", "application/json")
    raw = request.body.encode() if isinstance(request.body, str) else request.body
    encoded = not content_type.startswith(_TEXT_TYPES)
    payload: Any = base64.b64encode(raw).decode() if encoded else raw.decode(errors="replace")
    if content_type.startswith("application/json") and raw:
        try:
            payload = json_module.loads(raw)
        except ValueError as why:
            raise UsageError(f"the body calls itself JSON, and is not: {why}") from why
    event = ClbEvent(
        headers={
            **{name.title(): value for name, value in request.headers.items() if name != "content-type"},
            "Content-type": content_type,
            "X-Stgw-Time": "1709600000.123",
            "X-Client-Proto": "http",
            "X-Forwarded-Proto": "http",
            "X-Client-Proto-Ver": "HTTP/1.1",
            "X-Real-IP": source_ip,
            "X-Forwarded-For": source_ip,
            "X-Vip": vip,
            "X-Vport": "80",
            "X-Uri": path,
            "X-Method": request.method,
            "X-Real-Port": "51234",
        },
        payload=payload,
        isBase64Encoded="true" if encoded else "false",
    )
    return finished(event, override)


class WebSocketPart(TypedDict, total=False):
    action: str
    secConnectionID: str
    secWebSocketProtocol: str
    secWebSocketExtensions: str
    dataType: str
    data: str


class _WebSocketEvent(TypedDict):
    websocket: WebSocketPart


class WebSocketEvent(_WebSocketEvent, total=False):
    requestContext: dict[str, Any]


def websocket(
    action: str = "connecting",
    *,
    data: bytes | str = "",
    connection_id: str = "d2ViLWlkLTAwMDE=",
    path: str = "/",
    protocol: str = "",
    stage: str = "release",
    service: str = "service-00000000",
    source_ip: str = _ADDRESS,
    override: Override = None,
) -> WebSocketEvent:
    """The event of a WebSocket connection of the API gateway.

    ``action`` is "connecting" (the function that registers connections gets it), "data send" (the one that takes
    ``data``, of which bytes are sent as base64) or "closing" (the one that cleans up).
    """
    if action == "connecting":
        event = WebSocketEvent(
            requestContext={
                "serviceName": service,
                "path": path,
                "httpMethod": "GET",
                "requestId": new_id(),
                "identity": {},
                "sourceIp": source_ip,
                "stage": stage,
                "websocketEnable": True,
            },
            websocket=WebSocketPart(
                action=action,
                secConnectionID=connection_id,
                secWebSocketProtocol=protocol,
                secWebSocketExtensions="",
            ),
        )
    elif action == "data send":
        binary = isinstance(data, bytes)
        event = WebSocketEvent(
            websocket=WebSocketPart(
                action=action,
                secConnectionID=connection_id,
                dataType="binary" if binary else "text",
                data=base64.b64encode(data).decode() if isinstance(data, bytes) else data,
            )
        )
    elif action == "closing":
        event = WebSocketEvent(websocket=WebSocketPart(action=action, secConnectionID=connection_id))
    else:
        raise UsageError(f'action={action!r} is none of "connecting", "data send", "closing"')
    return finished(event, override)
