"""CreateNamespace, UpdateNamespace, DeleteNamespace, ListNamespaces."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.api_errors import InvalidParameterValueNamespace
from pytest_scf.contract import function_models as models
from pytest_scf.contract import limits
from pytest_scf.contract.times import write_seconds

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.registry import Namespace


def create_namespace(
    platform: Platform, request: models.CreateNamespaceRequest, request_id: str
) -> models.CreateNamespaceResponse:
    problem = limits.namespace_problem(request.Namespace)
    if problem is not None:
        raise InvalidParameterValueNamespace(f"The parameter `Namespace` {problem}.", field="Namespace")
    platform.functions.create_namespace(request.Namespace, request.Description)
    return models.CreateNamespaceResponse()


def update_namespace(
    platform: Platform, request: models.UpdateNamespaceRequest, request_id: str
) -> models.UpdateNamespaceResponse:
    platform.functions.update_namespace(request.Namespace, request.Description)
    return models.UpdateNamespaceResponse()


def delete_namespace(
    platform: Platform, request: models.DeleteNamespaceRequest, request_id: str
) -> models.DeleteNamespaceResponse:
    """Raises FailedOperation.DeleteNamespace while there are functions in it."""
    platform.functions.delete_namespace(request.Namespace)
    return models.DeleteNamespaceResponse()


def list_namespaces(
    platform: Platform, request: models.ListNamespacesRequest, request_id: str
) -> models.ListNamespacesResponse:
    found = [
        namespace
        for namespace in platform.functions.namespaces()
        if all(_matches(namespace, each) for each in request.SearchKey)
    ]
    key = attrgetter("name" if request.Orderby == "Name" else "mod_time")
    found.sort(key=key, reverse=request.Order == "DESC")
    hours = platform.settings.utc_offset_hours
    page = [
        models.Namespace(
            each.name,
            each.description,
            write_seconds(each.add_time, hours),
            write_seconds(each.mod_time, hours),
            "DEFAULT" if each.name == facts.DEFAULT_NAMESPACE else "CUSTOM",
        )
        for each in found[request.Offset : request.Offset + request.Limit]
    ]
    return models.ListNamespacesResponse(page, len(found))


def _matches(namespace: Namespace, key: models.SearchKey) -> bool:
    return key.Value in (namespace.name if key.Key == "Namespace" else namespace.description)
