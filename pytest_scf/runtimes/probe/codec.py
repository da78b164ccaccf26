"""How values travel between an instance and the test: as data in JSON, never as code.

JSON values, bytes, bytearray, datetime, date, time, timedelta, Decimal, set, frozenset, tuple, namedtuple, UUID, Path,
BytesIO, StringIO, e-mail messages and exceptions arrive as what they are, of exactly these types; what is of a class
that is derived from one of them arrives as that one. Anything else is the business of the two callables that a
``Codec`` is made with. What comes from an instance may be anything: ``decode`` raises CodecError for what is not one
of these forms, and neither imports nor calls what the data names.
"""

import json
from collections import namedtuple
from keyword import iskeyword
from math import isfinite
from pathlib import PurePath

from . import values
from .exceptions import RemoteError, bases_of, fields_of, known_exception, make_exception

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

# All that this uses is kept here, because the user's code, or a stand-in, may replace it.
_dumps = json.dumps
_loads = json.loads
_namedtuple = namedtuple  # type: Any

_SEQUENCES = (tuple, set, frozenset)
_FILES = ("BytesIO", "StringIO")
#: levels of lists, dicts and other containers in each other
DEPTH_LIMIT = 100
_LEVELS_OF_A_PART = 20
#: bytes of one value, encoded
SIZE_LIMIT = 16 * 1024 * 1024
#: ints below travel as JSON numbers: every JSON reader takes them, however long its ints may be
_PLAIN_INT = 1 << 63
_REPR_LENGTH = 2000
#: keys of one dict or set
_SAME_HASH_LIMIT = 1000
TRAVELS = (
    "what can be is JSON values, bytes, dates, times, timedelta, Decimal, sets, tuples, UUID, Path, BytesIO, StringIO, "
    "e-mail messages and exceptions"
)


class CodecError(ValueError):
    """A value that cannot be sent, or data that is no value."""


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


def _are_names(names):
    # type: (Any) -> bool
    """Whether they can be the names of a namedtuple."""
    return isinstance(names, tuple) and len(set(names)) == len(names) and all(map(_is_name, names))


def _is_name(name):
    # type: (Any) -> bool
    return type(name) is str and name.isidentifier() and not name.startswith("_") and not iskeyword(name)


def _not_expected(form):
    # type: (dict[str, Any]) -> object
    raise CodecError("data of the kind %s is not expected" % safe_repr(form.get("$"), 100))


def _check_hashes(keys):
    # type: (list[object]) -> None
    """Raises CodecError for numbers that are chosen so that a dict or a set takes for ever to be made of them."""
    counts = {}  # type: dict[int, int]
    for key in keys:
        found = hash(key)
        counts[found] = counts.get(found, 0) + 1
    if counts and max(counts.values()) > _SAME_HASH_LIMIT:
        raise CodecError("more than %d keys have the same hash" % _SAME_HASH_LIMIT)


class Codec(object):
    """``other`` turns a value of another type into a form (a dict with "$"), ``form`` such a form into a value.

    ``exception`` finds the class of an exception by its module, name and bases, or gives None, for a RemoteError.
    """

    def __init__(
        self,
        other=refuse,  # type: Callable[[Any], object]
        form=_not_expected,  # type: Callable[[dict[str, Any]], object]
        exception=known_exception,  # type: Callable[[str, str, Any], type[BaseException] | None]
    ):
        # type: (...) -> None
        self._other = other
        self._form = form
        self._exception = exception
        #: the exceptions that are being packed: each may be held by what it holds
        self._packing = set()  # type: set[int]
        #: gives a number to a file in memory that is packed
        self.number = None  # type: Callable[[object], int] | None
        #: is told the number of one that is unpacked
        self.numbered = None  # type: Callable[[Any, int], object] | None

    def encode(self, value):
        # type: (object) -> bytes
        """Raises CodecError."""
        data = _dumps(self._pack(value, 0)).encode("ascii")
        if len(data) > SIZE_LIMIT:
            raise CodecError("a value of %d bytes is larger than the %d that can be sent" % (len(data), SIZE_LIMIT))
        return data

    def pack(self, value):
        # type: (object) -> object
        """Of what is no part of what is encoded otherwise; of few levels. Raises CodecError."""
        return self._pack(value, DEPTH_LIMIT - _LEVELS_OF_A_PART)

    def unpack(self, data):
        # type: (Any) -> Any
        return self._unpack(data, DEPTH_LIMIT - _LEVELS_OF_A_PART)

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
        simple = values.SIMPLE.get(kind)
        if simple is not None:
            return {"$": simple[0], "v": simple[1](value)}
        if issubclass(kind, PurePath):
            return {"$": "Path", "v": str(value)}
        if issubclass(kind, BaseException):
            return self._pack_exception(value, deeper)
        try:
            form = values.form(value)
            plain = None if form is not None else values.plain(value)
        except Exception:
            form = plain = None  # it is not what its class says
        if form is not None:
            if self.number is not None and form["$"] in _FILES:
                form["ref"] = self.number(value)
            return form
        return self._other(value) if plain is None else self._pack_plain(kind, plain, depth)

    def _pack_plain(self, kind, plain, depth):
        # type: (type, Any, int) -> object
        """What a value of a derived class amounts to; a namedtuple keeps its names."""
        names = getattr(kind, "_fields", None)  # type: Any
        if type(plain) is not tuple or not _are_names(names) or len(names) != len(plain):
            return self._pack(plain, depth)
        parts = [self._pack(each, depth + 1) for each in plain]
        return {"$": "namedtuple", "name": kind.__name__, "fields": list(names), "v": parts}

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
            fields = {name: self._pack_part(field.__get__(error), depth) for name, field in fields_of(error)}
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
            "bases": bases_of(kind),
        }

    def _pack_part(self, value, depth):
        # type: (Any, int) -> object
        """Of an exception, which is not refused for what cannot be sent of it."""
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
        value = data.get("v")  # type: Any
        if kind == "dict":
            pairs = [(self._unpack(k, deeper), self._unpack(v, deeper)) for k, v in value]
            _check_hashes([k for k, _v in pairs])
            return dict(pairs)
        if kind == "tuple":
            return tuple(self._unpack(each, deeper) for each in value)
        if kind in ("set", "frozenset"):
            members = [self._unpack(each, deeper) for each in value]
            _check_hashes(members)
            return set(members) if kind == "set" else frozenset(members)
        if kind in values.READERS:
            found = values.READERS[kind](value)
            if self.numbered is not None and kind in _FILES and "ref" in data:
                self.numbered(found, int(data["ref"]))
            return found
        if kind == "namedtuple":
            made = _namedtuple(str(data["name"]), data["fields"])  # checks that these are but names
            return made(*[self._unpack(each, deeper) for each in value])
        if kind == "exception":
            return self._unpack_exception(data, deeper)
        return self._form(data)

    def _unpack_exception(self, form, depth):
        # type: (dict[str, Any], int) -> BaseException
        module, name, text = str(form["module"]), str(form["name"]), str(form["text"])
        args = tuple(self._unpack(each, depth) for each in form["args"])
        state = {str(key): self._unpack(value, depth) for key, value in form["state"].items()}
        kind = self._exception(module, name, form.get("bases"))
        error = None if kind is None else make_exception(kind, args)
        if error is None:
            return RemoteError(name if module == "builtins" else "%s.%s" % (module, name), text)
        for field_name, field in fields_of(error):
            value = self._unpack(form["fields"].get(field_name), depth)
            if value is not None:
                field.__set__(error, value)
        for key, value in state.items():
            if not key.startswith("__"):
                error.__dict__[key] = value
        return error
