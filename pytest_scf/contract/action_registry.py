"""The registry of actions: for each, what it is asked with, what it answers with, and the function that does it.

To add an action: its request and response in ``models``, its function in ``actions``, its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_scf.contract import function_models, log_models, models
from pytest_scf.contract.actions import async_events, functions, invoke_config, invoking, logs, namespaces, versions
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.response import Writer, writer_of

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    request_type: type[Any]
    response_type: type[Any]
    function: Callable[[Platform, Any, str], Any]
    """Called with the platform, the request and the RequestId of the answer."""
    reader: RequestReader[Any]
    write: Writer


def _action(
    name: str,
    request_type: type[RequestT],
    response_type: type[ResponseT],
    function: Callable[[Platform, RequestT, str], ResponseT],
) -> Action:
    reader = RequestReader(request_type)
    return Action(name, request_type, response_type, function, reader, writer_of(response_type))


_ROWS = (
    _action("Invoke", models.InvokeRequest, models.InvokeResponse, invoking.invoke),
    _action(
        "InvokeFunction",
        models.InvokeFunctionRequest,
        models.InvokeFunctionResponse,
        invoking.invoke_function,
    ),
    _action(
        "ListAsyncEvents",
        models.ListAsyncEventsRequest,
        models.ListAsyncEventsResponse,
        async_events.list_async_events,
    ),
    _action(
        "GetAsyncEventStatus",
        models.GetAsyncEventStatusRequest,
        models.GetAsyncEventStatusResponse,
        async_events.get_async_event_status,
    ),
    _action(
        "TerminateAsyncEvent",
        models.TerminateAsyncEventRequest,
        models.TerminateAsyncEventResponse,
        async_events.terminate_async_event,
    ),
    _action(
        "GetRequestStatus",
        log_models.GetRequestStatusRequest,
        log_models.GetRequestStatusResponse,
        logs.get_request_status,
    ),
    _action(
        "GetFunctionLogs",
        log_models.GetFunctionLogsRequest,
        log_models.GetFunctionLogsResponse,
        logs.get_function_logs,
    ),
    _action(
        "CreateFunction",
        function_models.CreateFunctionRequest,
        function_models.CreateFunctionResponse,
        functions.create_function,
    ),
    _action(
        "GetFunction", function_models.GetFunctionRequest, function_models.GetFunctionResponse, functions.get_function
    ),
    _action(
        "ListFunctions",
        function_models.ListFunctionsRequest,
        function_models.ListFunctionsResponse,
        functions.list_functions,
    ),
    _action(
        "UpdateFunctionCode",
        function_models.UpdateFunctionCodeRequest,
        function_models.UpdateFunctionCodeResponse,
        functions.update_function_code,
    ),
    _action(
        "UpdateFunctionConfiguration",
        function_models.UpdateFunctionConfigurationRequest,
        function_models.UpdateFunctionConfigurationResponse,
        functions.update_function_configuration,
    ),
    _action(
        "DeleteFunction",
        function_models.DeleteFunctionRequest,
        function_models.DeleteFunctionResponse,
        functions.delete_function,
    ),
    _action(
        "DeleteFunctionVersion",
        function_models.DeleteFunctionVersionRequest,
        function_models.DeleteFunctionVersionResponse,
        functions.delete_function_version,
    ),
    _action(
        "PublishVersion",
        function_models.PublishVersionRequest,
        function_models.PublishVersionResponse,
        versions.publish_version,
    ),
    _action(
        "ListVersionByFunction",
        function_models.ListVersionByFunctionRequest,
        function_models.ListVersionByFunctionResponse,
        versions.list_version_by_function,
    ),
    _action(
        "CreateAlias", function_models.CreateAliasRequest, function_models.CreateAliasResponse, versions.create_alias
    ),
    _action("GetAlias", function_models.GetAliasRequest, function_models.GetAliasResponse, versions.get_alias),
    _action(
        "UpdateAlias", function_models.UpdateAliasRequest, function_models.UpdateAliasResponse, versions.update_alias
    ),
    _action(
        "DeleteAlias", function_models.DeleteAliasRequest, function_models.DeleteAliasResponse, versions.delete_alias
    ),
    _action(
        "ListAliases", function_models.ListAliasesRequest, function_models.ListAliasesResponse, versions.list_aliases
    ),
    _action(
        "CreateNamespace",
        function_models.CreateNamespaceRequest,
        function_models.CreateNamespaceResponse,
        namespaces.create_namespace,
    ),
    _action(
        "UpdateNamespace",
        function_models.UpdateNamespaceRequest,
        function_models.UpdateNamespaceResponse,
        namespaces.update_namespace,
    ),
    _action(
        "DeleteNamespace",
        function_models.DeleteNamespaceRequest,
        function_models.DeleteNamespaceResponse,
        namespaces.delete_namespace,
    ),
    _action(
        "ListNamespaces",
        function_models.ListNamespacesRequest,
        function_models.ListNamespacesResponse,
        namespaces.list_namespaces,
    ),
    _action(
        "GetFunctionEventInvokeConfig",
        function_models.GetFunctionEventInvokeConfigRequest,
        function_models.GetFunctionEventInvokeConfigResponse,
        invoke_config.get_function_event_invoke_config,
    ),
    _action(
        "UpdateFunctionEventInvokeConfig",
        function_models.UpdateFunctionEventInvokeConfigRequest,
        function_models.UpdateFunctionEventInvokeConfigResponse,
        invoke_config.update_function_event_invoke_config,
    ),
    _action(
        "PutReservedConcurrencyConfig",
        function_models.PutReservedConcurrencyConfigRequest,
        function_models.PutReservedConcurrencyConfigResponse,
        invoke_config.put_reserved_concurrency_config,
    ),
    _action(
        "GetReservedConcurrencyConfig",
        function_models.GetReservedConcurrencyConfigRequest,
        function_models.GetReservedConcurrencyConfigResponse,
        invoke_config.get_reserved_concurrency_config,
    ),
    _action(
        "DeleteReservedConcurrencyConfig",
        function_models.DeleteReservedConcurrencyConfigRequest,
        function_models.DeleteReservedConcurrencyConfigResponse,
        invoke_config.delete_reserved_concurrency_config,
    ),
)

ACTIONS: dict[str, Action] = {action.name: action for action in _ROWS}
