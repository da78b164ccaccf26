"""How a function's invocations are treated: retries of asynchronous ones, and reserved concurrency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_scf.api_errors import InvalidParameterValueAsyncTriggerConfig, LimitExceededMsgTTL, LimitExceededRetryNum
from pytest_scf.contract import function_models as models
from pytest_scf.contract import limits

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform


def get_function_event_invoke_config(
    platform: Platform, request: models.GetFunctionEventInvokeConfigRequest, request_id: str
) -> models.GetFunctionEventInvokeConfigResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName, request.Qualifier)
    config = {"RetryConfig": [{"RetryNum": function.retry_num}], "MsgTTL": function.msg_ttl}
    return models.GetFunctionEventInvokeConfigResponse(config)


def update_function_event_invoke_config(
    platform: Platform, request: models.UpdateFunctionEventInvokeConfigRequest, request_id: str
) -> models.UpdateFunctionEventInvokeConfigResponse:
    """What is not given stays."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    config = request.AsyncTriggerConfig
    if len(config.RetryConfig) > 1:
        raise InvalidParameterValueAsyncTriggerConfig(
            field="AsyncTriggerConfig.RetryConfig", value=len(config.RetryConfig), expected="one configuration"
        )
    retry_num = config.RetryConfig[0].RetryNum if config.RetryConfig else None
    if retry_num is not None and (problem := limits.retry_num_problem(retry_num)):
        raise LimitExceededRetryNum(f"The parameter `AsyncTriggerConfig.RetryConfig.0.RetryNum` {problem}.")
    if config.MsgTTL is not None and (problem := limits.msg_ttl_problem(config.MsgTTL)):
        raise LimitExceededMsgTTL(f"The parameter `AsyncTriggerConfig.MsgTTL` {problem}.")
    platform.functions.set_retry(function, retry_num=retry_num, msg_ttl=config.MsgTTL)
    return models.UpdateFunctionEventInvokeConfigResponse()


def put_reserved_concurrency_config(
    platform: Platform, request: models.PutReservedConcurrencyConfigRequest, request_id: str
) -> models.PutReservedConcurrencyConfigResponse:
    """ReservedConcurrencyMem in MB: as many instances as fit into it; 0: none, every call is refused with 432."""
    function = platform.functions.get(request.Namespace, request.FunctionName)
    platform.reserve_memory(function, request.ReservedConcurrencyMem)
    return models.PutReservedConcurrencyConfigResponse()


def get_reserved_concurrency_config(
    platform: Platform, request: models.GetReservedConcurrencyConfigRequest, request_id: str
) -> models.GetReservedConcurrencyConfigResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    return models.GetReservedConcurrencyConfigResponse(function.reserved_memory)


def delete_reserved_concurrency_config(
    platform: Platform, request: models.DeleteReservedConcurrencyConfigRequest, request_id: str
) -> models.DeleteReservedConcurrencyConfigResponse:
    function = platform.functions.get(request.Namespace, request.FunctionName)
    platform.reserve_memory(function, None)
    return models.DeleteReservedConcurrencyConfigResponse()
