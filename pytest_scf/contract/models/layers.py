"""The requests and responses of the actions on layers."""

from dataclasses import dataclass, field
from typing import Annotated

from pytest_scf import api_errors
from pytest_scf.contract.models.fields import Limit_, Offset_, OptionalText_, Text_
from pytest_scf.contract.models.function_parts import Code, LayerVersionInfo, Tags_
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Integer, String

LayerName_ = Annotated[str, String(error=api_errors.InvalidParameterValueLayerName)]
LayerVersion_ = Annotated[int, Integer(0)]
Runtime_ = String(error=api_errors.InvalidParameterValueCompatibleRuntimes)
LayerVersionInfo_ = LayerVersionInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishLayerVersionRequest:
    LayerName: LayerName_
    CompatibleRuntimes: Annotated[tuple[str, ...], Array(Runtime_)]
    Content: Annotated[Code, RequestReader(Code)]
    Description: Text_ = ""
    LicenseInfo: Text_ = ""
    Tags: Tags_ = None


@dataclass(frozen=True, slots=True)
class PublishLayerVersionResponse:
    LayerVersion: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLayerVersionRequest:
    LayerName: LayerName_
    LayerVersion: LayerVersion_


@dataclass(frozen=True, slots=True, kw_only=True)
class GetLayerVersionResponse:
    """Choices: CodeSha256 is in hexadecimal digits; Location, which would be that of a zip, of where it is unpacked."""

    CompatibleRuntimes: list[str]
    CodeSha256: str
    Location: str
    AddTime: str
    Description: str
    LicenseInfo: str
    LayerVersion: int
    LayerName: str
    Status: str = "Active"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayersRequest:
    CompatibleRuntime: OptionalText_ = None
    Offset: Offset_ = 0
    Limit: Limit_ = 20
    SearchKey: Text_ = ""


@dataclass(frozen=True, slots=True)
class ListLayersResponse:
    Layers: list[LayerVersionInfo_]
    TotalCount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLayerVersionsRequest:
    LayerName: LayerName_
    CompatibleRuntime: Annotated[tuple[str, ...], Array(Runtime_)] = ()


@dataclass(frozen=True, slots=True)
class ListLayerVersionsResponse:
    LayerVersions: list[LayerVersionInfo_] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteLayerVersionRequest:
    LayerName: LayerName_
    LayerVersion: LayerVersion_
