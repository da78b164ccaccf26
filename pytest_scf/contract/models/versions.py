"""PublishVersion, ListVersionByFunction, and the aliases."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    FunctionName_,
    Limit_,
    Namespace_,
    Offset_,
    OptionalText_,
    Order_,
    Text_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, IntegerText, Number, OneOf, String


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishVersionRequest:
    FunctionName: FunctionName_
    Description: Text_ = ""
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class PublishVersionResponse:
    FunctionVersion: str
    CodeSize: int
    MemorySize: int
    Description: str
    Handler: str
    Timeout: int
    Runtime: str
    Namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListVersionByFunctionRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Offset: Offset_ = 0
    Limit: Limit_ = 20
    Order: Order_ = "DESC"
    OrderBy: Annotated[str, OneOf("AddTime", "ModTime", error=api_errors.InvalidParameterValueOrderBy)] = "AddTime"


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    Version: str
    Description: str
    AddTime: str
    ModTime: str
    Status: str = "Active"


Versions_ = list[FunctionVersion]


@dataclass(frozen=True, slots=True)
class ListVersionByFunctionResponse:
    FunctionVersion: list[str]
    Versions: Versions_
    TotalCount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionWeight:
    Version: Annotated[str, String(error=api_errors.InvalidParameterValueRoutingConfig)]
    Weight: Annotated[float, Number()]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMatch:
    Version: Annotated[str, String(error=api_errors.InvalidParameterValueRoutingConfig)]
    Key: Annotated[str, String(error=api_errors.InvalidParameterValueRoutingConfig)]
    Method: Annotated[str, OneOf("exact", "range", error=api_errors.InvalidParameterValueRoutingConfig)]
    Expression: Text_


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingConfig:
    AdditionalVersionWeights: Annotated[tuple[VersionWeight, ...], Array(RequestReader(VersionWeight))] = ()
    AddtionVersionMatchs: Annotated[tuple[VersionMatch, ...], Array(RequestReader(VersionMatch))] = ()


Routing_ = Annotated[RoutingConfig | None, RequestReader(RoutingConfig)]
AliasName_ = Annotated[str, String(error=api_errors.InvalidParameterValueAlias)]
Version_ = Annotated[str, String(error=api_errors.InvalidParameterValueQualifier)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAliasRequest:
    Name: AliasName_
    FunctionName: FunctionName_
    FunctionVersion: Version_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    RoutingConfig: Routing_ = None
    Description: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAliasRequest:
    FunctionName: FunctionName_
    Name: AliasName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAliasRequest(CreateAliasRequest):
    """The same fields: all of an alias is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAliasRequest:
    FunctionName: FunctionName_
    Name: AliasName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAliasesRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    FunctionVersion: OptionalText_ = None
    Offset: Annotated[int, IntegerText()] = 0
    Limit: Annotated[int, IntegerText()] = 20


@dataclass(frozen=True, slots=True)
class Alias:
    FunctionVersion: str
    Name: str
    RoutingConfig: RoutingConfig
    Description: str
    AddTime: str
    ModTime: str


@dataclass(frozen=True, slots=True)
class GetAliasResponse(Alias):
    """The fields of an alias."""


@dataclass(frozen=True, slots=True)
class ListAliasesResponse:
    Aliases: list[Alias]
    TotalCount: int
