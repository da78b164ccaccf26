"""CreateNamespace, UpdateNamespace, DeleteNamespace, ListNamespaces."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.api_errors import InvalidParameterValueNamespace
from pytest_scf.contract import limits
from pytest_scf.contract.call import Call
from pytest_scf.contract.models import namespaces as models

if TYPE_CHECKING:
    from pytest_scf.platform.registry import Namespace


def create_namespace(call: Call, request: models.CreateNamespaceRequest) -> None:
    problem = limits.namespace_problem(request.Namespace)
    if problem is not None:
        raise InvalidParameterValueNamespace(f"The parameter `Namespace` {problem}.", field="Namespace")
    call.operations.functions.create_namespace(request.Namespace, request.Description)


def update_namespace(call: Call, request: models.UpdateNamespaceRequest) -> None:
    call.operations.functions.update_namespace(request.Namespace, request.Description)


def delete_namespace(call: Call, request: models.DeleteNamespaceRequest) -> None:
    """Raises FailedOperation.DeleteNamespace while there are functions in it."""
    call.operations.functions.delete_namespace(request.Namespace)


def list_namespaces(call: Call, request: models.ListNamespacesRequest) -> models.ListNamespacesResponse:
    found = [
        namespace
        for namespace in call.operations.functions.namespaces()
        if all(_matches(namespace, each) for each in request.SearchKey)
    ]
    key = attrgetter("name" if request.Orderby == "Name" else "mod_time")
    found.sort(key=key, reverse=request.Order == "DESC")
    page = [
        models.Namespace(
            each.name,
            each.description,
            call.seconds(each.add_time),
            call.seconds(each.mod_time),
            "DEFAULT" if each.name == facts.DEFAULT_NAMESPACE else "CUSTOM",
        )
        for each in found[request.Offset : request.Offset + request.Limit]
    ]
    return models.ListNamespacesResponse(page, len(found))


def _matches(namespace: Namespace, key: models.SearchKey) -> bool:
    return key.Value in (namespace.name if key.Key == "Namespace" else namespace.description)
