"""Requests whose parameters came as texts by flattened names: ``Limit=20``, ``Status.0=RUNNING``, ``Filter.RetCode``.

So they stand in the query of a GET and in a form. What each text is meant as is told by the request that they are for.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from pytest_scf.api_errors import InvalidParameter

#: names within a name; deeper than any request goes, and no more than a recursion bears
_DEEPEST = 12
_WHOLE = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,3})?", re.ASCII)
#: "1" and "0" are what PHP writes
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class FlattenedParams:
    """Raises InvalidParameter for names that contradict each other. Values that are no texts are left as they are."""

    __slots__ = ("_tree",)

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self._tree: dict[str, Any] = {}
        for name, value in pairs:
            *way, last = name.split(".")
            if len(way) >= _DEEPEST:
                raise InvalidParameter(f"The parameter `{name}` has too many parts.", field=name)
            place = self._tree
            for part in way:
                place = place.setdefault(part, {})
                if not isinstance(place, dict):
                    raise InvalidParameter(f"The parameter `{name}` is inside of one that is a value.", field=name)
            if last in place:
                raise InvalidParameter(f"The parameter `{name}` is given twice.", field=name)
            place[last] = value

    def get(self, name: str) -> Any:
        """The text of a name without dots, a mapping of what is inside of it, or None."""
        return self._tree.get(name)

    def nested(self, request_type: type[Any]) -> Mapping[str, Any]:
        """The same as a mapping of a JSON body would be, made for a request of this class."""
        return _object(self._tree, request_type)


def _object(tree: dict[str, Any], cls: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {name: _meant(value, hints.get(name)) for name, value in tree.items()}


def _meant(value: Any, hint: Any) -> Any:
    """What cannot be what it should be is left as it is: the field's check refuses it, and says why."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(item for item in get_args(hint) if item is not type(None))
    if isinstance(value, dict):
        if dataclasses.is_dataclass(hint):
            return _object(value, cast("type[Any]", hint))
        is_array = get_origin(hint) in (list, tuple)
        if (is_array or hint in (Any, None)) and all(_WHOLE.fullmatch(index) for index in value):
            item = get_args(hint)[0] if is_array else None
            return [_meant(value[index], item) for index in sorted(value, key=int)]
        return {name: _meant(item, None) for name, item in value.items()} if hint in (Any, None) else value
    if not isinstance(value, str):
        return value
    if hint is int and _WHOLE.fullmatch(value):
        return int(value)
    if hint is float and _NUMBER.fullmatch(value):
        return float(value)
    if hint is bool:
        return _BOOLEANS.get(value.lower(), value)
    return value
