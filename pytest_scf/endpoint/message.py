"""One request as a client sent it, and what it asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message as Part
from email.parser import BytesParser
from email.utils import collapse_rfc2231_value
from typing import Any
from urllib.parse import parse_qsl

from pytest_scf import facts
from pytest_scf.api_errors import InvalidParameter, InvalidRequest
from pytest_scf.contract.flattened import FlattenedParams
from pytest_scf.contract.request import read_params
from pytest_scf.errors import ApiError

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
#: what every action may be sent beside its own parameters, where those stand in the query or in a form
#: (docs/cloud-contract.md#requests-on-the-wire)
COMMON = frozenset(
    [
        *("Action", "Version", "Region", "Timestamp", "Nonce", "SecretId", "Signature", "SignatureMethod", "Token"),
        *("Language", "RequestClient"),
    ]
)
#: parameters in a query, a form or a multipart body; more than the largest request has
_MOST_PARAMETERS = 2000


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What a message asks for. Only its form is known to be good."""

    action: str
    """"" where it is missing, as with the next two."""
    version: str
    region: str
    authorization: str
    """The Authorization header, for TC3."""
    signed: Mapping[str, str] | None
    """All parameters of a message that is signed by version 1; None where it is not."""
    params: FlattenedParams | Mapping[str, Any]
    """What ``Api.call`` takes."""

    @property
    def function(self) -> str:
        """The parameter FunctionName, as far as it is one; "" where it is missing."""
        found = self.params.get("FunctionName")
        return found if isinstance(found, str) else ""

    @property
    def namespace(self) -> str:
        found = self.params.get("Namespace")
        return found if isinstance(found, str) else facts.DEFAULT_NAMESPACE


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

    def parse(self) -> ApiRequest:
        """Raises InvalidRequest and InvalidParameter, with the action where it is known."""
        headers = self.headers
        action = headers.get("x-tc-action", "")
        try:
            pairs = self._pairs()
            common = {} if pairs is None else dict(pairs)
            action = action or common.get("Action", "")
            authorization = headers.get("authorization", "")
            return ApiRequest(
                action=action,
                version=headers.get("x-tc-version") or common.get("Version", ""),
                region=headers.get("x-tc-region") or common.get("Region", ""),
                authorization=authorization,
                signed=common if "Signature" in common and not authorization else None,
                params=self._params(pairs),
            )
        except ApiError as error:
            error.action = action
            raise

    @property
    def _content_type(self) -> str:
        """Without its parameters, in small letters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def _pairs(self) -> list[tuple[str, str]] | None:
        """The parameters as they stand in the query of a GET or in a form; None where they come as JSON or in parts."""
        if self.method == "GET":
            return _pairs(self.query)
        if self._content_type == FORM:
            try:
                return _pairs(self.body.decode("ascii"))
            except UnicodeDecodeError as why:
                raise InvalidRequest(f"The body is no form: {why}.") from why
        return None

    def _params(self, pairs: list[tuple[str, str]] | None) -> FlattenedParams | Mapping[str, Any]:
        if pairs is not None:
            return FlattenedParams(pair for pair in pairs if pair[0] not in COMMON)
        if self._content_type == MULTIPART:
            return FlattenedParams(_parts(self.body, self.headers["content-type"]))
        return read_params(self.body)


def _pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as why:  # not UTF-8, or too many
        raise InvalidRequest(f"The parameters cannot be read: {why}.") from why


def _parts(body: bytes, content_type: str) -> list[tuple[str, Any]]:
    if not body:
        return []
    try:
        message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body)
    except RecursionError as error:  # parts within parts
        raise InvalidRequest("The multipart body is nested too deeply.") from error
    parts = message.get_payload()
    if message.defects or not isinstance(parts, list):
        why = ", ".join(type(defect).__name__ for defect in message.defects) or "it has no parts"
        raise InvalidRequest(f"The multipart body cannot be read: {why}.")
    if len(parts) > _MOST_PARAMETERS:
        raise InvalidRequest(f"The multipart body has more than {_MOST_PARAMETERS} parts.")
    return [_part(part) for part in parts if isinstance(part, Part)]


def _part(part: Part) -> tuple[str, Any]:
    found = part.get_param("name", header="content-disposition")
    name = collapse_rfc2231_value(found) if found else ""
    content = part.get_payload(decode=True)
    if not name or not isinstance(content, bytes):
        raise InvalidRequest("A part of the multipart body has no name, or has parts of its own.")
    try:
        return name, json.loads(content) if part.get_content_type() == "application/json" else content.decode()
    except (ValueError, RecursionError) as why:
        raise InvalidParameter(f"The parameter `{name}` cannot be read: {why}.", field=name) from why
