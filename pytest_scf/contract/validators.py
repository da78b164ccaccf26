"""Validators: what one field of a request accepts.

A validator is called with the field's name, as the API spells it, and the value as it came from JSON; it gives back the
value as the request holds it, or raises. As in the cloud, a value of the wrong type is ``InvalidParameter`` whatever
the field, and a value of the right type that is not accepted is the field's own code, or ``InvalidParameterValue``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameter,
    InvalidParameterRequestTooLarge,
    InvalidParameterValue,
    InvalidParameterValueDateTime,
    InvalidParameterValueParam,
    UnsupportedOperation,
)
from pytest_scf.contract.times import read_time

Validator = Callable[[str, Any], Any]
ValueError_ = type[InvalidParameterValue]


@dataclass(frozen=True, slots=True)
class String:
    """A text, which is not empty unless it may be."""

    error: ValueError_ = InvalidParameterValue
    may_be_empty: bool = False

    def __call__(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidParameter(field=name, value=value, expected="a string")
        if not value and not self.may_be_empty:
            raise self.error(field=name, value=value, expected="a string that is not empty")
        return value


class OneOf:
    """A text out of a few."""

    def __init__(self, *values: str, error: ValueError_ = InvalidParameterValue) -> None:
        self.values = values
        self.error = error
        self._accepted = frozenset(values)

    def __call__(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidParameter(field=name, value=value, expected="a string")
        if value not in self._accepted:
            raise self.error(field=name, value=value, expected=f"one of {', '.join(self.values)}")
        return value


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within a range; ``most`` is the last one accepted, or None where there is no last one."""

    least: int
    most: int | None = None
    error: ValueError_ = InvalidParameterValue

    def __call__(self, name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidParameter(field=name, value=value, expected="an integer")
        if value < self.least or (self.most is not None and value > self.most):
            most = "up" if self.most is None else f"to {self.most}"
            raise self.error(field=name, value=value, expected=f"an integer from {self.least} {most}")
        return value


@dataclass(frozen=True, slots=True)
class IntegerText:
    """A whole number from 0 up, which some requests carry as text."""

    def __call__(self, name: str, value: Any) -> int:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
        return Integer(0)(name, value)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, whole or not."""

    def __call__(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InvalidParameter(field=name, value=value, expected="a number")
        return value


@dataclass(frozen=True, slots=True)
class Boolean:
    """True or false."""

    def __call__(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise InvalidParameter(field=name, value=value, expected="true or false")
        return value


@dataclass(frozen=True, slots=True)
class Array:
    """An array; each item is checked under its own name, as in ``Status.0``."""

    item: Validator

    def __call__(self, name: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise InvalidParameter(field=name, value=value, expected="an array")
        return tuple([self.item(f"{name}.{index}", item) for index, item in enumerate(value)])


@dataclass(frozen=True, slots=True)
class DateTime:
    """A date and time as people write it, in the zone of the settings, which is known to the action only."""

    def __call__(self, name: str, value: Any) -> datetime:
        if not isinstance(value, str):
            raise InvalidParameter(field=name, value=value, expected="a string")
        found = read_time(value)
        if found is None:
            form = "a date and time like 2017-05-16 20:00:00 or 2017-05-16 20:00:00.123"
            raise InvalidParameterValueDateTime(field=name, value=value, expected=form)
        return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)  # made once: json.loads would make one per call


def _read_json(text: str) -> Any:
    try:
        # Half the price of decode(), which first looks for white space around the value.
        found, end = _decoder.raw_decode(text)
        if end == len(text):
            return found
    except ValueError:
        pass
    return _decoder.decode(text)


@dataclass(frozen=True, slots=True)
class EventText:
    """The event of an invocation: JSON in a text. The request holds it as the bytes that the handler will be sent.

    How large it may be depends on how it is invoked: see ``check_event_size``.
    """

    error: type[InvalidParameter] | ValueError_

    def __call__(self, name: str, value: Any) -> bytes:
        if not isinstance(value, str):
            raise InvalidParameter(field=name, value=value, expected="a string that holds JSON")
        try:
            payload = value.encode()
            _read_json(value)
        except (ValueError, RecursionError) as why:
            raise self.error(field=name, value=value, expected=f"JSON ({why})") from why
        return payload


def check_event_size(name: str, payload: bytes, *, asynchronous: bool) -> None:
    """Raises InvalidParameter.RequestTooLarge: 6 MB, and 128 KB where the invocation is asynchronous."""
    most = facts.ASYNC_EVENT_BYTES if asynchronous else facts.SYNC_EVENT_BYTES
    if len(payload) > most:
        raise too_large(name, len(payload), most)


def too_large(name: str, found: int, most: int) -> InvalidParameterRequestTooLarge:
    return InvalidParameterRequestTooLarge(
        f"The event in the parameter `{name}` is too large: it has {found} bytes, and at most {most} are accepted.",
        field=name,
        value=found,
        expected=f"at most {most} bytes",
    )


@dataclass(frozen=True, slots=True)
class RoutingKeyText:
    """A JSON object in a text, its keys and values strings."""

    most_bytes: int

    def __call__(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise InvalidParameter(field=name, value=value, expected="a string that holds a JSON object")
        if len(value.encode(errors="surrogatepass")) > self.most_bytes:
            raise InvalidParameterValue(field=name, value=value, expected=f"at most {self.most_bytes} bytes long")
        try:
            found = _read_json(value)
        except (ValueError, RecursionError) as why:
            raise InvalidParameterValueParam(field=name, value=value, expected=f"JSON ({why})") from why
        if not isinstance(found, dict) or not all(isinstance(item, str) for item in found.values()):
            expected = 'a JSON object of strings, like {"k":"v"}'
            raise InvalidParameterValueParam(field=name, value=value, expected=expected)
        return value


def any_value(name: str, value: Any) -> Any:
    """What is taken, and has no effect."""
    return value


def refused(name: str, value: Any) -> None:
    """What would change what the function sees, and does not here. What means nothing is let through."""
    if value not in ("", "FALSE", [], {}, False):
        raise not_emulated(name)


def not_emulated(name: str) -> UnsupportedOperation:
    return UnsupportedOperation(
        f"The parameter `{name}` is not emulated: it would change what the function sees. Leave it out."
    )
