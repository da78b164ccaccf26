"""The table of actions: for each, what it is asked with, what it answers with, and the function that does it.

To add an action: its request and response in ``models``, its function in ``actions``, its row here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_scf.contract import log_models, models
from pytest_scf.contract.actions import async_events, invoking, logs
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
)

ACTIONS: dict[str, Action] = {action.name: action for action in _ROWS}
