"""From a response object to what stands inside of ``"Response"``, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast, get_args, get_origin, get_type_hints

Writer = Callable[[Any], dict[str, Any]]


def writer_of(response_type: type[Any]) -> Writer:
    """The function that writes objects of this class; what the class looks like is asked here, once."""
    names = tuple([field.name for field in dataclasses.fields(response_type)])
    hints = get_type_hints(response_type)
    one: dict[str, Writer] = {}
    many: dict[str, Writer] = {}
    for name in names:
        hint = hints[name]
        if dataclasses.is_dataclass(hint):
            one[name] = writer_of(cast("type[Any]", hint))
        kind = many if get_origin(hint) in (list, tuple) else one
        for item in get_args(hint):
            if dataclasses.is_dataclass(item):
                kind[name] = writer_of(cast("type[Any]", item))

    def write(response: Any) -> dict[str, Any]:
        answer = {name: getattr(response, name) for name in names}
        for name, write_one in one.items():
            answer[name] = None if answer[name] is None else write_one(answer[name])
        for name, write_item in many.items():
            answer[name] = [write_item(item) for item in answer[name]]
        return answer

    return write
