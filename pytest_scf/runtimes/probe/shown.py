"""Objects of the function's that cannot travel: what the test sees of them, and does with them during their call."""

import inspect
import io
import operator
import types

from . import link
from .codec import CodecError, safe_repr, type_name
from .specs import ROUTINES

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any, Callable  # noqa: F401

    from .codec import Codec  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace it.
_getattr_static = inspect.getattr_static

#: of objects in the attributes of others
_LEVELS = 2
#: entries of all attributes of one call that are shown
_ENTRIES = 1000
#: characters or bytes that count as an entry
_TEXT = 64
_NESTED = 10
_SPECIAL = {
    "__contains__": operator.contains,
    "__getitem__": operator.getitem,
    "__iter__": iter,
    "__len__": len,
}  # type: dict[str, Callable[..., Any]]


class Shown(object):
    """Those of one call, by number."""

    def __init__(self):
        # type: () -> None
        self.kept = []  # type: list[object]
        self._numbers = {}  # type: dict[int, int]
        self._left = _ENTRIES
        self._level = 0

    def number(self, value):
        # type: (object) -> int
        self.kept.append(value)
        return self._numbers.setdefault(id(value), len(self.kept) - 1)

    def show(self, value, codec):
        # type: (object, Codec) -> dict[str, object]
        if id(value) in self._numbers:
            return {"$": "opaque", "ref": self._numbers[id(value)]}
        number = self.number(value)
        form = {"$": "opaque", "ref": number, "type": type_name(value), "repr": safe_repr(value)}
        if self._level < _LEVELS:
            self._level += 1
            try:
                form["attributes"] = [[name, each] for name, each in self._packed(value, codec)]
            finally:
                self._level -= 1
        return form

    def _packed(self, value, codec):
        # type: (object, Codec) -> list[tuple[str, object]]
        packed = []
        for name, each in _attributes(value):
            if isinstance(each, (type, types.ModuleType)):
                continue
            entries = 1 + _entries(each, self._left, _NESTED)
            if entries > self._left:
                continue
            self._left -= entries
            try:
                packed.append((name, codec.pack(each)))
            except CodecError:
                pass  # one of a kind that does not travel
        return packed

    def use(self, codec, payload):
        # type: (Codec, bytes) -> tuple[int, bytes]
        """What the test asks for while it answers; of an error its number, too, by which it is raised here again."""
        number, operation, name, args, kwargs = codec.decode(payload)
        found = self.kept[number]  # type: Any
        try:
            if operation == "get":
                result = getattr(found, name)
            elif operation == "next":
                result = next(found)
            elif operation == "fill":
                result = None
                _fill(found, *args)
            elif operation == "special":
                result = _SPECIAL[name](found, *args)
            else:
                result = found(*args, **kwargs)
            return link.ANSWER, codec.encode(result)
        except Exception as error:
            return link.RAISE, codec.encode([self.number(error), error])


def _fill(file, content, position):
    # type: (Any, Any, int) -> None
    """What the test has done with its copy of a file in memory is done to the original."""
    file.seek(0)
    file.truncate()
    file.write(content)
    file.seek(position)


def _attributes(value):
    # type: (Any) -> list[tuple[str, object]]
    """What an object is made of: its fields, and the properties that a field of theirs stands behind."""
    if isinstance(value, (*ROUTINES, type, types.ModuleType)):
        return []
    found = {}  # type: dict[str, object]
    kind = type(value)
    try:
        found.update((name, each) for name, each in vars(value).items() if isinstance(name, str))
    except Exception:
        pass
    for slots in [each.__dict__.get("__slots__", ()) for each in kind.__mro__]:
        _add(found, value, [slots] if isinstance(slots, str) else slots)
    if isinstance(value, io.IOBase):
        _add(found, value, ("name", "mode"))
    if "_name_" in found and "_value_" in found:  # a member of an Enum
        return [("name", found["_name_"]), ("value", found["_value_"])]
    behind = [name.rpartition("__")[2].lstrip("_") for name in found if name.startswith("_")]
    _add(found, value, [name for name in behind if isinstance(_getattr_static(kind, name, None), property)])
    return [(name, each) for name, each in found.items() if not name.startswith("__")]


def _add(found, value, names):
    # type: (dict[str, object], object, Any) -> None
    for name in names:
        try:
            found[name] = getattr(value, name)
        except Exception:
            pass


def _entries(value, limit, nested):
    # type: (Any, int, int) -> int
    """How much there is of a value; more than ``limit`` where that is more."""
    if isinstance(value, (str, bytes, bytearray)):
        return len(value) // _TEXT
    if isinstance(value, (io.BytesIO, io.StringIO)):
        return 0 if value.closed else len(value.getvalue()) // _TEXT
    if not isinstance(value, (list, tuple, dict, set, frozenset)):
        return 0
    count = len(value)
    if not nested or count > limit:
        return limit + 1
    for each in [*value, *value.values()] if isinstance(value, dict) else value:
        count += _entries(each, limit - count, nested - 1)
        if count > limit:
            break
    return count
