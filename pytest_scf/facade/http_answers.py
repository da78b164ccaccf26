"""HTTP responses of event functions: what the handler returned, taken apart by the rules of what the request came by.

By a function URL (583/100227): an object with ``statusCode`` is a response, any other JSON value is the body of a 200.
Through the API gateway (583/12513), with its integrated response: an object with ``statusCode`` is a response, and
anything else is the gateway's own error; without it, whatever is returned is the body of a 200.

# Choice: where the documents are silent. A function that fails gives, by its URL, its status code of the cloud (433,
430, ...) and its error, as a web function does; through the gateway 502, as the vendor's own local gateway has it, but
for the time limit, which is a 200 with the error (documented). An object that is malformed gets the gateway's error by
the function URL, too.
"""

from __future__ import annotations

import base64
import binascii
import http
import json
from dataclasses import dataclass
from typing import Any

TIME_LIMIT = 433
WAYS = ("url", "apigw")

_JSON = ("Content-Type", "application/json")
_MALFORMED = {"errno": 403, "error": "Invalid scf response format. please check your scf response format."}
_FAILED = {"errorMessage": "Internal error"}


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    #: what is wrong with the value that the handler returned; "" where nothing is
    problem: str = ""

    @property
    def reason(self) -> str:
        return http.HTTPStatus(self.status).phrase if self.status in set(http.HTTPStatus) else ""


def of_value(value: Any, via: str, *, integrated: bool = True) -> HttpAnswer:
    """The response of a handler that returned ``value``; ``integrated``: of an API of the gateway's."""
    if not integrated:
        return HttpAnswer(200, (_JSON,), json.dumps(value, ensure_ascii=False).encode())
    if isinstance(value, dict) and "statusCode" in value:
        try:
            return _integrated(value)
        except ValueError as why:
            return _malformed(str(why))
    if via == "apigw":
        found = "without statusCode" if isinstance(value, dict) else f"of type {type(value).__name__}"
        return _malformed(f"an integrated response is an object with statusCode, and the handler returned one {found}")
    return HttpAnswer(200, (_JSON,), json.dumps(value, ensure_ascii=False).encode())


def of_failure(status_code: int, error: str, via: str) -> HttpAnswer:
    """The response of a function that failed with a status code of the cloud, and its error (JSON)."""
    if via == "apigw":
        if status_code == TIME_LIMIT:
            return HttpAnswer(200, (_JSON,), error.encode())
        return HttpAnswer(502, (_JSON,), json.dumps(_FAILED).encode())
    return HttpAnswer(status_code, (_JSON,), error.encode())


def _malformed(problem: str) -> HttpAnswer:
    return HttpAnswer(403, (_JSON,), json.dumps(_MALFORMED).encode(), problem)


def _integrated(value: dict[str, Any]) -> HttpAnswer:
    """Raises ValueError, which says what of it is malformed."""
    status = value["statusCode"]
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 999:
        raise ValueError(f"statusCode must be a number from 200 to 999, not {status!r}")
    body = value.get("body", "")
    body = "" if body is None else body
    if not isinstance(body, str):
        raise ValueError(f"body must be a string, not of type {type(body).__name__}: encode it with json.dumps")
    encoded = value.get("isBase64Encoded", False)
    if encoded not in (True, False, "true", "false"):
        raise ValueError(f"isBase64Encoded must be true or false, not {encoded!r}")
    data = body.encode(errors="replace")
    if encoded in (True, "true"):
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as why:
            raise ValueError(f"isBase64Encoded is true, and body is no base64: {why}") from why
    return HttpAnswer(status, _headers(value.get("headers", {})), data)


def _headers(given: object) -> tuple[tuple[str, str], ...]:
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise ValueError(f"headers must be an object, not of type {type(given).__name__}")
    headers = []
    for name, values in given.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, bool):
                value = "true" if value else "false"
            if not isinstance(value, (str, int, float)):
                raise ValueError(f"headers: {name} must be a string or a list of strings, not {value!r}")
            text = str(value)
            if not name or any(mark in name + text for mark in "\r\n\0") or any(mark in name for mark in ": "):
                raise ValueError(f"headers: {name!r}: {text!r} is not a header")
            headers.append((name, text))
    return tuple(headers)
