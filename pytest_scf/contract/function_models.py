"""The requests and responses of the management actions; see ``models`` for how they are written.

Fields that change nothing of what a function does here (Role, VpcConfig, Tags, ...) are remembered and told again;
those that would change what it sees, and do not here, are refused.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pytest_scf import api_errors, facts
from pytest_scf.api_errors import InvalidParameter, UnsupportedOperation
from pytest_scf.contract.models import FunctionName_, Namespace_, Qualifier_
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Integer, OneOf, String


def anything(name: str, value: Any) -> Any:
    """What is remembered, and has no effect."""
    return value


def text(name: str, value: Any) -> str:
    """A text that may be empty."""
    if not isinstance(value, str):
        raise InvalidParameter(field=name, value=value, expected="a string")
    return value


def number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParameter(field=name, value=value, expected="a number")
    return value


def refused(name: str, value: Any) -> Any:
    """What would change what the function sees, and does not here. What means nothing is let through."""
    if value in ("", "FALSE", [], {}, False):
        return None
    raise UnsupportedOperation(
        f"The parameter `{name}` is not emulated: it would change what the function sees. Leave it out."
    )


TrueOrFalse = OneOf("TRUE", "FALSE")
Anything_ = Annotated[Any, anything]
Refused_ = Annotated[Any, refused]
Text_ = Annotated[str | None, text]
Whole_ = Annotated[int | None, Integer(0)]
Order_ = Annotated[str, OneOf("ASC", "DESC", error=api_errors.InvalidParameterValueOrder)]
Offset_ = Annotated[int, Integer(0, error=api_errors.InvalidParameterValueOffset)]
Limit_ = Annotated[int, Integer(1, 100, error=api_errors.InvalidParameterValueLimit)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    Key: Annotated[str, text]
    Value: Annotated[str, text]


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    Variables: Annotated[tuple[Variable, ...], Array(RequestReader(Variable))] = ()


Environment_ = Annotated[Environment | None, RequestReader(Environment)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """ZipFile (base64), or, as our extension, LocalPath: a directory of this machine, used in place."""

    ZipFile: Annotated[str | None, String(error=api_errors.InvalidParameterValueZipFile)] = None
    LocalPath: Annotated[str | None, String(error=api_errors.InvalidParameterValueCode)] = None
    CosBucketName: Refused_ = None
    CosObjectName: Refused_ = None
    CosBucketRegion: Refused_ = None
    DemoId: Refused_ = None
    TempCosObjectName: Refused_ = None
    GitUrl: Refused_ = None
    GitUserName: Refused_ = None
    GitPassword: Refused_ = None
    GitPasswordSecret: Refused_ = None
    GitBranch: Refused_ = None
    GitDirectory: Refused_ = None
    GitCommitId: Refused_ = None
    GitUserNameSecret: Refused_ = None
    ImageConfig: Refused_ = None


Code_ = Annotated[Code | None, RequestReader(Code)]

# Functions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunctionRequest:
    FunctionName: Annotated[str, text]
    Code: Code_ = None
    Handler: Annotated[str, text] = facts.DEFAULT_HANDLER
    Description: Annotated[str, text] = ""
    MemorySize: Annotated[int, anything] = facts.MEMORY_DEFAULT
    Timeout: Whole_ = None
    Environment: Environment_ = None
    Runtime: Text_ = None
    Namespace: Namespace_ = "default"
    Type: Annotated[str, OneOf("Event", "HTTP", error=api_errors.InvalidParameterValueFunctionType)] = "Event"
    InitTimeout: Annotated[int, anything] = facts.INIT_TIMEOUT_DEFAULT
    AsyncRunEnable: Annotated[str, OneOf("TRUE", "FALSE", error=api_errors.InvalidParameterValueAsyncRunEnable)] = (
        "FALSE"
    )
    TraceEnable: Annotated[str, OneOf("TRUE", "FALSE", error=api_errors.InvalidParameterValueTraceEnable)] = "FALSE"
    Layers: Refused_ = None
    CfsConfig: Refused_ = None
    InstallDependency: Refused_ = None
    ProtocolType: Refused_ = None
    ProtocolParams: Refused_ = None
    InstanceConcurrencyConfig: Refused_ = None
    CodeSource: Anything_ = None
    VpcConfig: Anything_ = None
    Role: Anything_ = None
    ClsLogsetId: Anything_ = None
    ClsTopicId: Anything_ = None
    DeadLetterConfig: Anything_ = None
    PublicNetConfig: Anything_ = None
    Tags: Anything_ = None
    AutoDeployClsTopicIndex: Anything_ = None
    AutoCreateClsTopic: Anything_ = None
    DnsCache: Anything_ = None
    IntranetConfig: Anything_ = None


@dataclass(frozen=True, slots=True)
class CreateFunctionResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionRequest:
    FunctionName: FunctionName_
    Qualifier: Qualifier_ = "$LATEST"
    Namespace: Namespace_ = "default"
    ShowCode: Annotated[str, TrueOrFalse] = "FALSE"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionResponse:
    """CodeInfo is the text of the handler's file, where ShowCode is TRUE."""

    FunctionName: str
    FunctionId: str
    Namespace: str
    Qualifier: str
    FunctionVersion: str
    Runtime: str
    Handler: str
    Type: str
    Description: str
    MemorySize: int
    Timeout: int
    InitTimeout: int
    Environment: dict[str, Any]
    AsyncRunEnable: str
    TraceEnable: str
    AddTime: str
    ModTime: str
    CodeSize: int
    CodeInfo: str
    VpcConfig: Any = None
    Role: Any = ""
    ClsLogsetId: Any = ""
    ClsTopicId: Any = ""
    DeadLetterConfig: Any = None
    PublicNetConfig: Any = None
    Tags: Any = field(default_factory=list)
    DnsCache: Any = "FALSE"
    IntranetConfig: Any = None
    Status: str = "Active"
    AvailableStatus: str = "Available"
    StatusDesc: str = ""
    StatusReasons: Any = field(default_factory=list)
    CodeResult: str = "success"
    CodeError: str = ""
    ErrNo: int = 0
    Triggers: Any = field(default_factory=list)
    Layers: Any = field(default_factory=list)
    UseGpu: str = "FALSE"
    InstallDependency: str = "FALSE"
    L5Enable: str = "FALSE"
    OnsEnable: str = "FALSE"
    EipConfig: Any = None
    AccessInfo: Any = None
    CfsConfig: Any = None
    ImageConfig: Any = None
    ProtocolType: str = ""
    ProtocolParams: Any = None
    InstanceConcurrencyConfig: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    Name: Annotated[str, String(error=api_errors.InvalidParameterValueFilters)]
    Values: Annotated[tuple[str, ...], Array(text)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFunctionsRequest:
    Order: Order_ = "DESC"
    Orderby: Annotated[
        str, OneOf("AddTime", "ModTime", "FunctionName", error=api_errors.InvalidParameterValueOrderBy)
    ] = "ModTime"
    Offset: Offset_ = 0
    Limit: Limit_ = 20
    SearchKey: Annotated[str, text] = ""
    Namespace: Namespace_ = "default"
    Description: Annotated[str, text] = ""
    Filters: Annotated[tuple[Filter, ...], Array(RequestReader(Filter))] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    FunctionName: str
    FunctionId: str
    Namespace: str
    Runtime: str
    Type: str
    Description: str
    AsyncRunEnable: str
    TraceEnable: str
    AddTime: str
    ModTime: str
    ReservedConcurrencyMem: int
    TotalProvisionedConcurrencyMem: int = 0
    Status: str = "Active"
    StatusDesc: str = ""
    StatusReasons: Any = field(default_factory=list)
    Tags: Any = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListFunctionsResponse:
    Functions: list[Function]
    TotalCount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionCodeRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"
    Handler: Text_ = None
    ZipFile: Annotated[str | None, String(error=api_errors.InvalidParameterValueZipFile)] = None
    Code: Code_ = None
    Publish: Annotated[str, TrueOrFalse] = "FALSE"
    CosBucketName: Refused_ = None
    CosObjectName: Refused_ = None
    CosBucketRegion: Refused_ = None
    InstallDependency: Refused_ = None
    EnvId: Anything_ = None
    CodeSource: Anything_ = None


@dataclass(frozen=True, slots=True)
class UpdateFunctionCodeResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionConfigurationRequest:
    """AsyncRunEnable is none of its fields: that is chosen when the function is created."""

    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"
    Description: Text_ = None
    MemorySize: Annotated[int | None, anything] = None
    Timeout: Whole_ = None
    InitTimeout: Annotated[int | None, anything] = None
    Runtime: Text_ = None
    Environment: Environment_ = None
    Publish: Annotated[str, TrueOrFalse] = "FALSE"
    Layers: Refused_ = None
    CfsConfig: Refused_ = None
    InstallDependency: Refused_ = None
    ProtocolParams: Refused_ = None
    InstanceConcurrencyConfig: Refused_ = None
    VpcConfig: Anything_ = None
    Role: Anything_ = None
    ClsLogsetId: Anything_ = None
    ClsTopicId: Anything_ = None
    L5Enable: Anything_ = None
    DeadLetterConfig: Anything_ = None
    PublicNetConfig: Anything_ = None
    DnsCache: Anything_ = None
    IntranetConfig: Anything_ = None
    IgnoreSysLog: Anything_ = None


@dataclass(frozen=True, slots=True)
class UpdateFunctionConfigurationResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFunctionRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"
    Qualifier: Annotated[str | None, String(error=api_errors.InvalidParameterValueQualifier)] = None


@dataclass(frozen=True, slots=True)
class DeleteFunctionResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFunctionVersionRequest:
    FunctionName: FunctionName_
    Qualifier: Annotated[str, String(error=api_errors.InvalidParameterValueQualifier)]
    Namespace: Namespace_ = "default"
    ForceDelete: Annotated[str, TrueOrFalse] = "FALSE"


@dataclass(frozen=True, slots=True)
class DeleteFunctionVersionResponse:
    pass


# Versions and aliases ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishVersionRequest:
    FunctionName: FunctionName_
    Description: Annotated[str, text] = ""
    Namespace: Namespace_ = "default"


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
    Namespace: Namespace_ = "default"
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
    Weight: Annotated[float, number]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionMatch:
    Version: Annotated[str, String(error=api_errors.InvalidParameterValueRoutingConfig)]
    Key: Annotated[str, String(error=api_errors.InvalidParameterValueRoutingConfig)]
    Method: Annotated[str, OneOf("exact", "range", error=api_errors.InvalidParameterValueRoutingConfig)]
    Expression: Annotated[str, text]


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
    Namespace: Namespace_ = "default"
    RoutingConfig: Routing_ = None
    Description: Annotated[str, text] = ""


@dataclass(frozen=True, slots=True)
class CreateAliasResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GetAliasRequest:
    FunctionName: FunctionName_
    Name: AliasName_
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class GetAliasResponse:
    FunctionVersion: str
    Name: str
    RoutingConfig: Any
    Description: str
    AddTime: str
    ModTime: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAliasRequest:
    FunctionName: FunctionName_
    Name: AliasName_
    FunctionVersion: Version_
    Namespace: Namespace_ = "default"
    RoutingConfig: Routing_ = None
    Description: Annotated[str, text] = ""


@dataclass(frozen=True, slots=True)
class UpdateAliasResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAliasRequest:
    FunctionName: FunctionName_
    Name: AliasName_
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class DeleteAliasResponse:
    pass


def digits(name: str, value: Any) -> int | None:
    """A whole number, which these requests carry as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return Integer(0)(name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAliasesRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"
    FunctionVersion: Text_ = None
    Offset: Annotated[int, digits] = 0
    Limit: Annotated[int, digits] = 20


@dataclass(frozen=True, slots=True)
class Alias:
    FunctionVersion: str
    Name: str
    RoutingConfig: Any
    Description: str
    AddTime: str
    ModTime: str


@dataclass(frozen=True, slots=True)
class ListAliasesResponse:
    Aliases: list[Alias]
    TotalCount: int


# Namespaces --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNamespaceRequest:
    Namespace: Annotated[str, text]
    Description: Annotated[str, text] = ""
    ResourceEnv: Refused_ = None


@dataclass(frozen=True, slots=True)
class CreateNamespaceResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNamespaceRequest:
    Namespace: Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]
    Description: Annotated[str, text] = ""


@dataclass(frozen=True, slots=True)
class UpdateNamespaceResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteNamespaceRequest:
    Namespace: Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]


@dataclass(frozen=True, slots=True)
class DeleteNamespaceResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchKey:
    Key: Annotated[str, OneOf("Namespace", "Description", error=api_errors.InvalidParameterValueSearchKey)]
    Value: Annotated[str, text]


SearchKeys_ = Annotated[tuple[SearchKey, ...], Array(RequestReader(SearchKey))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNamespacesRequest:
    Limit: Limit_ = 20
    Offset: Offset_ = 0
    Orderby: Annotated[str, OneOf("Name", "Updatetime", error=api_errors.InvalidParameterValueOrderBy)] = "Name"
    Order: Order_ = "ASC"
    SearchKey: SearchKeys_ = ()


@dataclass(frozen=True, slots=True)
class Namespace:
    Name: str
    Description: str
    AddTime: str
    ModTime: str
    Type: str


@dataclass(frozen=True, slots=True)
class ListNamespacesResponse:
    Namespaces: list[Namespace]
    TotalCount: int


# How a function is invoked -----------------------------------------------------------------------------------------


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
    Namespace: Namespace_ = "default"
    Qualifier: Qualifier_ = "$LATEST"


@dataclass(frozen=True, slots=True)
class GetFunctionEventInvokeConfigResponse:
    AsyncTriggerConfig: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionEventInvokeConfigRequest:
    AsyncTriggerConfig: Annotated[AsyncTriggerConfig, RequestReader(AsyncTriggerConfig)]
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class UpdateFunctionEventInvokeConfigResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class PutReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    ReservedConcurrencyMem: Annotated[int, Integer(0)]
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class PutReservedConcurrencyConfigResponse:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GetReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class GetReservedConcurrencyConfigResponse:
    ReservedMem: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteReservedConcurrencyConfigRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = "default"


@dataclass(frozen=True, slots=True)
class DeleteReservedConcurrencyConfigResponse:
    pass
