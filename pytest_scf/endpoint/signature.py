"""Whether a request is signed by somebody who is known, and who that is (docs/cloud-contract.md#requests-on-the-wire).

TC3-HMAC-SHA256 stands in the Authorization header; version 1 (HmacSHA1, HmacSHA256) among the parameters. Both are
computed from the Host header as it was received: a client may take all of its endpoint for a host.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlencode

from pytest_scf.api_errors import (
    AuthFailureInvalidAuthorization,
    AuthFailureSecretIdNotFound,
    AuthFailureSignatureExpire,
    AuthFailureSignatureFailure,
    AuthFailureTokenFailure,
    InvalidParameterValue,
    MissingParameter,
)
from pytest_scf.endpoint.message import ApiRequest, Message

#: seconds that a client's clock may be from ours
TOLERANCE = 300
SERVICE = "scf"
TC3 = "TC3-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"Credential\s*=\s*([^/\s,]+)/(\d{4}-\d\d-\d\d)/([^/\s,]+)/tc3_request\s*,\s*"
    r"SignedHeaders\s*=\s*([a-z0-9_;-]+)\s*,\s*Signature\s*=\s*([0-9a-f]{64})",
    re.ASCII,
)
_V1 = {"HmacSHA1": "sha1", "HmacSHA256": "sha256"}
_FORM_OF_TC3 = (
    f"`{TC3} Credential=ID/DATE/SERVICE/tc3_request, SignedHeaders=content-type;host, Signature=64 hexadecimal digits`"
)


@dataclass(frozen=True, slots=True)
class Credential:
    secret_id: str
    secret_key: str
    #: what a temporary credential has to be sent with; "" for one that lasts
    token: str = ""

    @classmethod
    def new(cls) -> Credential:
        return cls(f"AKID{secrets.token_hex(16)}", secrets.token_hex(16))


@dataclass(frozen=True, slots=True)
class Authorization:
    """What stands in the Authorization header of a request signed by TC3."""

    secret_id: str
    date: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str

    @classmethod
    def read(cls, header: str) -> Authorization:
        """Raises AuthFailure.InvalidAuthorization."""
        scheme, _, rest = header.strip().partition(" ")
        found = _AUTHORIZATION.fullmatch(rest.strip()) if scheme == TC3 else None
        if found is None:
            lacking = "is missing" if not header else f"has not the form {_FORM_OF_TC3}"
            raise AuthFailureInvalidAuthorization(f"The Authorization header {lacking}.")
        secret_id, date, service, names, signature = found.groups()
        return cls(secret_id, date, service, tuple(names.split(";")), signature)


def verify(message: Message, request: ApiRequest, known: Mapping[str, Credential], now: float, remedy: str = "") -> str:
    """Check who asks; the service that the request is signed for.

    ``now`` in seconds since the epoch; ``remedy`` is what to do about a SecretId that is not in ``known``. Raises the
    kinds of AuthFailure, MissingParameter and InvalidParameterValue.
    """
    if request.signed is not None:
        _verify_v1(message, dict(request.signed), known, now, remedy)
        return SERVICE
    authorization = Authorization.read(request.authorization)
    _verify_tc3(message, authorization, known, now, remedy)
    return authorization.service


def _verify_tc3(
    message: Message, given: Authorization, known: Mapping[str, Credential], now: float, remedy: str
) -> None:
    headers = message.headers
    timestamp = _timestamp(headers.get("x-tc-timestamp"), "X-TC-Timestamp", now)
    if given.date != datetime.fromtimestamp(timestamp, timezone.utc).strftime("%Y-%m-%d"):
        raise AuthFailureSignatureFailure(
            f"The date {given.date} in the Authorization header is not the day, in UTC, of X-TC-Timestamp {timestamp}."
        )
    credential = _known(known, given.secret_id, headers.get("x-tc-token", ""), remedy)
    for name in ("content-type", "host"):
        if name not in given.signed_headers:
            raise AuthFailureSignatureFailure(f"SignedHeaders in the Authorization header lacks {name}.")
    for name in given.signed_headers:
        if name not in headers:
            raise AuthFailureSignatureFailure(f"The header {name} is signed, but was not sent.")
    key = _signing_key(credential.secret_key, given.date, given.service)
    scope = f"{given.date}/{given.service}/tc3_request"
    for canonical in _canonical_requests(message, given.signed_headers):
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        to_sign = f"{TC3}\n{timestamp}\n{scope}\n{digest}"
        if hmac.compare_digest(hmac.digest(key, to_sign.encode(), "sha256").hex(), given.signature):
            return
    canonical = next(_canonical_requests(message, given.signed_headers))
    raise AuthFailureSignatureFailure(
        f"The signature is not the one computed here for SecretId {given.secret_id}: it is made with another "
        f"SecretKey, or from another request than this one, whose canonical form is {canonical!r}."
    )


def _canonical_requests(message: Message, names: tuple[str, ...]) -> Iterator[str]:
    """As most clients make it, first; then in the ways that a correct one may differ.

    The documents write header values in small letters and encode the query anew; the Node.js SDK signs the Host without
    the port that it sends; the Ruby SDK signs multipart/form-data without its boundary.
    """
    unsigned = message.headers.get("x-tc-content-sha256", "").upper() == "UNSIGNED-PAYLOAD"
    payload = hashlib.sha256(b"UNSIGNED-PAYLOAD" if unsigned else message.body).hexdigest()
    values = [message.headers[name] for name in names]
    hostname = re.sub(r":\d+$", "", message.headers["host"])
    without_port = [hostname if name == "host" else value for name, value in zip(names, values, strict=True)]
    without_boundary = [
        value.partition(";")[0] if name == "content-type" else value for name, value in zip(names, values, strict=True)
    ]
    small = [value.lower() for value in values]
    queries = [message.query]
    if message.query:
        queries.append(urlencode(parse_qsl(message.query, keep_blank_values=True)))
    for query in queries:
        for chosen in (values, small, without_port, without_boundary):
            listed = "".join([f"{name}:{value}\n" for name, value in zip(names, chosen, strict=True)])
            yield f"{message.method}\n{message.path}\n{query}\n{listed}\n{';'.join(names)}\n{payload}"


@functools.lru_cache(maxsize=64)
def _signing_key(secret_key: str, date: str, service: str) -> bytes:
    key = hmac.digest(f"TC3{secret_key}".encode(), date.encode(), "sha256")
    return hmac.digest(hmac.digest(key, service.encode(), "sha256"), b"tc3_request", "sha256")


def _verify_v1(
    message: Message, params: dict[str, str], known: Mapping[str, Credential], now: float, remedy: str
) -> None:
    for name in ("SecretId", "Nonce"):
        if not params.get(name):
            raise MissingParameter(f"The parameter `{name}` is required, and is missing.", field=name)
    method = params.get("SignatureMethod", "HmacSHA1")
    algorithm = _V1.get(method)
    if algorithm is None:
        raise InvalidParameterValue(field="SignatureMethod", value=method, expected=f"one of {', '.join(_V1)}")
    _timestamp(params.get("Timestamp"), "Timestamp", now)
    credential = _known(known, params["SecretId"], params.get("Token", ""), remedy)
    given = params.pop("Signature").strip()  # encoders of base64 end it with a newline
    listed = "&".join([f"{name}={params[name]}" for name in sorted(params)])
    text = f"{message.method}{message.headers.get('host', '')}{message.path}?{listed}"
    signature = base64.b64encode(hmac.digest(credential.secret_key.encode(), text.encode(), algorithm)).decode()
    if not hmac.compare_digest(signature.encode(), given.encode()):
        raise AuthFailureSignatureFailure(
            f"The signature is not the one computed here for SecretId {credential.secret_id}: it is made with another "
            f"SecretKey, or from another text than {text!r}."
        )


def _known(known: Mapping[str, Credential], secret_id: str, token: str, remedy: str) -> Credential:
    credential = known.get(secret_id)
    if credential is None:
        raise AuthFailureSecretIdNotFound(
            f"The SecretId {secret_id!r} is not known here" + (f"; {remedy}." if remedy else ".")
        )
    if not hmac.compare_digest(credential.token.encode(), token.encode()):
        lacking = "needs the token it was given with" if credential.token else "has no token, but one was sent"
        raise AuthFailureTokenFailure(f"The SecretId {secret_id!r} {lacking}.")
    return credential


def _timestamp(text: str | None, name: str, now: float) -> int:
    if not text:
        raise MissingParameter(f"The parameter `{name}` is required, and is missing.", field=name)
    if not re.fullmatch(r"[0-9]{1,12}", text):
        raise InvalidParameterValue(field=name, value=text, expected="seconds since 1970, in digits")
    timestamp = int(text)
    if abs(now - timestamp) > TOLERANCE:
        raise AuthFailureSignatureExpire(
            f"The signature has expired: {name} {timestamp} is more than {TOLERANCE} seconds from the time here, "
            f"{now:.0f}."
        )
    return timestamp
