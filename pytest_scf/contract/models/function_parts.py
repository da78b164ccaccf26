"""Objects that stand in the requests and answers about functions."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from pytest_scf import api_errors, facts
from pytest_scf.contract.models.fields import (
    OptionalText_,
    Refused_,
    Text_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Boolean, Integer, OneOf, String

# Parts of requests and answers -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    Key: Text_
    Value: Text_


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    Variables: Annotated[tuple[Variable, ...], Array(RequestReader(Variable))] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    Key: Text_
    Value: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VpcConfig:
    VpcId: Text_ = ""
    SubnetId: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterConfig:
    Type: Text_ = ""
    Name: Text_ = ""
    FilterType: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersionSimple:
    LayerName: Text_ = ""
    LayerVersion: Annotated[int, Integer(0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CfsInsInfo:
    """Choice: what is not given of the user and the group is 10000, as in the vendor's components."""

    CfsId: Text_ = ""
    MountInsId: Text_ = ""
    LocalMountDir: Text_ = ""
    RemoteMountDir: Text_ = "/"
    UserId: Text_ = "10000"
    UserGroupId: Text_ = "10000"
    IpAddress: Text_ = ""
    MountVpcId: Text_ = ""
    MountSubnetId: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CfsConfig:
    CfsInsList: Annotated[tuple[CfsInsInfo, ...], Array(RequestReader(CfsInsInfo))] = ()


CfsConfigIn_ = Annotated[CfsConfig | None, RequestReader(CfsConfig)]
Environment_ = Annotated[Environment | None, RequestReader(Environment)]
Tags_ = Annotated[tuple[Tag, ...] | None, Array(RequestReader(Tag))]
VpcConfig_ = Annotated[VpcConfig | None, RequestReader(VpcConfig)]
DeadLetterConfig_ = Annotated[DeadLetterConfig | None, RequestReader(DeadLetterConfig)]
_IMAGE_URI = re.compile(r"[\w.-]+(:\d+)?(/[\w.-]+)+(:[\w.-]+)?(@[\w.+-]+:[0-9a-fA-F]+)?", re.ASCII)
Layers_ = Annotated[tuple[LayerVersionSimple, ...] | None, Array(RequestReader(LayerVersionSimple))]


# Parts of requests -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EipConfigIn:
    EipStatus: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNetConfigIn:
    PublicNetStatus: Text_ = "ENABLE"
    EipConfig: Annotated[EipConfigIn | None, RequestReader(EipConfigIn)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntranetConfigIn:
    IpFixed: Text_ = "DISABLE"


PublicNetConfig_ = Annotated[PublicNetConfigIn | None, RequestReader(PublicNetConfigIn)]
IntranetConfig_ = Annotated[IntranetConfigIn | None, RequestReader(IntranetConfigIn)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WSParams:
    IdleTimeOut: Annotated[int, Integer(*facts.WEBSOCKET_IDLE)] = facts.WEBSOCKET_IDLE_DEFAULT


WSParams_ = Annotated[WSParams | None, RequestReader(WSParams)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolParams:
    WSParams: WSParams_ = None


ProtocolType_ = Annotated[str, OneOf("", "WS", error=api_errors.InvalidParameterValueProtocolType)]
ProtocolParams_ = Annotated[ProtocolParams | None, RequestReader(ProtocolParams)]


def image_uri(name: str, value: Any) -> str:
    """{domain}/{namespace}/{imageName}:{tag}@{digest}, of which tag and digest may be missing."""
    text: str = String(error=api_errors.InvalidParameterValueImageUri)(name, value)
    if not _IMAGE_URI.fullmatch(text):
        raise api_errors.InvalidParameterValueImageUri(
            field=name, value=value, expected="a name like ccr.ccs.tencentyun.com/namespace/image:tag"
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """ "public" is an ImageType of the vendor's project files."""

    ImageType: Annotated[
        str, OneOf("personal", "enterprise", "public", error=api_errors.InvalidParameterValueImageType)
    ]
    ImageUri: Annotated[str, image_uri]
    RegistryId: OptionalText_ = None
    EntryPoint: OptionalText_ = None
    Command: OptionalText_ = None
    Args: OptionalText_ = None
    ContainerImageAccelerate: Annotated[bool | None, Boolean()] = None
    ImagePort: Annotated[int | None, Integer(-1, 65535)] = None


ImageConfig_ = Annotated[ImageConfig | None, RequestReader(ImageConfig)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """ZipFile (base64), or a zip in a bucket of COS here, or, as our extension, LocalPath: a directory of this machine,
    used in place."""

    ZipFile: Annotated[str | None, String(error=api_errors.InvalidParameterValueZipFile)] = None
    LocalPath: Annotated[str | None, String(error=api_errors.InvalidParameterValueCode)] = None
    CosBucketName: OptionalText_ = None
    CosObjectName: OptionalText_ = None
    CosBucketRegion: OptionalText_ = None
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
    ImageConfig: ImageConfig_ = None


Code_ = Annotated[Code | None, RequestReader(Code)]

# Parts of answers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerVersionInfo:
    """Choice: the documents do not say what a Stamp is; each has that of the vendor's examples of functions."""

    CompatibleRuntimes: list[str]
    AddTime: str
    Description: str
    LicenseInfo: str
    LayerVersion: int
    LayerName: str
    Tags: tuple[Tag, ...]
    Status: str = "Active"
    Stamp: str = "Default"


@dataclass(frozen=True, slots=True, kw_only=True)
class EipOutConfig:
    EipFixed: str = "FALSE"
    Eips: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessInfo:
    Host: str = ""
    Vip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EipConfigOut:
    EipStatus: str = "DISABLE"
    EipAddress: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicNetConfigOut:
    PublicNetStatus: str = "ENABLE"
    EipConfig: EipConfigOut = field(default_factory=EipConfigOut)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntranetConfigOut:
    IpFixed: str = "DISABLE"
    IpAddress: list[str] = field(default_factory=list)


AccessInfo_ = AccessInfo
CfsConfig_ = CfsConfig
