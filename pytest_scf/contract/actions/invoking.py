"""Invoke and InvokeFunction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.contract.models import (
    InvokeFunctionRequest,
    InvokeFunctionResponse,
    InvokeRequest,
    InvokeResponse,
    Result,
)
from pytest_scf.contract.validators import too_large
from pytest_scf.platform.status import SUCCESS

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.records import Attempt


def invoke(platform: Platform, request: InvokeRequest, request_id: str) -> InvokeResponse:
    payload = request.ClientContext
    if request.InvocationType == "Event":
        if len(payload) > facts.ASYNC_EVENT_BYTES:
            raise too_large("ClientContext", len(payload), facts.ASYNC_EVENT_BYTES)
        function = platform.functions.get(request.Namespace, request.FunctionName)
        platform.invoke(
            function,
            payload,
            # Only of a function with asynchronous execution it makes an event, which the API lists and terminates.
            asynchronous=True,
            qualifier=request.Qualifier,
            routing_key=request.RoutingKey,
            request_id=request_id,
        )
        return InvokeResponse(Result("", "", "", 0, 0.0, 0, request_id, 0))
    return InvokeResponse(_invoke_and_wait(platform, request, payload, request_id))


def invoke_function(platform: Platform, request: InvokeFunctionRequest, request_id: str) -> InvokeFunctionResponse:
    return InvokeFunctionResponse(_invoke_and_wait(platform, request, request.Event, request_id))


def _invoke_and_wait(
    platform: Platform, request: InvokeRequest | InvokeFunctionRequest, payload: bytes, request_id: str
) -> Result:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    event = platform.invoke(
        function,
        payload,
        asynchronous=False,
        qualifier=request.Qualifier,
        routing_key=request.RoutingKey,
        request_id=request_id,
    )
    # Without a timeout here: the function's own ends the event.
    platform.wait_final(event)
    return _result_of(event.attempt, request.LogType)


def _result_of(attempt: Attempt, log_type: str) -> Result:
    # The first character of a tail may have lost bytes to the cut: it is left out.
    log = attempt.log.tail(facts.LOG_TAIL_BYTES).decode(errors="ignore") if log_type == "Tail" else ""
    return Result(
        log,
        attempt.ret_msg,
        attempt.err_msg,
        attempt.memory_bytes,
        attempt.duration_ms,
        attempt.bill_duration_ms,
        attempt.request_id,
        0 if attempt.status_code == SUCCESS.code else attempt.status_code,
    )
