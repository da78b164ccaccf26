"""The registry of actions: for each, what it is asked with, what it answers with, and the function that does it.

To add an action: its request and response in ``models``, its function in ``actions``, its row here, which takes both
types from the function's annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_type_hints

from pytest_scf.contract.actions import (
    async_events,
    functions,
    invoke_config,
    invoking,
    layers,
    logs,
    namespaces,
    provisioned,
    reading_functions,
    triggers,
    versions,
)
from pytest_scf.contract.call import Call
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.response import Writer, writer_of


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    request_type: type[Any]
    #: None: it answers with its RequestId alone
    response_type: type[Any] | None
    function: Callable[[Call, Any], Any]
    reader: RequestReader[Any]
    write: Writer


def _action(name: str, function: Callable[[Call, Any], Any]) -> Action:
    hints = get_type_hints(function)
    response_type = None if hints["return"] is type(None) else hints["return"]
    write: Writer = _nothing if response_type is None else writer_of(response_type)
    return Action(name, hints["request"], response_type, function, RequestReader(hints["request"]), write)


def _nothing(response: object) -> dict[str, Any]:
    return {}


_ROWS = (
    _action("Invoke", invoking.invoke),
    _action("InvokeFunction", invoking.invoke_function),
    _action("ListAsyncEvents", async_events.list_async_events),
    _action("GetAsyncEventStatus", async_events.get_async_event_status),
    _action("TerminateAsyncEvent", async_events.terminate_async_event),
    _action("GetRequestStatus", logs.get_request_status),
    _action("GetFunctionLogs", logs.get_function_logs),
    _action("CreateFunction", functions.create_function),
    _action("GetFunction", reading_functions.get_function),
    _action("ListFunctions", reading_functions.list_functions),
    _action("UpdateFunctionCode", functions.update_function_code),
    _action("UpdateFunctionConfiguration", functions.update_function_configuration),
    _action("DeleteFunction", functions.delete_function),
    _action("DeleteFunctionVersion", functions.delete_function_version),
    _action("PublishVersion", versions.publish_version),
    _action("ListVersionByFunction", versions.list_version_by_function),
    _action("CreateAlias", versions.create_alias),
    _action("GetAlias", versions.get_alias),
    _action("UpdateAlias", versions.update_alias),
    _action("DeleteAlias", versions.delete_alias),
    _action("ListAliases", versions.list_aliases),
    _action("CreateNamespace", namespaces.create_namespace),
    _action("UpdateNamespace", namespaces.update_namespace),
    _action("DeleteNamespace", namespaces.delete_namespace),
    _action("ListNamespaces", namespaces.list_namespaces),
    _action("GetFunctionEventInvokeConfig", invoke_config.get_function_event_invoke_config),
    _action("UpdateFunctionEventInvokeConfig", invoke_config.update_function_event_invoke_config),
    _action("PutReservedConcurrencyConfig", invoke_config.put_reserved_concurrency_config),
    _action("GetReservedConcurrencyConfig", invoke_config.get_reserved_concurrency_config),
    _action("DeleteReservedConcurrencyConfig", invoke_config.delete_reserved_concurrency_config),
    _action("PublishLayerVersion", layers.publish_layer_version),
    _action("GetLayerVersion", layers.get_layer_version),
    _action("ListLayers", layers.list_layers),
    _action("ListLayerVersions", layers.list_layer_versions),
    _action("DeleteLayerVersion", layers.delete_layer_version),
    _action("PutProvisionedConcurrencyConfig", provisioned.put_provisioned_concurrency_config),
    _action("GetProvisionedConcurrencyConfig", provisioned.get_provisioned_concurrency_config),
    _action("DeleteProvisionedConcurrencyConfig", provisioned.delete_provisioned_concurrency_config),
    _action("CreateTrigger", triggers.create_trigger),
    _action("ListTriggers", triggers.list_triggers),
    _action("UpdateTrigger", triggers.update_trigger),
    _action("UpdateTriggerStatus", triggers.update_trigger_status),
    _action("DeleteTrigger", triggers.delete_trigger),
)

ACTIONS: dict[str, Action] = {action.name: action for action in _ROWS}
