"""Addresses of functions, of services of an API gateway, and of buckets."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_scf.endpoint.cos import CosService
from pytest_scf.endpoint.http_server import Answering, HttpRequest, HttpResponse, Upgrade
from pytest_scf.facade.addresses import answer
from pytest_scf.facade.handles import Function
from pytest_scf.facade.projects.routes import Route, choose
from pytest_scf.facade.runtime import ScfRuntime

#: has a function, of a namespace and name, run its code as it is now
Refresh = Callable[[str, str], object]
_JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class Address:
    """``lines`` are a path and what it leads to, each."""

    answering: Answering
    lines: list[tuple[str, str]]


def of_function(function: Function, refresh: Refresh) -> Address:
    """Its URL."""

    def answering(request: HttpRequest) -> HttpResponse | Upgrade:
        refresh(function.namespace, function.name)
        return answer(function, request, "url")

    return Address(answering, [("/", f"function {function.name}")])


def of_service(leading: Sequence[tuple[Route, Function]], refresh: Refresh) -> Address:
    """A service of an API gateway: paths, and the functions that they lead to."""

    def answering(request: HttpRequest) -> HttpResponse | Upgrade:
        path = request.target.partition("?")[0]
        found = choose(leading, request.method, path)
        if found is None:
            # As in 628/11939.
            said = f"There is no api match uri[{path}] host [{request.header('host')}]"
            return HttpResponse(404, json.dumps({"message": said}).encode(), [_JSON])
        route, function = found
        refresh(function.namespace, function.name)
        return answer(function, request, "apigw", route)

    lines = [(route.path, f"{route.method}, function {fn.name}, through the API gateway") for route, fn in leading]
    return Address(answering, lines)


def bucket_addresses(runtime: ScfRuntime) -> Iterator[Address]:
    """Each bucket has one of its own, so that no client has to name it in the Host."""
    buckets = runtime._platform.buckets
    for bucket in buckets.all():
        yield Address(CosService(buckets, bucket).answer, [("/", f"bucket {bucket.name}")])


def logged(answering: Answering, log: Callable[[str, float], object]) -> Answering:
    """The same, with ``log`` told of each request and the seconds that it took. What it raises is a 500."""

    def answer_and_log(request: HttpRequest) -> HttpResponse | Upgrade:
        begun = time.monotonic()
        problem = ""
        try:
            response = answering(request)
        except Exception as error:
            problem = f", {error}"
            said = {"errorCode": type(error).__name__, "errorMessage": str(error)}
            response = HttpResponse(500, json.dumps(said, ensure_ascii=False).encode(), [_JSON])
        if not isinstance(response, Upgrade):
            response = response.sendable()
        status = 101 if isinstance(response, Upgrade) else response.status
        log(f"{request.method} {request.target}: {status}{problem}", time.monotonic() - begun)
        return response

    return answer_and_log
