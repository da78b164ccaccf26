"""Addresses of functions on this machine, which any HTTP client can call."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from pytest_scf.endpoint.http_server import LOOPBACK, Headers, HttpRequest, HttpResponse, HttpServer, Upgrade
from pytest_scf.errors import ApiError, ScfError
from pytest_scf.facade.web import GatewayApi, Response, check_way, send
from pytest_scf.facade.websocket import connect

if TYPE_CHECKING:
    from pytest_scf.facade.handles import Function

_JSON = ("Content-Type", "application/json")


class HttpAddress(HttpServer):
    """The address of one function; also a context manager. ``runtime.http(function)`` gives it.

    A request that the cloud refuses gets its status code (432 where all instances are busy), and its code and message.
    """

    def __init__(self, function: Function, *, port: int, via: str, host: str = LOOPBACK) -> None:
        check_way(via)
        self._function = function
        super().__init__(lambda request: answer(function, request, via), port=port, host=host)

    def __repr__(self) -> str:
        return f"<HttpAddress {self.url} of {self._function.name}>"


def answer(
    function: Function, request: HttpRequest, via: str, gateway: GatewayApi | None = None
) -> HttpResponse | Upgrade:
    """What a function answers to a request, which came to ``gateway``."""
    # The connection is the client's with this address; the function has one of its own.
    headers = [pair for pair in request.headers if pair[0] not in ("connection", "transfer-encoding")]
    try:
        if _is_websocket(function, request):
            return _open(function, request.target, headers)
        response = send(
            function._session.platform,
            function._result_of,
            function._record,
            request.method,
            request.target,
            headers,
            request.body,
            None,
            via,
            gateway,
        )
    except ApiError as error:
        return _refused(error.status_code or 400, error.code, error.message)
    except ScfError as error:
        return _refused(500, type(error).__name__, str(error))
    except Exception as error:  # a bug of ours is the client's to see, not a connection that breaks
        return _refused(500, "InternalError", f"{type(error).__name__}: {error}")
    return _http_response(function, response)


def _is_websocket(function: Function, request: HttpRequest) -> bool:
    server = function.config.server
    takes_them = server is not None and server.websocket_idle is not None
    return takes_them and request.method == "GET" and request.header("upgrade").lower() == "websocket"


def _open(function: Function, target: str, headers: Headers) -> HttpResponse | Upgrade:
    platform = function._session.platform
    invocation, sock = connect(platform, function._record, target, headers)
    if sock.recv(1, socket.MSG_PEEK):
        return Upgrade(sock)
    sock.close()
    platform.wait_final(invocation)
    attempt = invocation.attempt
    return _http_response(function, Response(function._result_of(invocation), attempt.response, attempt.err_msg))


def _http_response(function: Function, response: Response[Any]) -> HttpResponse:
    headers = list(response.headers.items()) or [_JSON]
    return HttpResponse(int(response.status_code), response.content, headers, response.reason or None, function.name)


def _refused(status: int, code: str, message: str) -> HttpResponse:
    body = json.dumps({"errorCode": code, "errorMessage": message}, ensure_ascii=False)
    return HttpResponse(status, body.encode(), [_JSON])
