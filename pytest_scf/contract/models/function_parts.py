"""Objects that stand in the requests and answers about functions."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from pytest_scf import api_errors
from pytest_scf.contract.models.fields import (
    Refused_,
    Text_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, Integer, String, not_emulated

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


Environment_ = Annotated[Environment | None, RequestReader(Environment)]
Tags_ = Annotated[tuple[Tag, ...] | None, Array(RequestReader(Tag))]
VpcConfig_ = Annotated[VpcConfig | None, RequestReader(VpcConfig)]
DeadLetterConfig_ = Annotated[DeadLetterConfig | None, RequestReader(DeadLetterConfig)]
_layers = Array(RequestReader(LayerVersionSimple))


def no_layers(name: str, value: Any) -> tuple[LayerVersionSimple, ...]:
    """No layer, or one without a name, which is how the vendor's clients clear them."""
    layers = _layers(name, value)
    if any(layer.LayerName for layer in layers):
        raise not_emulated(name)
    return ()


Layers_ = Annotated[tuple[LayerVersionSimple, ...] | None, no_layers]


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

# Parts of answers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EipOutConfig:
    EipFixed: str = "FALSE"
    Eips: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessInfo:
    Host: str = ""
    Vip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CfsConfig:
    CfsInsList: list[Any] = field(default_factory=list)


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
