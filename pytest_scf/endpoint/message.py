"""One request as a client sent it: what the signature is computed from, and where the parameters stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pytest_scf.api_errors import InvalidParameter, InvalidRequest
from pytest_scf.contract.flattened import FlattenedParams

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
#: what every action may be sent beside its own parameters, where those stand in the query or in a form (contract 9)
COMMON = frozenset(
    [
        *("Action", "Version", "Region", "Timestamp", "Nonce", "SecretId", "Signature", "SignatureMethod", "Token"),
        *("Language", "RequestClient"),
    ]
)
#: parameters in a query, a form or a multipart body; more than the largest request has
_MOST_PARAMETERS = 2000


@dataclass(frozen=True, slots=True)
class Message:
    method: str
    """"GET" or "POST"."""
    path: str
    query: str
    """As sent, without the question mark."""
    headers: Mapping[str, str]
    """By their names in small letters, values without the white space around them."""
    body: bytes

    @property
    def content_type(self) -> str:
        """Without its parameters, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def pairs(self) -> list[tuple[str, str]] | None:
        """The parameters as they stand in the query of a GET or in a form; None where they come as JSON or in parts.

        Raises InvalidRequest.
        """
        if self.method == "GET":
            return _pairs(self.query)
        if self.content_type == FORM:
            try:
                return _pairs(self.body.decode("ascii"))
            except UnicodeDecodeError as why:
                raise InvalidRequest(f"The body is no form: {why}.") from why
        return None

    def params(self, pairs: list[tuple[str, str]] | None) -> FlattenedParams | bytes:
        """What ``Api.call`` takes. Raises InvalidRequest and InvalidParameter."""
        if pairs is not None:
            return FlattenedParams(pair for pair in pairs if pair[0] not in COMMON)
        if self.content_type == MULTIPART:
            return FlattenedParams(_parts(self.body, self.headers["content-type"]))
        return self.body


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as why:  # not UTF-8, or too many
        raise InvalidRequest(f"The parameters cannot be read: {why}.") from why


def _parts(body: bytes, content_type: str) -> list[tuple[str, Any]]:
    boundary = _option(content_type, "boundary")
    if not boundary:
        raise InvalidRequest(f"The Content-Type {content_type!r} names no boundary.")
    delimiter = b"--" + boundary.encode("latin-1")
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter, _MOST_PARAMETERS)
    if body and not pieces[-1].startswith(b"--"):
        raise InvalidRequest("The multipart body is not complete: its last boundary is missing.")
    return [_part(piece) for piece in pieces[1:-1]]


def _part(piece: bytes) -> tuple[str, Any]:
    head, found, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    name = _option(headers.get("content-disposition", ""), "name")
    if not found or not name:
        raise InvalidRequest("A part of the multipart body has no name.")
    try:
        if headers.get("content-type", "").startswith("application/json"):
            return name, json.loads(content)
        return name, content.decode()
    except (ValueError, RecursionError) as why:
        raise InvalidParameter(f"The parameter `{name}` cannot be read: {why}.", field=name) from why


def _option(header: str, name: str) -> str:
    """``name="value"`` or ``name=value`` out of a header."""
    for option in header.split(";")[1:]:
        key, _, value = option.strip().partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""
