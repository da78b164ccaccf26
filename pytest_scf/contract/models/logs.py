"""The requests and responses of GetRequestStatus and GetFunctionLogs; see the package for how they are written."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Namespace_,
    Text_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import DateTime, Integer, OneOf, String

#: where Offset + Limit ends
LOGS_REACH = 10_000

RequestId_ = Annotated[str, String(error=api_errors.InvalidParameterValueFunctionRequestId)]
Moment_ = Annotated[datetime | None, DateTime()]

# GetRequestStatus --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GetRequestStatusRequest:
    FunctionName: FunctionName_
    FunctionRequestId: RequestId_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    StartTime: Moment_ = None
    EndTime: Moment_ = None


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """One attempt at a request. RetCode is 0 for one that succeeded, 1 for one that runs, -1 for one that failed."""

    FunctionName: str
    RetMsg: str
    RequestId: str
    StartTime: str
    RetCode: int
    Duration: float
    MemUsage: float
    RetryNum: int


@dataclass(frozen=True, slots=True)
class GetRequestStatusResponse:
    TotalCount: int
    Data: list[RequestStatus]


# GetFunctionLogs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    RetCode: Annotated[
        str | None, OneOf("is0", "not0", "TimeLimitExceeded", "ResourceLimitExceeded", "UserCodeException")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSearchContext:
    """The vendor has taken it out of service: it is read, answered empty, and does nothing."""

    Offset: Text_ = ""
    Limit: Annotated[int, Integer(0)] = 0
    Keyword: Text_ = ""
    Type: Annotated[str, OneOf("Application", "Platform", "")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionLogsRequest:
    """Choice: Limit, Order and OrderBy are 20, desc and start_time by default, as in other lists."""

    FunctionName: Annotated[str | None, String(error=api_errors.InvalidParameterValueFunctionName)] = None
    Offset: Annotated[int, Integer(0, LOGS_REACH, error=api_errors.InvalidParameterValueOffset)] = 0
    Limit: Annotated[int, Integer(1, LOGS_REACH, error=api_errors.InvalidParameterValueLimit)] = 20
    Order: Annotated[str, OneOf("desc", "asc", error=api_errors.InvalidParameterValueOrder)] = "desc"
    OrderBy: Annotated[
        str,
        OneOf("function_name", "duration", "mem_usage", "start_time", error=api_errors.InvalidParameterValueOrderBy),
    ] = "start_time"
    Filter: Annotated[LogFilter | None, RequestReader(LogFilter)] = None
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: Annotated[str | None, String(error=api_errors.InvalidParameterValueQualifier)] = None
    FunctionRequestId: Annotated[str | None, String(error=api_errors.InvalidParameterValueFunctionRequestId)] = None
    StartTime: Moment_ = None
    EndTime: Moment_ = None
    SearchContext: Annotated[LogSearchContext | None, RequestReader(LogSearchContext)] = None


@dataclass(frozen=True, slots=True)
class FunctionLog:
    """The log of one attempt at a request. Level and Source are empty, as in the vendor's example.

    RetCode is 0 for one that succeeded, 2 for one that runs, 3 for one that was interrupted. Choice: of a failure,
    which has "another value", it is the status code.
    """

    FunctionName: str
    RetMsg: str
    RequestId: str
    StartTime: str
    RetCode: int
    InvokeFinished: int
    Duration: float
    BillDuration: int
    MemUsage: int
    Log: str
    Level: str
    Source: str
    RetryNum: int


@dataclass(frozen=True, slots=True)
class GetFunctionLogsResponse:
    TotalCount: int
    Data: list[FunctionLog]
    SearchContext: LogSearchContext
