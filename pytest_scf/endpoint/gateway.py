"""From a message to the cloud's answer: who asks is checked, and then what is asked is done."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pytest_scf.api_errors import (
    InternalError,
    MissingParameter,
    NoSuchProduct,
    NoSuchVersion,
    UnsupportedRegion,
)
from pytest_scf.contract.api import Api
from pytest_scf.endpoint.message import ApiRequest, Message
from pytest_scf.endpoint.signature import SERVICE, Credential, verify
from pytest_scf.errors import ApiError, ScfError

VERSION = "2018-04-16"
#: the end of the hosts of the cloud, of which each service has its own
CLOUD = ".tencentcloudapi.com"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    """``{"Response": {...}}``"""
    action: str
    """"" where it is not known which."""
    error: ApiError | ScfError | None
    request_id: str
    function: str = ""
    """The one that the request names; "" where it names none."""


class Gateway:
    """``credentials`` are those that are known here, ``region`` is the only one served; None: whatever is sent.

    ``prepare`` is called with each request that is let in, before it is done. ``remedy`` is what the error says to do
    about a SecretId that is not known.
    """

    def __init__(
        self,
        api: Api,
        credentials: Iterable[Credential] | None,
        region: str | None,
        *,
        now: Callable[[], float] = time.time,
        prepare: Callable[[ApiRequest], object] = lambda request: None,
        remedy: str = "use the one that the endpoint was made with",
    ) -> None:
        self._api = api
        self._prepare = prepare
        self._remedy = remedy
        self._known = None if credentials is None else {each.secret_id: each for each in credentials}
        self._region = region
        self._now = now

    def answer(self, message: Message) -> Answer:
        """Does what is asked. Whatever goes wrong is in the answer."""
        action = function = ""
        try:
            request = message.parse()
            action, function = request.action, request.function
            if self._known is not None:
                check_service(
                    verify(message, request, self._known, self._now(), self._remedy), message.headers.get("host", "")
                )
            check_version(request.version)
            self._check_region(request.region)
            if not action:
                raise MissingParameter("The parameter `Action` is required, and is missing.", field="Action")
            self._prepare(request)
            found = self._api.call(action, request.params)
            return Answer(_encode(found), action, None, found["RequestId"], function)
        except (ApiError, ScfError) as error:
            return refusal(error, action, function)
        except Exception as cause:
            return refusal(InternalError(f"{type(cause).__name__}: {cause}"), action, function)

    def _check_region(self, region: str) -> None:
        if not region:
            raise MissingParameter("The parameter `Region` is required, and is missing.", field="Region")
        if region != self._region and self._region is not None:
            raise UnsupportedRegion(
                f"The region {region!r} is not served here, only {self._region!r}, which is the setting `region`."
            )


def check_service(service: str, host: str) -> None:
    """Raises NoSuchProduct. The Node.js SDK takes what begins the host for the service, whatever host that is."""
    if service != SERVICE and (service != host.partition(".")[0] or host.endswith(CLOUD)):
        raise NoSuchProduct(f"The service {service!r} is not served here, only {SERVICE!r}.")


def check_version(version: str) -> None:
    """Raises NoSuchVersion, and MissingParameter."""
    if not version:
        raise MissingParameter("The parameter `Version` is required, and is missing.", field="Version")
    if version != VERSION:
        raise NoSuchVersion(f"There is no version {version!r} of the API here, only {VERSION}.")


def refusal(error: ApiError | ScfError, action: str = "", function: str = "") -> Answer:
    """An error as the cloud says it. What pytest-scf itself has to say comes as InternalError."""
    code, message, request_id = "InternalError", str(error), None
    if isinstance(error, ApiError):
        code, message, request_id = error.code, error.message, error.request_id
        action = action or error.action or ""
    request_id = request_id or str(uuid.uuid4())
    found = {"Error": {"Code": code, "Message": message}, "RequestId": request_id}
    return Answer(_encode(found), action, error, request_id, function)


def _encode(found: dict[str, Any]) -> bytes:
    return json.dumps({"Response": found}).encode()
