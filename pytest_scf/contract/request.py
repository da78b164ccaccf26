"""From what a client sent to one typed request, in one place.

``read_params`` makes a mapping of the bytes, the text or the mapping that came; ``RequestReader`` makes the request of
the mapping, and refuses what the action does not know, what is missing and what is not valid. What each field accepts
stands beside it in ``models``; the tables made of it here are made once per class.

A field that is null is a field that was not sent: the vendor's clients do not agree on which of the two they send.

Of the requests of a GET, where everything is text, ``flattened`` makes the same mapping first.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_type_hints

from pytest_scf.api_errors import InvalidParameter, MissingParameter, UnknownParameter
from pytest_scf.contract.validators import Validator

RequestT = TypeVar("RequestT")
Params = Mapping[str, Any] | bytes | bytearray | str | None


def read_params(params: Params) -> Mapping[str, Any]:
    """The parameters of a request, from JSON where they came as JSON. Nothing sent is no parameter."""
    if type(params) is dict:  # what nearly always comes, spared the questions below
        return params
    if isinstance(params, (str, bytes, bytearray)):
        if not params:
            return {}
        try:
            params = json.loads(params)
        except (ValueError, RecursionError) as why:  # bytes that are no text are a ValueError too
            raise InvalidParameter(f"The body of the request is not JSON: {why}.") from why
    elif params is None:
        return {}
    if not isinstance(params, Mapping):
        raise InvalidParameter(f"The body of the request must be a JSON object, not {type(params).__name__}.")
    return params


class RequestReader(Generic[RequestT]):
    """Makes requests of one class. As a check, it makes the nested object of a field."""

    def __init__(self, request_type: type[RequestT]) -> None:
        self.request_type = request_type
        self.validators: dict[str, Validator] = {}
        hints = get_type_hints(request_type, include_extras=True)
        fields = dataclasses.fields(request_type)  # type: ignore[arg-type]
        for field in fields:
            (self.validators[field.name],) = hints[field.name].__metadata__
        self.required = tuple([field.name for field in fields if field.default is dataclasses.MISSING])

    def __call__(self, name: str, value: Any) -> RequestT:
        if not isinstance(value, Mapping):
            raise InvalidParameter(field=name, value=value, expected="an object")
        return self.read(value, f"{name}.")

    def read(self, params: Mapping[str, Any], prefix: str = "") -> RequestT:
        validators = self.validators
        values = {}
        for name, value in params.items():
            validate = validators.get(name)
            if validate is None:
                raise self._unknown(name, value, prefix)
            if value is not None:
                values[name] = validate(prefix + name, value)
        for name in self.required:
            if name not in values:
                raise MissingParameter(f"The parameter `{prefix}{name}` is required, and is missing.", field=name)
        return self.request_type(**values)

    def _unknown(self, name: object, value: object, prefix: str) -> UnknownParameter:
        near = difflib.get_close_matches(str(name).lower(), {known.lower(): known for known in self.validators}, n=1)
        meant = [known for known in self.validators if known.lower() in near]
        hint = (
            f"did you mean `{prefix}{meant[0]}`?" if meant else f"known here: {', '.join(self.validators) or 'none'}."
        )
        text = f"The parameter `{prefix}{name}` is not known; {hint}"
        return UnknownParameter(text, field=f"{prefix}{name}", value=value)
