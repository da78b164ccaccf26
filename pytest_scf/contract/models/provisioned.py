"""PutProvisionedConcurrencyConfig, GetProvisionedConcurrencyConfig, DeleteProvisionedConcurrencyConfig."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import FunctionName_, Namespace_, OptionalQualifier_, Qualifier_, Refused_
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Integer, OneOf, String

_TYPES = OneOf("Default", "ConcurrencyUtilizationTracking", error=api_errors.InvalidParameterValueProvisionType)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerAction:
    TriggerName: Annotated[str, String(error=api_errors.InvalidParameterValueProvisionTriggerName)]
    TriggerProvisionedConcurrencyNum: Annotated[
        int, Integer(0, error=api_errors.InvalidParameterValueTriggerProvisionedConcurrencyNum)
    ]
    TriggerCronConfig: Annotated[str, String(error=api_errors.InvalidParameterValueTriggerCronConfig)]
    ProvisionedType: Annotated[str, _TYPES] = "Default"


TriggerActions_ = Annotated[tuple[TriggerAction, ...], Array(RequestReader(TriggerAction))]


@dataclass(frozen=True, slots=True, kw_only=True)
class PutProvisionedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Qualifier: Qualifier_
    VersionProvisionedConcurrencyNum: Annotated[int, Integer(0)]
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    TriggerActions: TriggerActions_ = ()
    ProvisionedType: Annotated[str, _TYPES] = "Default"
    TrackingTarget: Refused_ = None
    MinCapacity: Refused_ = None
    MaxCapacity: Refused_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetProvisionedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: OptionalQualifier_ = None


@dataclass(frozen=True, slots=True)
class VersionProvisionedConcurrencyInfo:
    AllocatedProvisionedConcurrencyNum: int
    AvailableProvisionedConcurrencyNum: int
    Status: str
    StatusReason: str
    Qualifier: str
    TriggerActions: list[TriggerAction]


@dataclass(frozen=True, slots=True)
class GetProvisionedConcurrencyConfigResponse:
    UnallocatedConcurrencyNum: int
    Allocated: list[VersionProvisionedConcurrencyInfo]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteProvisionedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Qualifier: Qualifier_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
