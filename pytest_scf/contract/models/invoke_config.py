"""How a function is invoked: retries of asynchronous invocations, and reserved concurrency."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Namespace_,
    Qualifier_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Integer


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig:
    RetryNum: Annotated[int | None, Integer(0)] = None


RetryConfigs_ = Annotated[tuple[RetryConfig, ...], Array(RequestReader(RetryConfig))]


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncTriggerConfig:
    RetryConfig: RetryConfigs_ = ()
    MsgTTL: Annotated[int | None, Integer(0)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionEventInvokeConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: Qualifier_ = facts.LATEST


@dataclass(frozen=True, slots=True)
class GetFunctionEventInvokeConfigResponse:
    AsyncTriggerConfig: AsyncTriggerConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionEventInvokeConfigRequest:
    AsyncTriggerConfig: Annotated[AsyncTriggerConfig, RequestReader(AsyncTriggerConfig)]
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class PutReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    ReservedConcurrencyMem: Annotated[int, Integer(0)]
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class GetReservedConcurrencyConfigResponse:
    ReservedMem: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
