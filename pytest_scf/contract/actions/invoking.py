"""Invoke and InvokeFunction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.contract.call import Call
from pytest_scf.contract.models.invoking import (
    InvokeFunctionRequest,
    InvokeFunctionResponse,
    InvokeRequest,
    InvokeResponse,
    Result,
)
from pytest_scf.contract.validators import check_event_size
from pytest_scf.platform.outcomes import invoke_result

if TYPE_CHECKING:
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Attempt, Invocation


def start(
    call: Call,
    function: FunctionRecord,
    payload: bytes,
    *,
    asynchronous: bool,
    qualifier: str | None = None,
    routing_key: str = "",
    field: str = "ClientContext",
) -> Invocation:
    """Have a function called with an event, JSON as bytes; ``field`` is where the request had it.

    Only of a function with asynchronous execution an asynchronous call makes an event, which the API lists and
    terminates. Raises the API's errors: 406 for an event that is too large, 432, 435, 442 ...
    """
    check_event_size(field, payload, asynchronous=asynchronous)
    return call.operations.invoke(
        function,
        payload,
        asynchronous=asynchronous,
        qualifier=qualifier,
        routing_key=routing_key,
        request_id=call.request_id,
    )


def call_and_wait(
    call: Call,
    function: FunctionRecord,
    payload: bytes,
    *,
    qualifier: str | None = None,
    routing_key: str = "",
    field: str = "ClientContext",
) -> Invocation:
    """``start``, then wait for the end: without a timeout here, as the function's own ends it."""
    event = start(
        call,
        function,
        payload,
        asynchronous=False,
        qualifier=qualifier,
        routing_key=routing_key,
        field=field,
    )
    call.operations.wait_final(event)
    return event


def invoke(call: Call, request: InvokeRequest) -> InvokeResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    payload, qualifier, routing_key = request.ClientContext, request.Qualifier, request.RoutingKey
    if request.InvocationType == "Event":
        start(call, function, payload, asynchronous=True, qualifier=qualifier, routing_key=routing_key)
        return InvokeResponse(Result("", "", "", 0, 0.0, 0, call.request_id, 0))
    event = call_and_wait(call, function, payload, qualifier=qualifier, routing_key=routing_key)
    return InvokeResponse(result_of(event.attempt, request.LogType))


def invoke_function(call: Call, request: InvokeFunctionRequest) -> InvokeFunctionResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    event = call_and_wait(
        call,
        function,
        request.Event,
        qualifier=request.Qualifier,
        routing_key=request.RoutingKey,
        field="Event",
    )
    return InvokeFunctionResponse(result_of(event.attempt, request.LogType))


def result_of(attempt: Attempt, log_type: str = "None") -> Result:
    """What the API's Result says of an attempt that has ended."""
    outcome = attempt.outcome
    assert outcome is not None
    # The first character of a tail may have lost bytes to the cut: it is left out.
    log = attempt.log.tail(facts.LOG_TAIL_BYTES).decode(errors="ignore") if log_type != "None" else ""
    return Result(
        log,
        attempt.ret_msg,
        attempt.err_msg,
        attempt.memory_bytes,
        attempt.duration_ms,
        attempt.bill_duration_ms,
        attempt.request_id,
        invoke_result(outcome),
    )
