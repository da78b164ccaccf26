"""CreateNamespace, UpdateNamespace, DeleteNamespace, ListNamespaces."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pytest_scf.api_errors import (
    FailedOperationDeleteNamespace,
    InvalidParameterValueDefaultNamespace,
    InvalidParameterValueNamespace,
    ResourceInUseNamespace,
)
from pytest_scf.contract import function_models as models
from pytest_scf.contract import limits
from pytest_scf.contract.times import write_seconds

if TYPE_CHECKING:
    from pytest_scf.platform.functions import Namespace
    from pytest_scf.platform.platform import Platform


def create_namespace(
    platform: Platform, request: models.CreateNamespaceRequest, request_id: str
) -> models.CreateNamespaceResponse:
    problem = limits.namespace_problem(request.Namespace)
    if problem is not None:
        raise InvalidParameterValueNamespace(f"The parameter `Namespace` {problem}.", field="Namespace")
    if request.Namespace in platform.functions.namespaces:
        raise ResourceInUseNamespace(f"The namespace {request.Namespace} exists already.")
    platform.functions.add_namespace(request.Namespace, request.Description)
    return models.CreateNamespaceResponse()


def update_namespace(
    platform: Platform, request: models.UpdateNamespaceRequest, request_id: str
) -> models.UpdateNamespaceResponse:
    namespace = platform.functions.namespace(request.Namespace)
    namespace.description = request.Description
    namespace.mod_time = platform.clock.now()
    return models.UpdateNamespaceResponse()


def delete_namespace(
    platform: Platform, request: models.DeleteNamespaceRequest, request_id: str
) -> models.DeleteNamespaceResponse:
    """Raises FailedOperation.DeleteNamespace while there are functions in it."""
    platform.functions.namespace(request.Namespace)
    if request.Namespace == "default":
        raise InvalidParameterValueDefaultNamespace("The namespace default cannot be deleted.", field="Namespace")
    held = [function.name for function in platform.functions.all() if function.namespace == request.Namespace]
    if held:
        raise FailedOperationDeleteNamespace(
            f"The namespace {request.Namespace} holds functions ({', '.join(held[:3])}): delete them before."
        )
    del platform.functions.namespaces[request.Namespace]
    return models.DeleteNamespaceResponse()


def list_namespaces(
    platform: Platform, request: models.ListNamespacesRequest, request_id: str
) -> models.ListNamespacesResponse:
    found = [
        namespace
        for namespace in list(platform.functions.namespaces.values())
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
            "DEFAULT" if each.name == "default" else "CUSTOM",
        )
        for each in found[request.Offset : request.Offset + request.Limit]
    ]
    return models.ListNamespacesResponse(page, len(found))


def _matches(namespace: Namespace, key: models.SearchKey) -> bool:
    return key.Value in (namespace.name if key.Key == "Namespace" else namespace.description)
