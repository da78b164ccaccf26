"""Paths of an API gateway's service, and which of them a request is for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pytest_scf.errors import UsageError
from pytest_scf.facade.projects.document import Node

ANY = "ANY"
_METHODS = (ANY, "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


@dataclass(frozen=True)
class Route:
    """``path`` as it is declared: ``/shop/{id}``, ``=/exactly``, ``^~/first``. ``service`` is what tells the file's
    services apart, and no name of the cloud."""

    service: str
    method: str
    path: str
    #: whether what the handler returns is taken apart as a response, or is the body of a 200
    integrated: bool = True

    @property
    def resource(self) -> str:
        """The path without what says how it is matched."""
        return self.path.removeprefix("^~").removeprefix("=")

    def rank(self, method: str, path: str) -> tuple[int, int, bool] | None:
        """How well a request fits, more is better; None where it does not.

        An exact path (``=``) beats a preferred one (``^~``), that one with variables, and that a plain one; of plain
        ones the longest counts (628/11939). Choice: all but the exact one match a path up to a slash or to its end.
        """
        if self.method not in (ANY, method):
            return None
        of_method = self.method != ANY
        if self.path.startswith("="):
            return (3, 0, of_method) if path == self.resource else None
        pattern = re.sub(r"\\{[^/{}]*\\}", "[^/]+", re.escape(self.resource))
        if re.match(pattern if pattern.endswith("/") else f"{pattern}(?:/|$)", path) is None:
            return None
        kind = 2 if self.path.startswith("^~") else 1 if "{" in self.resource else 0
        return kind, len(self.resource), of_method


_T = TypeVar("_T")


def choose(routes: Iterable[tuple[Route, _T]], method: str, path: str) -> tuple[Route, _T] | None:
    """The route that a request is for, and what it leads to; of equal ones the first. None where there is none."""
    ranked = [(rank, route, target) for route, target in routes if (rank := route.rank(method, path)) is not None]
    if not ranked:
        return None
    _rank, route, target = max(ranked, key=lambda each: each[0])
    return route, target


def route_of(routes: Sequence[Route], method: str, path: str) -> Route:
    """Raises UsageError where none is for the request."""
    found = choose([(route, None) for route in routes], str(method).upper(), str(path).partition("?")[0])
    if found is None:
        declared = ", ".join(f"{route.method} {route.path}" for route in routes)
        raise UsageError(f"the API gateway has no {method} {path} that leads to this function, only {declared}")
    return found[0]


def method_of(node: Node) -> str:
    method = node.text(ANY).upper()
    if method not in _METHODS:
        node.fail(f"must be one of {', '.join(_METHODS)}, not {node.value!r}")
    return method


def path_of(node: Node) -> str:
    path = node.text("/")
    if not path.removeprefix("^~").removeprefix("=").startswith("/"):
        node.fail(f"must begin with a slash, not {path!r}")
    return path


def integrated_of(api: Node, *, owned: bool) -> bool:
    """isIntegratedResponse, which the component scf takes for false where it is not given.

    Choice: of multi-scf, where ``function`` names the function, nothing says what it is then: true.
    """
    function = api.get("function")
    return function.get("isIntegratedResponse").flag(not owned) if isinstance(function.value, dict) else not owned
