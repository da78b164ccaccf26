"""CreateFunction, GetFunction, ListFunctions, UpdateFunctionCode, UpdateFunctionConfiguration, DeleteFunction.

Fields that change nothing of what a function does here (Role, VpcConfig, Tags, ...) are remembered and told again;
those that would change what it sees, and do not here, are refused.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    Anything_,
    FunctionName_,
    Limit_,
    Namespace_,
    Offset_,
    OptionalInteger_,
    OptionalQualifier_,
    OptionalText_,
    Order_,
    Qualifier_,
    Refused_,
    Text_,
    TrueOrFalse_,
)
from pytest_scf.contract.models.function_parts import (
    AccessInfo_,
    CfsConfig_,
    CfsConfigIn_,
    Code_,
    DeadLetterConfig,
    DeadLetterConfig_,
    EipOutConfig,
    Environment,
    Environment_,
    ImageConfig_,
    IntranetConfig_,
    IntranetConfigOut,
    Layers_,
    LayerVersionInfo,
    ProtocolParams_,
    ProtocolType_,
    PublicNetConfig_,
    PublicNetConfigOut,
    Tag,
    Tags_,
    VpcConfig,
    VpcConfig_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Boolean, Integer, OneOf, String

LayerVersionInfo_ = LayerVersionInfo

# CreateFunction ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunctionRequest:
    """The vendor's own clients send DeployMode, DiskSize and L5Enable, which no document names."""

    FunctionName: Text_
    Code: Code_ = None
    Handler: Text_ = facts.DEFAULT_HANDLER
    Description: Text_ = ""
    MemorySize: Annotated[int, Integer(0, error=api_errors.InvalidParameterValueMemorySize)] = facts.MEMORY_DEFAULT
    Timeout: OptionalInteger_ = None
    Environment: Environment_ = None
    Runtime: OptionalText_ = None
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Type: Annotated[str, OneOf("Event", "HTTP", error=api_errors.InvalidParameterValueFunctionType)] = "Event"
    InitTimeout: OptionalInteger_ = None
    AsyncRunEnable: Annotated[str, OneOf("TRUE", "FALSE", error=api_errors.InvalidParameterValueAsyncRunEnable)] = (
        "FALSE"
    )
    TraceEnable: Annotated[str, OneOf("TRUE", "FALSE", error=api_errors.InvalidParameterValueTraceEnable)] = "FALSE"
    Layers: Layers_ = None
    CfsConfig: CfsConfigIn_ = None
    InstallDependency: Refused_ = None
    ProtocolType: ProtocolType_ = ""
    ProtocolParams: ProtocolParams_ = None
    InstanceConcurrencyConfig: Refused_ = None
    CodeSource: Anything_ = None
    VpcConfig: VpcConfig_ = None
    Role: OptionalText_ = None
    ClsLogsetId: OptionalText_ = None
    ClsTopicId: OptionalText_ = None
    DeadLetterConfig: DeadLetterConfig_ = None
    PublicNetConfig: PublicNetConfig_ = None
    Tags: Tags_ = None
    AutoDeployClsTopicIndex: Anything_ = None
    AutoCreateClsTopic: Anything_ = None
    DnsCache: OptionalText_ = None
    IntranetConfig: IntranetConfig_ = None
    DeployMode: Anything_ = None
    DiskSize: Anything_ = None
    L5Enable: OptionalText_ = None


# GetFunction -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionRequest:
    """The vendor's own clients send ShowTriggers, which no document names."""

    FunctionName: FunctionName_
    Qualifier: Qualifier_ = facts.LATEST
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    ShowCode: TrueOrFalse_ = "FALSE"
    ShowTriggers: TrueOrFalse_ = "TRUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFunctionResponse:
    """CodeInfo is the text of the handler's file, where ShowCode is TRUE.

    An object is null only where the vendor's model says that it may be.
    """

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
    Environment: Environment
    AsyncRunEnable: str
    TraceEnable: str
    AddTime: str
    ModTime: str
    CodeSize: int
    CodeInfo: str
    VpcConfig: VpcConfig
    Role: str
    ClsLogsetId: str
    ClsTopicId: str
    DeadLetterConfig: DeadLetterConfig
    PublicNetConfig: PublicNetConfigOut
    Tags: tuple[Tag, ...]
    DnsCache: str
    IntranetConfig: IntranetConfigOut
    L5Enable: str
    EipConfig: EipOutConfig = field(default_factory=EipOutConfig)
    AccessInfo: AccessInfo_ = field(default_factory=AccessInfo_)
    CfsConfig: CfsConfig_ = field(default_factory=CfsConfig_)
    Status: str = "Active"
    AvailableStatus: str = "Available"
    StatusDesc: str = ""
    StatusReasons: list[Any] = field(default_factory=list)
    CodeResult: str = "success"
    CodeError: str = ""
    ErrNo: int = 0
    Triggers: list[Any] = field(default_factory=list)
    Layers: list[LayerVersionInfo_] = field(default_factory=list)
    UseGpu: str = "FALSE"
    InstallDependency: str = "FALSE"
    OnsEnable: str = "FALSE"
    ImageConfig: ImageConfig_ = None
    ProtocolType: str = ""
    ProtocolParams: ProtocolParams_ = None
    InstanceConcurrencyConfig: None = None


# ListFunctions -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    Name: Annotated[str, String(error=api_errors.InvalidParameterValueFilters)]
    Values: Annotated[tuple[str, ...], Array(String(may_be_empty=True))] = ()


Filters_ = Annotated[tuple[Filter, ...], Array(RequestReader(Filter))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFunctionsRequest:
    """The vendor's own clients send Type, which no document names."""

    Order: Order_ = "DESC"
    Orderby: Annotated[
        str, OneOf("AddTime", "ModTime", "FunctionName", error=api_errors.InvalidParameterValueOrderBy)
    ] = "ModTime"
    Offset: Offset_ = 0
    Limit: Limit_ = 20
    SearchKey: Text_ = ""
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Description: Text_ = ""
    Filters: Filters_ = ()
    Type: OptionalText_ = None


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
    Tags: tuple[Tag, ...]
    TotalProvisionedConcurrencyMem: int = 0
    Status: str = "Active"
    StatusDesc: str = ""
    StatusReasons: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ListFunctionsResponse:
    Functions: list[Function]
    TotalCount: int


# Changing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionCodeRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Handler: OptionalText_ = None
    ZipFile: Annotated[str | None, String(error=api_errors.InvalidParameterValueZipFile)] = None
    Code: Code_ = None
    Publish: TrueOrFalse_ = "FALSE"
    CosBucketName: OptionalText_ = None
    CosObjectName: OptionalText_ = None
    CosBucketRegion: OptionalText_ = None
    InstallDependency: Refused_ = None
    EnvId: Anything_ = None
    CodeSource: Anything_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFunctionConfigurationRequest:
    """AsyncRunEnable is none of its fields: that is chosen when the function is created. The vendor's own clients send
    DiskSize, which no document names."""

    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Description: OptionalText_ = None
    MemorySize: Annotated[int | None, Integer(0, error=api_errors.InvalidParameterValueMemorySize)] = None
    Timeout: OptionalInteger_ = None
    InitTimeout: OptionalInteger_ = None
    Runtime: OptionalText_ = None
    Environment: Environment_ = None
    Publish: TrueOrFalse_ = "FALSE"
    Layers: Layers_ = None
    CfsConfig: CfsConfigIn_ = None
    InstallDependency: Refused_ = None
    ProtocolParams: ProtocolParams_ = None
    InstanceConcurrencyConfig: Refused_ = None
    VpcConfig: VpcConfig_ = None
    Role: OptionalText_ = None
    ClsLogsetId: OptionalText_ = None
    ClsTopicId: OptionalText_ = None
    L5Enable: OptionalText_ = None
    DeadLetterConfig: DeadLetterConfig_ = None
    PublicNetConfig: PublicNetConfig_ = None
    DnsCache: OptionalText_ = None
    IntranetConfig: IntranetConfig_ = None
    IgnoreSysLog: Annotated[bool | None, Boolean()] = None
    DiskSize: Anything_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFunctionRequest:
    FunctionName: FunctionName_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    Qualifier: OptionalQualifier_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFunctionVersionRequest:
    FunctionName: FunctionName_
    Qualifier: Qualifier_
    Namespace: Namespace_ = facts.DEFAULT_NAMESPACE
    ForceDelete: TrueOrFalse_ = "FALSE"
