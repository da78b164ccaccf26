"""How values travel between an instance and the test: as data in JSON, never as code.

JSON values, bytes, bytearray, datetime, date, time, timedelta, Decimal, set, frozenset, tuple, UUID, Path and
exceptions arrive as what they are, of exactly these types. Anything else is the business of the two callables that a
``Codec`` is made with. What comes from an instance may be anything: ``decode`` raises CodecError for what is not one
of these forms, and neither imports nor calls what the data names.
"""

import builtins
import json
import sys
from base64 import b64decode, b64encode
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from math import isfinite
from pathlib import Path, PurePath
from uuid import UUID

MYPY = False
if MYPY:  # for the type comments only
    from datetime import tzinfo  # noqa: F401
    from typing import Any, Callable  # noqa: F401

# All that this uses is kept here, because the user's code, or a stand-in, may replace it.
_dumps = json.dumps
_loads = json.loads

#: levels of lists, dicts and other containers in each other
DEPTH_LIMIT = 100
#: bytes of one value, encoded
SIZE_LIMIT = 16 * 1024 * 1024
#: ints below travel as JSON numbers: every JSON reader takes them, however long its ints may be
_PLAIN_INT = 1 << 63
_REPR_LENGTH = 2000
#: what exceptions of the language have beside their arguments and their __dict__
_FIELDS = (
    (OSError, ("errno", "strerror", "filename", "filename2")),
    (ImportError, ("msg", "name", "path")),
    (NameError, ("name",)),
    (AttributeError, ("name",)),
)  # type: tuple[tuple[type[BaseException], tuple[str, ...]], ...]

TRAVELS = "what can be is JSON values, bytes, dates, times, timedelta, Decimal, sets, tuples, UUID, Path and exceptions"


class CodecError(ValueError):
    """A value that cannot be sent, or data that is no value."""


class Opaque(object):
    """A value that cannot travel, as the other side shows it.

    ``type`` is the name of its type ("botocore.client.S3"), ``repr`` its repr, cut at 2,000 characters. Within the call
    that it came with, it can be given back, and becomes the original again.
    """

    def __init__(self, type_name, text, reference=None, owner=None):
        # type: (str, str, int | None, object) -> None
        self.type = type_name
        self.repr = text
        self._reference = reference
        self._owner = owner

    def __repr__(self):
        # type: () -> str
        return "<Opaque %s: %s>" % (self.type, self.repr)


class RemoteError(Exception):
    """An exception of the other side whose class is not known here; ``type`` is the name of that."""

    def __init__(self, type_name, text):
        # type: (str, str) -> None
        Exception.__init__(self, "%s: %s" % (type_name, text) if text else type_name)
        self.type = type_name

    __module__ = "builtins"  # so that errors call it by its name alone


def type_name(value):
    # type: (object) -> str
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def safe_repr(value, length=_REPR_LENGTH):
    # type: (object, int) -> str
    """The repr, cut; that of a broken object says so instead of raising."""
    try:
        text = repr(value)
    except Exception as error:
        text = "<repr() of it raised %s>" % type(error).__name__
    return text if len(text) <= length else text[: length - 3] + "..."


def refuse(value):
    # type: (object) -> object
    raise CodecError("%s of type %s cannot be sent: %s" % (safe_repr(value, 200), type_name(value), TRAVELS))


def _not_expected(form):
    # type: (dict[str, Any]) -> object
    raise CodecError("data of the kind %s is not expected" % safe_repr(form.get("$"), 100))


def known_exception(module, name):
    # type: (str, str) -> type[BaseException] | None
    """Exceptions of the language: their classes do nothing when an instance of them is made."""
    found = getattr(builtins, name, None) if module == "builtins" else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


class Codec(object):
    """``other`` turns a value of another type into a form (a dict with "$"), ``form`` such a form into a value.

    ``exception`` finds the class of an exception, or gives None, for a RemoteError to be made instead.
    """

    def __init__(
        self,
        other=refuse,  # type: Callable[[Any], object]
        form=_not_expected,  # type: Callable[[dict[str, Any]], object]
        exception=known_exception,  # type: Callable[[str, str], type[BaseException] | None]
    ):
        # type: (...) -> None
        self._other = other
        self._form = form
        self._exception = exception
        #: the exceptions that are being packed: each may be held by what it holds
        self._packing = set()  # type: set[int]

    def encode(self, value):
        # type: (object) -> bytes
        """Raises CodecError."""
        data = _dumps(self._pack(value, 0)).encode("ascii")
        if len(data) > SIZE_LIMIT:
            raise CodecError("a value of %d bytes is larger than the %d that can be sent" % (len(data), SIZE_LIMIT))
        return data

    def decode(self, data):
        # type: (bytes) -> Any
        """Raises CodecError."""
        try:
            return self._unpack(_loads(data.decode("ascii")), 0)
        except CodecError:
            raise
        except (Exception, RecursionError) as error:
            raise CodecError("data that is no value: %s: %s" % (type(error).__name__, safe_repr(error, 200))) from None

    def _pack(self, value, depth):
        # type: (Any, int) -> object
        if depth > DEPTH_LIMIT:
            raise CodecError("the value has more than %d levels, or holds itself" % DEPTH_LIMIT)
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            return value if -_PLAIN_INT < value < _PLAIN_INT else {"$": "int", "v": hex(value)}
        if kind is float:
            return value if isfinite(value) else {"$": "float", "v": repr(value)}
        deeper = depth + 1
        if kind is list:
            return [self._pack(each, deeper) for each in value]
        if kind is dict:
            return {"$": "dict", "v": [[self._pack(k, deeper), self._pack(v, deeper)] for k, v in value.items()]}
        if kind in _SEQUENCES:
            return {"$": kind.__name__, "v": [self._pack(each, deeper) for each in value]}
        simple = _SIMPLE.get(kind)
        if simple is not None:
            return {"$": simple[0], "v": simple[1](value)}
        if issubclass(kind, PurePath):
            return {"$": "Path", "v": str(value)}
        if issubclass(kind, BaseException):
            return self._pack_exception(value, deeper)
        return self._other(value)

    def _pack_exception(self, error, depth):
        # type: (BaseException, int) -> dict[str, object]
        if id(error) in self._packing:
            raise CodecError("the exception %s holds itself" % safe_repr(error, 200))
        self._packing.add(id(error))
        try:
            try:
                text = str(error)
            except Exception:
                text = safe_repr(error)
            fields = {name: self._pack_part(field.__get__(error), depth) for name, field in _fields(error)}
            state = {name: self._pack_part(value, depth) for name, value in getattr(error, "__dict__", {}).items()}
            args = [self._pack_part(value, depth) for value in error.args]
        finally:
            self._packing.discard(id(error))
        kind = type(error)
        return {
            "$": "exception",
            "module": kind.__module__,
            "name": kind.__qualname__,
            "text": text,
            "args": args,
            "fields": fields,
            "state": state,
        }

    def _pack_part(self, value, depth):
        # type: (Any, int) -> object
        """Of an exception, which is not refused for what cannot be sent of it."""
        if type(value) is BytesIO and not value.closed:  # the body of an answer, as HTTPError has it
            return {"$": "BytesIO", "v": [_base64(value.getvalue()), value.tell()]}
        message = getattr(sys.modules.get("email.message"), "Message", None)
        if isinstance(message, type) and issubclass(type(value), message):  # and its headers
            return {"$": "Message", "v": [[str(name), str(each)] for name, each in value.items()]}
        try:
            return self._pack(value, depth)
        except CodecError:
            return safe_repr(value)

    def _unpack(self, data, depth):
        # type: (Any, int) -> object
        if depth > DEPTH_LIMIT + 1:
            raise CodecError("data with more than %d levels" % DEPTH_LIMIT)
        deeper = depth + 1
        if isinstance(data, list):
            return [self._unpack(each, deeper) for each in data]
        if not isinstance(data, dict):
            return data
        kind = data.get("$")
        value = data.get("v")
        if kind == "dict":
            return {self._unpack(k, deeper): self._unpack(v, deeper) for k, v in value}  # type: ignore[union-attr]
        if kind == "tuple":
            return tuple(self._unpack(each, deeper) for each in value)  # type: ignore[union-attr]
        if kind == "set":
            return {self._unpack(each, deeper) for each in value}  # type: ignore[union-attr]
        if kind == "frozenset":
            return frozenset(self._unpack(each, deeper) for each in value)  # type: ignore[union-attr]
        if kind in _READERS:
            return _READERS[kind](value)
        if kind == "exception":
            return self._unpack_exception(data, deeper)
        return self._form(data)

    def _unpack_exception(self, form, depth):
        # type: (dict[str, Any], int) -> BaseException
        module, name, text = str(form["module"]), str(form["name"]), str(form["text"])
        args = tuple(self._unpack(each, depth) for each in form["args"])
        state = {str(key): self._unpack(value, depth) for key, value in form["state"].items()}
        kind = self._exception(module, name)
        error = None if kind is None else _make_exception(kind, args)
        if error is None:
            return RemoteError(name if module == "builtins" else "%s.%s" % (module, name), text)
        for field_name, field in _fields(error):
            value = self._unpack(form["fields"].get(field_name), depth)
            if value is not None:
                field.__set__(error, value)
        for key, value in state.items():
            if not key.startswith("__"):
                error.__dict__[key] = value
        return error


def _fields(error):
    # type: (BaseException) -> list[tuple[str, Any]]
    """The descriptors of the language's own, which a class's properties of these names do not hide."""
    kinds = [(kind, names) for kind, names in _FIELDS if isinstance(error, kind)]
    return [(name, vars(kind)[name]) for kind, names in kinds for name in names if name in vars(kind)]


def _make_exception(kind, args):
    # type: (type[BaseException], tuple[Any, ...]) -> BaseException | None
    """One of this class; None where none can be made. Its own ``__init__`` may ask for what did not come with it."""
    base = kind  # type: Any
    while getattr(builtins, base.__name__, None) is not base:
        base = base.__base__
    for maker in (base, kind):  # that of the class itself where it is one in C that has fields of its own
        try:
            error = maker.__new__(kind, *args)  # type: BaseException
            error.args = args
        except Exception:
            continue
        try:
            base.__init__(error, *args)  # type: ignore[misc]
        except Exception:
            pass
        return error if isinstance(error, kind) else None
    return None


def _read_bytes_io(data):
    # type: (list[Any]) -> BytesIO
    found = BytesIO(b64decode(data[0], validate=True))
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


_SEQUENCES = (tuple, set, frozenset)
_SIMPLE = {
    bytes: ("bytes", _base64),
    bytearray: ("bytearray", _base64),
    datetime: ("datetime", _pack_datetime),
    date: ("date", lambda value: [value.year, value.month, value.day]),
    time: ("time", _pack_time),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("Decimal", str),
    UUID: ("UUID", lambda value: value.hex),
}  # type: dict[type, tuple[str, Callable[[Any], object]]]
_READERS = {
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
    "Message": _read_message,
}  # type: dict[str, Callable[[Any], object]]
