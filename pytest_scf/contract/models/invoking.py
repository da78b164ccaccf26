"""Invoke and InvokeFunction."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Namespace_,
    OptionalQualifier_,
)
from pytest_scf.contract.validators import EventText, OneOf, RoutingKeyText

LogType_ = Annotated[str, OneOf("None", "Tail", "tail")]
RoutingKey_ = Annotated[str, RoutingKeyText(most_bytes=facts.ROUTING_KEY_BYTES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeRequest:
    FunctionName: FunctionName_
    InvocationType: Annotated[str, OneOf("RequestResponse", "Event")] = "RequestResponse"
    Qualifier: OptionalQualifier_ = None
    # Choice: where no event is sent, the handler gets the empty object.
    ClientContext: Annotated[bytes, EventText(api_errors.InvalidParameterValueClientContext)] = b"{}"
    LogType: LogType_ = "None"
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    RoutingKey: RoutingKey_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvokeFunctionRequest:
    FunctionName: FunctionName_
    Qualifier: OptionalQualifier_ = None
    Event: Annotated[bytes, EventText(api_errors.InvalidParameterPayload)] = b"{}"
    LogType: LogType_ = "None"
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    RoutingKey: RoutingKey_ = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What an invocation came to; an asynchronous call fills FunctionRequestId only.

    InvokeResult is 1 for an error of the user's code, -1 for an end that the platform made, 0 for a success.
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
