"""The official Python SDK's clients reach a runtime of the same process, without a socket.

What is replaced is the SDK's last step, the sending; so all that a client does before it (the parameters checked and
written, the signature made) is done, whatever its endpoint, region and credentials are, and whenever it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from pytest_scf.contract.api import Api
from pytest_scf.endpoint.gateway import Answer, Gateway
from pytest_scf.endpoint.message import Message
from pytest_scf.endpoint.signature import SERVICE
from pytest_scf.errors import UsageError

_SCOPE = re.compile(r"/([^/,\s]+)/tc3_request")
#: what the hosts of the cloud's API have in common: scf.tencentcloudapi.com, scf.intl.tencentcloudapi.com
_CLOUD = re.compile(r"(?:[a-z]+://)?([a-z0-9-]+)(?:\.[a-z0-9-]+)*\.tencentcloudapi\.[a-z.]+")
_HEADERS = {"Server": "pytest-scf", "Content-Type": "application/json"}


def patched(api: Api) -> AbstractContextManager[None]:
    """Within it, the SDK's clients reach ``api``. Raises UsageError where there is no SDK, or one too old."""
    try:
        from tencentcloud.common.http import request
    except ImportError as error:
        raise UsageError(
            "the official Python SDK is not installed, so there is nothing to connect: "
            f"pip install 'pytest-scf[sdk]', or tencentcloud-sdk-python-scf ({error})"
        ) from error
    if not hasattr(request, "requests"):
        raise UsageError("the installed tencentcloud-sdk-python is too old: it sends in a way of its own; update it")
    return _patched(Gateway(api, None, None), request)


@contextlib.contextmanager
def _patched(gateway: Gateway, request: ModuleType) -> Iterator[None]:
    def send_request(self: Any, sent: Any) -> Any:
        body = sent.data.encode() if isinstance(sent.data, str) else sent.data or b""
        in_query = sent.method == "GET"
        message = _message(sent.method, sent.uri, body.decode() if in_query else "", sent.header, body)
        return _response(request.requests, _answer(gateway, message, sent.host), sent)

    with contextlib.ExitStack() as stack:
        _replace(stack, request.ApiRequest, "send_request", send_request)
        # Its clients for asyncio need httpx; where that is not, nobody can have made one.
        with contextlib.suppress(ImportError):
            import httpx
            from tencentcloud.common import abstract_client_async

            async def send(self: Any, chain: Any) -> Any:
                sent = chain.request
                url = sent.url
                query = url.query.decode("ascii")
                message = _message(sent.method, url.path, query, sent.headers, await sent.aread())
                answer = await asyncio.to_thread(_answer, gateway, message, url.host)
                return httpx.Response(200, headers=_HEADERS, content=answer.body, request=sent)

            _replace(stack, abstract_client_async.AbstractClient, "_inter_send_request", send)
        yield


def _replace(stack: contextlib.ExitStack, owner: type[Any], name: str, function: Any) -> None:
    original = vars(owner)[name]
    setattr(owner, name, function)
    stack.callback(setattr, owner, name, original)


def _message(method: str, path: str, query: str, headers: Mapping[str, Any], body: bytes) -> Message:
    small = {str(name).lower(): str(value).strip() for name, value in headers.items()}
    return Message(method, path, query, small, b"" if method == "GET" else body)


def _answer(gateway: Gateway, message: Message, host: str) -> Answer:
    service = _service(message, host)
    if service != SERVICE:
        action = message.headers.get("x-tc-action", "")
        raise UsageError(
            f"the SDK called {service!r}{action and ' '}{action}: while scf_sdk is in use only {SERVICE!r} is "
            "answered, and nothing is sent to the network. Put something else in the place of that client"
        )
    return gateway.answer(message)


def _service(message: Message, host: str) -> str:
    """For whom a request is: as it is signed, or by its host. Nothing says so where that is the user's own."""
    found = _SCOPE.search(message.headers.get("authorization", "")) or _CLOUD.fullmatch(host.lower())
    return found[1] if found else SERVICE


def _response(requests: ModuleType, answer: Answer, sent: Any) -> Any:
    """What the SDK takes from the library that it sends with."""
    import urllib3

    response = requests.Response()
    response.status_code, response.reason = 200, "OK"
    response.headers.update(_HEADERS)
    response.url = urlsplit(sent.host, "https").geturl()
    response.raw = urllib3.HTTPResponse(
        io.BytesIO(answer.body), headers=_HEADERS, status=200, version=11, reason="OK", preload_content=False
    )
    return response
