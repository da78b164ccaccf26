"""ListAsyncEvents, GetAsyncEventStatus and TerminateAsyncEvent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_scf.api_errors import (
    InvalidParameterValueStartTimeOrEndTime,
    ResourceNotFoundAsyncEvent,
    UnsupportedOperationAsyncRunEnable,
)
from pytest_scf.contract.call import Call
from pytest_scf.contract.models.async_events import (
    AsyncEvent,
    AsyncEventStatus,
    GetAsyncEventStatusRequest,
    GetAsyncEventStatusResponse,
    ListAsyncEventsRequest,
    ListAsyncEventsResponse,
    TerminateAsyncEventRequest,
    TimeInterval,
)
from pytest_scf.platform.event_index import EventQuery
from pytest_scf.platform.status import RUNNING

if TYPE_CHECKING:
    from pytest_scf.platform.event_index import EventSnapshot
    from pytest_scf.platform.records import Invocation


def get_async_event_status(call: Call, request: GetAsyncEventStatusRequest) -> GetAsyncEventStatusResponse:
    event = _async_event(call, request.InvokeRequestId)
    status = event.status  # read first, as it is written last: it may end meanwhile
    code = 0 if status == RUNNING else event.status_code
    return GetAsyncEventStatusResponse(AsyncEventStatus(status, code, event.request_id))


def terminate_async_event(call: Call, request: TerminateAsyncEventRequest) -> None:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    if not function.config.async_run:
        raise UnsupportedOperationAsyncRunEnable(
            f"The function {function.name} has no asynchronous execution, so there is no event to terminate: "
            "it must be created with AsyncRunEnable TRUE."
        )
    event = _async_event(call, request.InvokeRequestId)
    if event.function is not function:
        raise ResourceNotFoundAsyncEvent(
            f"The function {request.FunctionName} has no asynchronous event {request.InvokeRequestId}: "
            "it is another function's."
        )
    terminate(call, event, graceful=request.GraceShutdown)


def terminate(call: Call, event: Invocation, *, graceful: bool) -> None:
    """By force, which returns when the instance is gone, or by the termination signal.

    Raises ResourceNotFound.AsyncEvent for one that has expired, and FailedOperation.AsyncEventStatus for one that is
    not RUNNING: that is asked where it is terminated, as between an answer here and there it could end.
    """
    call.operations.events.get(event.request_id)
    call.operations.terminate(event, graceful)


def _async_event(call: Call, request_id: str) -> Invocation:
    event = call.operations.events.get(request_id)
    if not event.asynchronous:
        raise ResourceNotFoundAsyncEvent(f"{request_id} is an invocation, but not an asynchronous event.")
    return event


# The list ----------------------------------------------------------------------------------------------------------


def list_async_events(call: Call, request: ListAsyncEventsRequest) -> ListAsyncEventsResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    if request.Qualifier is not None:
        call.operations.functions.get(request.Namespace, request.FunctionName, request.Qualifier)
    query = EventQuery(
        request_id=request.InvokeRequestId,
        statuses=frozenset(request.Status) or None,
        invoke_types=frozenset(request.InvokeType) or None,
        qualifier=request.Qualifier,
        started=_span(call, "StartTimeInterval", request.StartTimeInterval),
        ended=_span(call, "EndTimeInterval", request.EndTimeInterval),
        by_end=request.Orderby == "EndTime",
        descending=request.Order == "DESC",
        offset=request.Offset,
        limit=request.Limit,
    )
    count, page = call.operations.events.page(function, query)
    return ListAsyncEventsResponse(count, [_shown(call, each) for each in page])


def _span(call: Call, name: str, interval: TimeInterval | None) -> tuple[int, int] | None:
    if interval is None:
        return None
    if interval.Start is None or interval.End is None:
        lacking = f"{name}.Start" if interval.Start is None else f"{name}.End"
        raise InvalidParameterValueStartTimeOrEndTime(
            f"The parameter `{name}` needs both Start and End: `{lacking}` is missing.", field=lacking
        )
    if interval.Start > interval.End:
        raise InvalidParameterValueStartTimeOrEndTime(
            field=f"{name}.Start", value=str(interval.Start), expected=f"not after `{name}.End`, {interval.End}"
        )
    return call.microseconds(interval.Start), call.microseconds(interval.End)


def _shown(call: Call, listed: EventSnapshot) -> AsyncEvent:
    event = listed.event
    return AsyncEvent(
        event.request_id,
        event.invoke_type,
        event.qualifier,
        listed.status,
        call.time(event.start_time),
        "" if listed.end_time is None else call.time(listed.end_time),
    )
