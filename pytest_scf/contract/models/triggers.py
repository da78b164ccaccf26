"""The requests and responses of the actions on triggers."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Namespace_,
    Offset_,
    OptionalText_,
    Order_,
    Qualifier_,
)
from pytest_scf.contract.models.functions import Filters_
from pytest_scf.contract.validators import Integer, OneOf, String

TriggerName_ = Annotated[str, String(error=api_errors.InvalidParameterValueTriggerName)]
Type_ = Annotated[str, String(error=api_errors.InvalidParameterValueType)]
OPEN, CLOSE = "OPEN", "CLOSE"
Enable_ = OneOf(OPEN, CLOSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTriggerRequest:
    FunctionName: FunctionName_
    TriggerName: TriggerName_
    Type: Type_
    TriggerDesc: OptionalText_ = None
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: Qualifier_ = facts.LATEST
    # Choice: the documents give no default.
    Enable: Annotated[str, Enable_] = OPEN
    CustomArgument: OptionalText_ = None
    Description: OptionalText_ = None


@dataclass(frozen=True, slots=True)
class TriggerInfo:
    """Enable is 1 or 0 here. Choice: fields of which the documents show no values are empty."""

    Enable: int
    Qualifier: str
    TriggerName: str
    Type: str
    TriggerDesc: str
    AvailableStatus: str
    CustomArgument: str
    AddTime: str
    ModTime: str
    ResourceId: str
    BindStatus: str
    TriggerAttribute: str
    Description: str
    # TriggerInfo has it only; of an http trigger it would name custom domains
    BoundResources: str = ""


@dataclass(frozen=True, slots=True)
class CreateTriggerResponse:
    TriggerInfo: TriggerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTriggersRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Offset: Offset_ = 0
    #: without the limit that other lists have: the vendor's own toolkit asks for 1000
    Limit: Annotated[int, Integer(1, error=api_errors.InvalidParameterValueLimit)] = 20
    OrderBy: Annotated[str, OneOf("add_time", "mod_time", error=api_errors.InvalidParameterValueOrderBy)] = "mod_time"
    Order: Order_ = "DESC"
    Filters: Filters_ = ()


@dataclass(frozen=True, slots=True)
class ListTriggersResponse:
    TotalCount: int
    Triggers: list[TriggerInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTriggerRequest:
    """What is not given stays."""

    FunctionName: FunctionName_
    TriggerName: TriggerName_
    Type: Type_
    Enable: Annotated[str | None, Enable_] = None
    Qualifier: Qualifier_ = facts.LATEST
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    TriggerDesc: OptionalText_ = None
    Description: OptionalText_ = None
    CustomArgument: OptionalText_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTriggerStatusRequest:
    Enable: Annotated[str, Enable_]
    FunctionName: FunctionName_
    TriggerName: TriggerName_
    Type: Type_
    Qualifier: Qualifier_ = facts.LATEST
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    TriggerDesc: OptionalText_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTriggerRequest:
    FunctionName: FunctionName_
    TriggerName: TriggerName_
    Type: Type_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    TriggerDesc: OptionalText_ = None
    Qualifier: Qualifier_ = facts.LATEST
