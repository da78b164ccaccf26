"""ListAsyncEvents, GetAsyncEventStatus and TerminateAsyncEvent."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Namespace_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Boolean, DateTime, Integer, OneOf, String

INVOKE_TYPES = ("CMQ", "CKAFKA_TRIGGER", "APIGW", "COS", "TRIGGER_TIMER", "MPS_TRIGGER", "CLS_TRIGGER", "OTHERS")
InvokeRequestId_ = Annotated[str, String()]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """From Start on, up to but without End. Each needs the other, for which the API has a code of its own."""

    Start: Annotated[datetime | None, DateTime()] = None
    End: Annotated[datetime | None, DateTime()] = None


Interval_ = Annotated[TimeInterval | None, RequestReader(TimeInterval)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAsyncEventsRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: Annotated[str | None, String(error=api_errors.InvalidParameterValueQualifier)] = None
    InvokeType: Annotated[
        tuple[str, ...], Array(OneOf(*INVOKE_TYPES, error=api_errors.InvalidParameterValueInvokeType))
    ] = ()
    Status: Annotated[tuple[str, ...], Array(OneOf(*facts.STATUSES, error=api_errors.InvalidParameterValueStatus))] = ()
    StartTimeInterval: Interval_ = None
    EndTimeInterval: Interval_ = None
    Order: Annotated[str, OneOf("ASC", "DESC", error=api_errors.InvalidParameterValueOrder)] = "DESC"
    Orderby: Annotated[str, OneOf("StartTime", "EndTime", error=api_errors.InvalidParameterValueOrderBy)] = "StartTime"
    Offset: Annotated[int, Integer(0, error=api_errors.InvalidParameterValueOffset)] = 0
    Limit: Annotated[int, Integer(1, 100, error=api_errors.InvalidParameterValueLimit)] = 20
    InvokeRequestId: Annotated[str | None, String()] = None


@dataclass(frozen=True, slots=True)
class AsyncEvent:
    InvokeRequestId: str
    InvokeType: str
    Qualifier: str
    Status: str
    StartTime: str
    EndTime: str


@dataclass(frozen=True, slots=True)
class ListAsyncEventsResponse:
    TotalCount: int
    EventList: list[AsyncEvent]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAsyncEventStatusRequest:
    InvokeRequestId: InvokeRequestId_


@dataclass(frozen=True, slots=True)
class AsyncEventStatus:
    Status: str
    StatusCode: int
    InvokeRequestId: str


@dataclass(frozen=True, slots=True)
class GetAsyncEventStatusResponse:
    Result: AsyncEventStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminateAsyncEventRequest:
    FunctionName: FunctionName_
    InvokeRequestId: InvokeRequestId_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    GraceShutdown: Annotated[bool, Boolean()] = False
