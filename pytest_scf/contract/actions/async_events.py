"""ListAsyncEvents, GetAsyncEventStatus and TerminateAsyncEvent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_scf.api_errors import (
    InvalidParameterValueStartTimeOrEndTime,
    ResourceNotFoundAsyncEvent,
    UnsupportedOperationAsyncRunEnable,
)
from pytest_scf.contract.models import (
    AsyncEvent,
    AsyncEventStatus,
    GetAsyncEventStatusRequest,
    GetAsyncEventStatusResponse,
    ListAsyncEventsRequest,
    ListAsyncEventsResponse,
    TerminateAsyncEventRequest,
    TerminateAsyncEventResponse,
    TimeInterval,
)
from pytest_scf.contract.times import microseconds_of, write_time
from pytest_scf.platform.event_index import EventQuery
from pytest_scf.platform.status import RUNNING

if TYPE_CHECKING:
    from pytest_scf.platform.event_index import EventSnapshot
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.records import Invocation


def get_async_event_status(
    platform: Platform, request: GetAsyncEventStatusRequest, request_id: str
) -> GetAsyncEventStatusResponse:
    event = _async_event(platform, request.InvokeRequestId)
    status = event.status  # read first, as it is written last: it may end meanwhile
    code = 0 if status == RUNNING else event.status_code
    return GetAsyncEventStatusResponse(AsyncEventStatus(status, code, event.request_id))


def terminate_async_event(
    platform: Platform, request: TerminateAsyncEventRequest, request_id: str
) -> TerminateAsyncEventResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    if not function.config.async_run:
        raise UnsupportedOperationAsyncRunEnable(
            f"The function {request.FunctionName} has no asynchronous execution, so there is no event to terminate: "
            "it must be created with AsyncRunEnable TRUE."
        )
    event = _async_event(platform, request.InvokeRequestId)
    if event.function is not function:
        raise ResourceNotFoundAsyncEvent(
            f"The function {request.FunctionName} has no asynchronous event {request.InvokeRequestId}: "
            "it is another function's."
        )
    # Whether it is RUNNING is asked where it is terminated: between an answer here and there it could end.
    platform.terminate(event, request.GraceShutdown)
    return TerminateAsyncEventResponse()


def _async_event(platform: Platform, request_id: str) -> Invocation:
    event = platform.events.get(request_id)
    if not event.asynchronous:
        raise ResourceNotFoundAsyncEvent(f"{request_id} is an invocation, but not an asynchronous event.")
    return event


# The list ----------------------------------------------------------------------------------------------------------


def list_async_events(platform: Platform, request: ListAsyncEventsRequest, request_id: str) -> ListAsyncEventsResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    if request.Qualifier is not None:
        platform.functions.get(request.Namespace, request.FunctionName, request.Qualifier)
    offset_hours = platform.settings.utc_offset_hours
    query = EventQuery(
        request_id=request.InvokeRequestId,
        statuses=frozenset(request.Status) or None,
        invoke_types=frozenset(request.InvokeType) or None,
        qualifier=request.Qualifier,
        started=_span("StartTimeInterval", request.StartTimeInterval, offset_hours),
        ended=_span("EndTimeInterval", request.EndTimeInterval, offset_hours),
        by_end=request.Orderby == "EndTime",
        descending=request.Order == "DESC",
        offset=request.Offset,
        limit=request.Limit,
    )
    count, page = platform.events.page(function, query)
    return ListAsyncEventsResponse(count, [_shown(each, offset_hours) for each in page])


def _span(name: str, interval: TimeInterval | None, offset_hours: float) -> tuple[int, int] | None:
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
    return microseconds_of(interval.Start, offset_hours), microseconds_of(interval.End, offset_hours)


def _shown(listed: EventSnapshot, offset_hours: float) -> AsyncEvent:
    event = listed.event
    return AsyncEvent(
        event.request_id,
        event.invoke_type,
        event.qualifier,
        listed.status,
        write_time(event.start_time, offset_hours),
        "" if listed.end_time is None else write_time(listed.end_time, offset_hours),
    )
