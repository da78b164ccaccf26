"""CreateNamespace, UpdateNamespace, DeleteNamespace, ListNamespaces."""

from dataclasses import dataclass
from typing import Annotated

from pytest_scf import api_errors
from pytest_scf.contract.models.fields import (
    Limit_,
    Offset_,
    Order_,
    Refused_,
    Text_,
)
from pytest_scf.contract.request import RequestReader
from pytest_scf.contract.validators import Array, OneOf, String


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateNamespaceRequest:
    Namespace: Text_
    Description: Text_ = ""
    ResourceEnv: Refused_ = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNamespaceRequest:
    Namespace: Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]
    Description: Text_ = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteNamespaceRequest:
    Namespace: Annotated[str, String(error=api_errors.InvalidParameterValueNamespace)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchKey:
    Key: Annotated[str, OneOf("Namespace", "Description", error=api_errors.InvalidParameterValueSearchKey)]
    Value: Text_


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
