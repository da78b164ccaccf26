"""The models against the official SDK's own classes: nothing it sends is unknown, nothing it reads is missing."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_type_hints

import pytest

from pytest_scf.contract.action_registry import ACTIONS
from pytest_scf.contract.request import RequestReader

sdk = pytest.importorskip("tencentcloud.scf.v20180416.models")


#: an extension of ours, and what the vendor's clients send beyond them (docs/cloud-contract.md#management)
OURS = {
    "Code": {"LocalPath"},
    "CreateFunctionRequest": {"DeployMode", "DiskSize", "L5Enable"},
    "UpdateFunctionConfigurationRequest": {"DiskSize"},
    "GetFunctionRequest": {"ShowTriggers"},
    "ListFunctionsRequest": {"Type"},
}


def sdk_fields(cls: type) -> set[str]:
    return {name.removeprefix("_") for name in vars(cls()) if name != "headers"} - {"SkipSign"}


def our_fields(cls: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)}


def nested(cls: type[Any] | None) -> list[type[Any]]:
    found: list[type[Any]] = []
    if cls is None:
        return found
    for hint in get_type_hints(cls).values():
        for item in (hint, *get_args(hint)):
            if dataclasses.is_dataclass(item):
                assert isinstance(item, type)
                found += [item, *nested(item)]
    return found


@pytest.mark.parametrize("name", ACTIONS)
def test_request_fields(name: str) -> None:
    request = ACTIONS[name].request_type
    for part in (request, *nested(request)):
        assert our_fields(part) - OURS.get(part.__name__, set()) == sdk_fields(getattr(sdk, part.__name__))


@pytest.mark.parametrize("name", ACTIONS)
def test_response_fields(name: str) -> None:
    response = ACTIONS[name].response_type
    answered = set() if response is None else our_fields(response)
    assert answered | {"RequestId"} == sdk_fields(getattr(sdk, f"{name}Response"))
    for part in nested(response):
        assert our_fields(part) == sdk_fields(getattr(sdk, part.__name__))


@pytest.mark.parametrize("name", ACTIONS)
def test_there_is_such_an_action(name: str) -> None:
    client = pytest.importorskip("tencentcloud.scf.v20180416.scf_client")
    assert hasattr(client.ScfClient, name)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_row_fits_together(name: str) -> None:
    row = ACTIONS[name]
    assert row.request_type.__name__ == f"{name}Request"
    assert row.response_type is None or row.response_type.__name__ == f"{name}Response"
    assert row.reader.request_type is row.request_type
    for cls in filter(
        None, (row.request_type, row.response_type, *nested(row.request_type), *nested(row.response_type))
    ):
        assert cls.__dataclass_params__.frozen
        assert "__slots__" in vars(cls)


@pytest.mark.parametrize("name", ACTIONS)
def test_defaults_are_what_their_own_checks_accept(name: str) -> None:
    reader: RequestReader[Any] = ACTIONS[name].reader
    for field in dataclasses.fields(reader.request_type):
        if isinstance(field.default, str) and field.default:
            assert reader.validators[field.name](field.name, field.default) == field.default
