"""GetRequestStatus and GetFunctionLogs: what the platform remembers of each attempt at an invocation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.api_errors import InvalidParameterValueLimit, InvalidParameterValueStartTimeOrEndTime
from pytest_scf.contract.call import Call
from pytest_scf.contract.models.logs import (
    LOGS_REACH,
    FunctionLog,
    GetFunctionLogsRequest,
    GetFunctionLogsResponse,
    GetRequestStatusRequest,
    GetRequestStatusResponse,
    LogSearchContext,
    RequestStatus,
)
from pytest_scf.platform import status

if TYPE_CHECKING:
    from pytest_scf.platform.records import Attempt, Invocation

_QUARTER = 15 * 60 * 1_000_000
_DAY = 24 * 3600 * 1_000_000
#: BillDuration is rounded up to it (ms)
_BILLED = 100

#: Choice: the status codes that each of the filters means, which is not documented
_CODES = {
    "TimeLimitExceeded": {status.TIME_LIMIT.code, status.INIT_TIMEOUT.code},
    "ResourceLimitExceeded": {429, 432, status.MEMORY_LIMIT.code},
    "UserCodeException": {
        status.USER_CODE_EXCEPTION.code,
        status.HANDLER_NOT_FOUND.code,
        status.USER_PROCESS_EXIT.code,
        status.USER_CODE_ERROR.code,
    },
}


def get_request_status(call: Call, request: GetRequestStatusRequest) -> GetRequestStatusResponse:
    """The attempts at an invocation.

    Choices, where nothing is documented: the latest attempt comes first; an id that nobody knows gives an empty list;
    an invocation that waits, for an instance or its next attempt, runs (RetCode 1).
    """
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    now = call.now()
    if request.StartTime is not None and request.EndTime is None:
        raise InvalidParameterValueStartTimeOrEndTime(
            "The parameter `StartTime` needs `EndTime`, which is missing.", field="EndTime"
        )
    start = now - _QUARTER if request.StartTime is None else call.microseconds(request.StartTime)
    end = now if request.EndTime is None else call.microseconds(request.EndTime)
    if end <= start:
        raise InvalidParameterValueStartTimeOrEndTime(
            field="EndTime", value=str(request.EndTime), expected=_later_than(request.StartTime)
        )
    event = call.operations.events.find(request.FunctionRequestId)
    found = []
    if event is not None and event.function is function:
        found = [each for each in event.attempts if start <= call.told(each.began) <= end]
    found.reverse()
    return GetRequestStatusResponse(len(found), [_status(call, each) for each in found])


def _later_than(start: datetime | None) -> str:
    return "later than 15 minutes ago, where `StartTime` is not sent" if start is None else f"later than {start}"


def _status(call: Call, event: Attempt) -> RequestStatus:
    state = event.status  # read first, as it is written last: it may end meanwhile
    return RequestStatus(
        event.function.name,
        "" if state == status.RUNNING else event.ret_msg,
        event.request_id,
        call.seconds(event.began),
        1 if state == status.RUNNING else 0 if state == status.FINISHED else -1,
        event.duration_ms,
        round(event.memory_bytes / facts.MIB, 3),
        event.number,
    )


# The logs ----------------------------------------------------------------------------------------------------------


def get_function_logs(call: Call, request: GetFunctionLogsRequest) -> GetFunctionLogsResponse:
    """Choice: without a FunctionName, which need not be given, the logs of all functions of the namespace."""
    if request.FunctionName is not None:
        call.operations.functions.get(request.Namespace, request.FunctionName, request.Qualifier or "$LATEST")
    if request.Offset + request.Limit > LOGS_REACH:
        raise InvalidParameterValueLimit(
            field="Limit", value=request.Limit, expected=f"at most {LOGS_REACH} together with `Offset`"
        )
    start, end = _span(call, request)
    wanted = _filter(request)
    found = [
        each
        for event in _remembered(call, request)
        for each in event.begun
        if start <= call.told(each.began) <= end and wanted(each)
    ]
    found.sort(key=_KEYS[request.OrderBy], reverse=request.Order == "desc")
    page = found[request.Offset : request.Offset + request.Limit]
    return GetFunctionLogsResponse(len(found), [_log(call, each) for each in page], LogSearchContext())


def _span(call: Call, request: GetFunctionLogsRequest) -> tuple[int, int]:
    """Choice: an EndTime that is not given is now, or a day after StartTime; a StartTime is a day before EndTime."""
    start = None if request.StartTime is None else call.microseconds(request.StartTime)
    end = None if request.EndTime is None else call.microseconds(request.EndTime)
    if end is None:
        end = call.now() if start is None else start + _DAY
    if start is None:
        start = end - _DAY
    if start > end or end - start > _DAY:
        expected = f"at most one day later than `StartTime`, {request.StartTime}"
        raise InvalidParameterValueStartTimeOrEndTime(field="EndTime", value=str(request.EndTime), expected=expected)
    return start, end


def _remembered(call: Call, request: GetFunctionLogsRequest) -> Iterator[Invocation]:
    if request.FunctionRequestId is None:
        events = call.operations.events.all()
    else:
        event = call.operations.events.find(request.FunctionRequestId)
        events = [] if event is None else [event]
    # The start of a provisioned instance has a log of its own.
    starts = call.operations.provisioning.provisions.starts()
    events += [each for each in starts if request.FunctionRequestId in (None, each.request_id)]
    for event in events:
        function = event.function
        if (
            function.namespace == request.Namespace
            and request.FunctionName in (None, function.name)
            and request.Qualifier in (None, event.qualifier)
        ):
            yield event


def _filter(request: GetFunctionLogsRequest) -> Callable[[Attempt], bool]:
    wanted = None if request.Filter is None else request.Filter.RetCode
    if wanted is None:
        return lambda event: True
    if wanted == "is0":
        return lambda event: event.status == status.FINISHED
    if wanted == "not0":
        return lambda event: event.status in (status.FAILED, status.ABORTED)
    codes = _CODES[wanted]
    return lambda event: event.status_code in codes


_KEYS: dict[str, Callable[[Attempt], tuple[object, float]]] = {
    "function_name": lambda event: (event.function.name, event.began),
    "duration": lambda event: (event.duration_ms, event.began),
    "mem_usage": lambda event: (event.memory_bytes, event.began),
    "start_time": lambda event: (event.began, event.began),
}


def _log(call: Call, event: Attempt) -> FunctionLog:
    state = event.status
    running = state == status.RUNNING
    return FunctionLog(
        event.function.name,
        "" if running else event.ret_msg,
        event.request_id,
        call.seconds(event.began),
        2 if running else 0 if state == status.FINISHED else 3 if state == status.ABORTED else event.status_code,
        0 if running else 1,
        event.duration_ms,
        0 if running else math.ceil(event.duration_ms / _BILLED) * _BILLED,
        event.memory_bytes,
        event.log.text(),
        "",
        "",
        event.number,
    )
