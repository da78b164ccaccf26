"""ListAsyncEvents, GetAsyncEventStatus and TerminateAsyncEvent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
from pytest_scf.contract.times import in_microseconds, microseconds_of, write_time
from pytest_scf.platform.status import RUNNING

if TYPE_CHECKING:
    from pytest_scf.platform.events import EventRecord
    from pytest_scf.platform.platform import Platform


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


def _async_event(platform: Platform, request_id: str) -> EventRecord:
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
    events: Sequence[EventRecord] = platform.events.tracked(function)
    for accepts in _filters(request, offset_hours):
        events = [event for event in events if accepts(event)]
    if request.Orderby == "EndTime":
        events = sorted(events, key=_by_end)
    count = len(events)  # once: the platform's own list grows while it is looked at
    page = _page(events, count, request)
    return ListAsyncEventsResponse(count, [_shown(event, offset_hours) for event in page])


def _page(events: Sequence[EventRecord], count: int, request: ListAsyncEventsRequest) -> Sequence[EventRecord]:
    """One page of events that stand in ascending order; the whole is never turned round or copied for it."""
    first, last = request.Offset, request.Offset + request.Limit
    if request.Order == "ASC":
        return events[first : min(last, count)]
    return events[max(count - last, 0) : max(count - first, 0)][::-1]


def _by_end(event: EventRecord) -> float:
    """SILENT where an event without an end stands in an order by EndTime; here below all others, as its "" does."""
    return -math.inf if event.end_time is None else event.end_time


def _filters(request: ListAsyncEventsRequest, offset_hours: float) -> list[Callable[[EventRecord], bool]]:
    filters: list[Callable[[EventRecord], bool]] = []
    if request.InvokeRequestId is not None:
        filters.append(lambda event: event.request_id == request.InvokeRequestId)
    if request.Status:
        statuses = frozenset(request.Status)
        filters.append(lambda event: event.status in statuses)
    if request.InvokeType:
        invoke_types = frozenset(request.InvokeType)
        filters.append(lambda event: event.invoke_type in invoke_types)
    if request.Qualifier is not None:
        filters.append(lambda event: event.qualifier == request.Qualifier)
    if request.StartTimeInterval is not None:
        started = _within("StartTimeInterval", request.StartTimeInterval, offset_hours)
        filters.append(lambda event: started(event.start_time))
    if request.EndTimeInterval is not None:
        ended = _within("EndTimeInterval", request.EndTimeInterval, offset_hours)
        filters.append(lambda event: event.end_time is not None and ended(event.end_time))
    return filters


def _within(name: str, interval: TimeInterval, offset_hours: float) -> Callable[[float], bool]:
    if interval.Start is None or interval.End is None:
        lacking = f"{name}.Start" if interval.Start is None else f"{name}.End"
        raise InvalidParameterValueStartTimeOrEndTime(
            f"The parameter `{name}` needs both Start and End: `{lacking}` is missing.", field=lacking
        )
    if interval.Start > interval.End:
        raise InvalidParameterValueStartTimeOrEndTime(
            field=f"{name}.Start", value=str(interval.Start), expected=f"not after `{name}.End`, {interval.End}"
        )
    start = microseconds_of(interval.Start, offset_hours)
    end = microseconds_of(interval.End, offset_hours)
    return lambda epoch: start <= in_microseconds(epoch) < end


def _shown(event: EventRecord, offset_hours: float) -> AsyncEvent:
    status = event.status  # read first, as it is written last: it may end meanwhile
    return AsyncEvent(
        event.request_id,
        event.invoke_type,
        event.qualifier,
        status,
        write_time(event.start_time, offset_hours),
        "" if status == RUNNING or event.end_time is None else write_time(event.end_time, offset_hours),
    )
