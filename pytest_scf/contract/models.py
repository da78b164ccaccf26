"""The requests and responses of the API, field by field, in the API's own spelling.

Beside each field of a request stands the validator that says what it accepts; a field without a default is required.
RequestId is not here: every answer gets it, in one place.

Written after the vendor's public documents; the tests compare them with the official SDK's classes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Boolean, DateTime, EventText, Integer, OneOf, RoutingKeyText, String

INVOKE_TYPES = ("CMQ", "CKAFKA_TRIGGER", "APIGW", "COS", "TRIGGER_TIMER", "MPS_TRIGGER", "CLS_TRIGGER", "OTHERS")

# With an underscore behind: in a class, the field hides whatever else has its name.
FunctionName_ = Annotated[str, String(error=api_errors.InvalidParameterValueFunctionName)]
Namespace_ = Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]
Qualifier_ = Annotated[str, String(error=api_errors.InvalidParameterValueQualifier)]
#: what is not sent is the alias $DEFAULT
OptionalQualifier_ = Annotated[str | None, String(error=api_errors.InvalidParameterValueQualifier)]
LogType_ = Annotated[str, OneOf("None", "Tail")]
RoutingKey_ = Annotated[str, RoutingKeyText(most_bytes=facts.ROUTING_KEY_BYTES)]
InvokeRequestId_ = Annotated[str, String()]

# Invoke, InvokeFunction --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeRequest:
    FunctionName: FunctionName_
    InvocationType: Annotated[str, OneOf("RequestResponse", "Event")] = "RequestResponse"
    Qualifier: OptionalQualifier_ = None
    # SILENT what the handler gets where no event is sent; here it is the empty object.
    ClientContext: Annotated[
        bytes, EventText(facts.SYNC_EVENT_BYTES, api_errors.InvalidParameterValueClientContext)
    ] = b"{}"
    LogType: LogType_ = "None"
    Namespace: Namespace_ = "default"
    RoutingKey: RoutingKey_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeFunctionRequest:
    FunctionName: FunctionName_
    Qualifier: OptionalQualifier_ = None
    Event: Annotated[bytes, EventText(facts.SYNC_EVENT_BYTES, api_errors.InvalidParameterPayload)] = b"{}"
    LogType: LogType_ = "None"
    Namespace: Namespace_ = "default"
    RoutingKey: RoutingKey_ = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation came to; an asynchronous call fills FunctionRequestId only.

    SILENT what InvokeResult is where it is not 0 (the vendor no longer maintains it); here it is the status code.
    """

    Log: str
    RetMsg: str
    ErrMsg: str
    MemUsage: int
    Duration: float
    BillDuration: int
    FunctionRequestId: str
    InvokeResult: int


@dataclass(frozen=True, slots=True)
class InvokeResponse:
    Result: Result


@dataclass(frozen=True, slots=True)
class InvokeFunctionResponse:
    Result: Result


# Asynchronous events -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeInterval:
    """From Start on, up to but without End. Each needs the other, for which the API has a code of its own."""

    Start: Annotated[datetime | None, DateTime()] = None
    End: Annotated[datetime | None, DateTime()] = None


Interval_ = Annotated[TimeInterval | None, RequestReader(TimeInterval)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAsyncEventsRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"
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
    Namespace: Namespace_ = "default"
    GraceShutdown: Annotated[bool, Boolean()] = False


@dataclass(frozen=True, slots=True)
class TerminateAsyncEventResponse:
    pass
