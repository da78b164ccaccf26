"""How values of the standard library's classes are written in JSON, and read."""

import sys
from base64 import b64decode, b64encode
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from uuid import UUID

MYPY = False
if MYPY:  # for the type comments only
    from datetime import tzinfo  # noqa: F401
    from typing import Any, Callable  # noqa: F401


def plain(value):
    # type: (Any) -> Any
    """What a value amounts to whose class is derived from one of those that travel; None for any other."""
    kind = type(value)
    return next((as_base(value) for base, as_base in _BASES if issubclass(kind, base)), None)


def form(value):
    # type: (Any) -> dict[str, object] | None
    """What is in a file in memory, or an e-mail message; None for any other value."""
    kind = type(value)
    if kind in (BytesIO, StringIO) and not value.closed:
        text = value.getvalue()
        return {"$": kind.__name__, "v": [text if kind is StringIO else _base64(text), value.tell()]}
    message = getattr(sys.modules.get("email.message"), "Message", None)
    if isinstance(message, type) and issubclass(kind, message):
        if kind.__name__ == "HTTPMessage":  # the headers of an answer
            return {"$": "Message", "v": [[str(name), str(each)] for name, each in value.items()]}
        return {"$": "email", "v": _base64(value.as_bytes())}
    return None


def _plain_datetime(value):
    # type: (datetime) -> datetime
    day = (value.year, value.month, value.day)
    return datetime(*day, value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


def _read_bytes_io(data):
    # type: (list[Any]) -> BytesIO
    found = BytesIO(b64decode(data[0], validate=True))
    found.seek(data[1])
    return found


def _read_string_io(data):
    # type: (list[Any]) -> StringIO
    found = StringIO(str(data[0]), newline="")
    found.seek(data[1])
    return found


def _pack_zone(zone, moment):
    # type: (tzinfo | None, datetime | None) -> list[object] | None
    """Offset in seconds and name. That of a date's own zone is the one which holds at that moment."""
    offset = None if zone is None else zone.utcoffset(moment)
    if zone is None or offset is None:
        return None
    return [offset.total_seconds(), zone.tzname(moment)]


def _read_zone(data):
    # type: (list[Any] | None) -> timezone | None
    if data is None:
        return None
    offset = timedelta(seconds=data[0])
    if not offset:
        return timezone.utc
    return timezone(offset) if data[1] is None else timezone(offset, str(data[1]))


def _pack_datetime(value):
    # type: (datetime) -> list[object]
    fields = [value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond]
    return [fields, value.fold, _pack_zone(value.tzinfo, value)]


def _read_datetime(data):
    # type: (Any) -> datetime
    (year, month, day, hour, minute, second, microsecond), fold, zone = data
    return datetime(year, month, day, hour, minute, second, microsecond, _read_zone(zone), fold=fold)


def _pack_time(value):
    # type: (time) -> list[object]
    return [[value.hour, value.minute, value.second, value.microsecond], value.fold, _pack_zone(value.tzinfo, None)]


def _read_time(data):
    # type: (Any) -> time
    (hour, minute, second, microsecond), fold, zone = data
    return time(hour, minute, second, microsecond, _read_zone(zone), fold=fold)


def _base64(value):
    # type: (bytes | bytearray) -> str
    return b64encode(bytes(value)).decode("ascii")


def _read_message(data):
    # type: (list[list[Any]]) -> object
    from http.client import HTTPMessage  # most have no use for it

    found = HTTPMessage()
    for name, value in data:
        found.add_header(str(name), str(value))
    return found


def _read_email(data):
    # type: (str) -> object
    from email import message_from_bytes, policy

    return message_from_bytes(b64decode(data, validate=True), policy=policy.default)


#: what gives the plain value that one of a derived class amounts to
_BASES = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, lambda value: bytes.__getitem__(value, slice(None))),
    (bytearray, bytearray),
    (list, list),
    (dict, dict),
    (tuple, tuple),
    (set, set),
    (frozenset, frozenset),
    (datetime, _plain_datetime),
    (date, lambda value: date(value.year, value.month, value.day)),
    (Decimal, Decimal),
)  # type: tuple[tuple[type, Callable[[Any], Any]], ...]
SIMPLE = {
    bytes: ("bytes", _base64),
    bytearray: ("bytearray", _base64),
    datetime: ("datetime", _pack_datetime),
    date: ("date", lambda value: [value.year, value.month, value.day]),
    time: ("time", _pack_time),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("Decimal", str),
    UUID: ("UUID", lambda value: value.hex),
}  # type: dict[type, tuple[str, Callable[[Any], object]]]
READERS = {
    "int": lambda value: int(value, 16),
    "float": float,
    "bytes": lambda value: b64decode(value, validate=True),
    "bytearray": lambda value: bytearray(b64decode(value, validate=True)),
    "datetime": _read_datetime,
    "date": lambda value: date(*value),
    "time": _read_time,
    "timedelta": lambda value: timedelta(*value),
    "Decimal": Decimal,
    "UUID": lambda value: UUID(hex=value),
    "Path": Path,
    "BytesIO": _read_bytes_io,
    "StringIO": _read_string_io,
    "email": _read_email,
    "Message": _read_message,
}  # type: dict[str, Callable[[Any], object]]
