"""How a function's invocations are treated: retries of asynchronous ones, and reserved concurrency."""

from __future__ import annotations

from pytest_scf.api_errors import InvalidParameterValueAsyncTriggerConfig, LimitExceededMsgTTL, LimitExceededRetryNum
from pytest_scf.contract import limits
from pytest_scf.contract.call import Call
from pytest_scf.contract.models import invoke_config as models


def get_function_event_invoke_config(
    call: Call, request: models.GetFunctionEventInvokeConfigRequest
) -> models.GetFunctionEventInvokeConfigResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName, request.Qualifier)
    retries = (models.RetryConfig(RetryNum=function.retry_num),)
    config = models.AsyncTriggerConfig(RetryConfig=retries, MsgTTL=function.msg_ttl)
    return models.GetFunctionEventInvokeConfigResponse(config)


def update_function_event_invoke_config(call: Call, request: models.UpdateFunctionEventInvokeConfigRequest) -> None:
    """What is not given stays."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    config = request.AsyncTriggerConfig
    if len(config.RetryConfig) > 1:
        raise InvalidParameterValueAsyncTriggerConfig(
            field="AsyncTriggerConfig.RetryConfig", value=len(config.RetryConfig), expected="one configuration"
        )
    retry_num = config.RetryConfig[0].RetryNum if config.RetryConfig else None
    if retry_num is not None and (problem := limits.retry_num_problem(retry_num)):
        raise LimitExceededRetryNum(f"The parameter `AsyncTriggerConfig.RetryConfig.0.RetryNum` {problem}.")
    smallest = call.operations.settings.msg_ttl_smallest
    if config.MsgTTL is not None and (problem := limits.msg_ttl_problem(config.MsgTTL, smallest)):
        raise LimitExceededMsgTTL(f"The parameter `AsyncTriggerConfig.MsgTTL` {problem}.")
    call.operations.functions.set_retry(function, retry_num=retry_num, msg_ttl=config.MsgTTL)


def put_reserved_concurrency_config(call: Call, request: models.PutReservedConcurrencyConfigRequest) -> None:
    """ReservedConcurrencyMem in MB: as many instances as fit into it; 0: none, every call is refused with 432."""
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    call.operations.provisioning.check_reserved(function, request.ReservedConcurrencyMem)
    call.operations.reserve_memory(function, request.ReservedConcurrencyMem)


def get_reserved_concurrency_config(
    call: Call, request: models.GetReservedConcurrencyConfigRequest
) -> models.GetReservedConcurrencyConfigResponse:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    return models.GetReservedConcurrencyConfigResponse(function.reserved_memory)


def delete_reserved_concurrency_config(call: Call, request: models.DeleteReservedConcurrencyConfigRequest) -> None:
    function = call.operations.functions.get(request.Namespace, request.FunctionName)
    call.operations.reserve_memory(function, None)
