"""The Filters of ListFunctions, as the vendor's model documents them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pytest_scf.api_errors import InvalidParameterValueFilters

if TYPE_CHECKING:
    from pytest_scf.contract.models.functions import Filter
    from pytest_scf.platform.functions import FunctionRecord

#: filters of one request
FILTERS = 10
#: values of a filter that takes several
VALUES = 20
TAG = "tag-"

#: take one value
_SINGLE: dict[str, Callable[[FunctionRecord], object]] = {
    "VpcId": lambda function: _part(function, "VpcConfig", "VpcId"),
    "SubnetId": lambda function: _part(function, "VpcConfig", "SubnetId"),
    "ClsTopicId": lambda function: function.config.remembered.get("ClsTopicId"),
    "ClsLogsetId": lambda function: function.config.remembered.get("ClsLogsetId"),
    "Role": lambda function: function.config.remembered.get("Role"),
    # No function has what this asks for.
    "Eip": lambda function: None,
}
#: take one value, which is among several of the function's
_AMONG: dict[str, Callable[[FunctionRecord], Iterable[object]]] = {
    "CfsId": lambda function: [each.id for each in function.config.file_systems],
    "CfsMountInsId": lambda function: [each.mount_point for each in function.config.file_systems],
}
_MULTIPLE: dict[str, Callable[[FunctionRecord], object]] = {
    "Status": lambda function: "Active",
    "Runtime": lambda function: function.config.runtime,
    "Type": lambda function: function.config.type,
    "PublicNetStatus": lambda function: _part(function, "PublicNetConfig", "PublicNetStatus") or "ENABLE",
    "AsyncRunEnable": lambda function: "TRUE" if function.config.async_run else "FALSE",
    "TraceEnable": lambda function: "TRUE" if function.config.trace else "FALSE",
    # Choice: the documents do not say what a Stamp is; each function has that of the vendor's examples.
    "Stamp": lambda function: "Default",
}


def _part(function: FunctionRecord, name: str, part: str) -> object:
    return getattr(function.config.remembered.get(name), part, None)


def compiled(filters: Iterable[Filter]) -> Callable[[FunctionRecord], bool]:
    """Whether a function passes all of the filters. Raises InvalidParameterValue.Filters."""
    filters = tuple(filters)
    if len(filters) > FILTERS:
        raise _refused("Filters", len(filters), f"at most {FILTERS} filters")
    tests = [(_reader(each), frozenset(each.Values)) for each in filters]
    return lambda function: all(values & {*read(function)} for read, values in tests)


def _reader(given: Filter) -> Callable[[FunctionRecord], Iterable[object]]:
    name = given.Name
    if name.startswith(TAG):
        key = name.removeprefix(TAG)
        return lambda function: [tag.Value for tag in _tags(function) if tag.Key == key]
    read, among = _SINGLE.get(name) or _MULTIPLE.get(name), _AMONG.get(name)
    if read is None and among is None:
        known = ", ".join([*_SINGLE, *_AMONG, *_MULTIPLE])
        raise _refused("Filters.Name", name, f"one of {known}, or {TAG} and a tag's key")
    most = VALUES if name in _MULTIPLE else 1
    if len(given.Values) > most:
        raise _refused(f"Filters.Values of {name}", len(given.Values), f"at most {most}")
    if read is None:
        assert among is not None
        return among
    return lambda function: [read(function)]


def _tags(function: FunctionRecord) -> Any:
    return function.config.remembered.get("Tags", ())


def _refused(field: str, value: object, expected: str) -> InvalidParameterValueFilters:
    return InvalidParameterValueFilters(field=field, value=value, expected=expected)
