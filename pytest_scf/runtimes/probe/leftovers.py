"""What events leave behind in an instance: variables of the user's modules, files in its /tmp, threads.

A moment of a termination map is to be found as in a fresh instance. Nothing of the user's is called to find out.
"""

import collections
import functools
import itertools
import os
import sys
import threading
import types

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

    from .files import Files  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them.
_environ = os.environ
_enumerate = threading.enumerate
_getcwd = os.getcwd
_scandir = os.scandir

_CACHED = type(functools.lru_cache(maxsize=1)(int))
_PLAIN = frozenset([bool, bytes, float, int, str, type(None)])
#: objects, and files, that are looked at
_OBJECTS_LIMIT = 2000
_FILES_LIMIT = 500


class _TooMuch(Exception):
    pass


class Leftovers(object):
    """Made before the first event."""

    def __init__(self, files):
        # type: (Files) -> None
        self._files = files
        self._tmp = _environ.get("TMPDIR") or "/tmp"
        #: plain values, such as flags, and in what they are: what is given back
        self._plain = []  # type: list[tuple[Any, Any, object]]
        self._before = self._look(self._plain)

    def any(self):
        # type: () -> bool
        """Whether something is not as it was, or cannot be told, once plain values are what they were."""
        if self._before is None:
            return True
        if self._look([]) == self._before:
            return False
        for owner, name, value in self._plain:
            _give_back(owner, name, value)
        return self._look([]) != self._before

    def _look(self, plain):
        # type: (list[tuple[Any, Any, object]]) -> object
        """None where it cannot be told. Adds plain values to those given."""
        try:
            threads = [each.ident for each in _enumerate() if not each.name.startswith("scf-")]
            return _Variables(self._files, plain).found(), _tree(self._tmp), dict(_environ), _getcwd(), threads
        except (_TooMuch, OSError, RecursionError, RuntimeError):  # some: another thread changes it meanwhile
            return None


_attributes_of = type.__dict__["__dict__"].__get__
_bases_of = type.__dict__["__mro__"].__get__


def _give_back(owner, name, value):
    # type: (Any, Any, object) -> None
    kind = type(owner)
    if issubclass(kind, type):
        now = _attributes_of(owner).get(name, owner)
    elif kind is list:
        now = owner[name] if name < len(owner) else owner
    else:
        now = owner.get(name, owner)
    if now is value or type(now) not in _PLAIN:
        return  # what it is now may be in use
    if issubclass(kind, type):
        type.__setattr__(owner, name, value)
    else:
        owner[name] = value


def _tree(root):
    # type: (str) -> list[tuple[str, int, int, int]]
    found = []  # type: list[tuple[str, int, int, int]]
    waiting = [root]
    while waiting:
        with _scandir(waiting.pop()) as entries:
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                found.append((entry.path, facts.st_mtime_ns, facts.st_size, facts.st_ino))
                if len(found) > _FILES_LIMIT:
                    raise _TooMuch
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return sorted(found)


class _Variables(object):
    """Of the user's modules, as values that can be compared."""

    def __init__(self, files, plain):
        # type: (Files, list[tuple[Any, Any, object]]) -> None
        self._files = files
        self._plain = plain
        self._modules = set()  # type: set[str]
        #: by identity: in which order they were come to
        self._seen = {}  # type: dict[int, int]
        self._shallow = ()  # type: tuple[type, ...]
        logging = sys.modules.get("logging")
        if logging is not None:
            self._shallow = (logging.Logger,)  # keeps what it has found out

    def found(self):
        # type: () -> object
        modules = []  # type: list[tuple[str, dict[str, Any]]]
        for name, module in list(sys.modules.items()):
            if not issubclass(type(module), types.ModuleType):
                continue
            variables = object.__getattribute__(module, "__dict__")
            file = variables.get("__file__")
            if type(file) is str and self._files.name(file) is not None:
                self._modules.add(name)
                modules.append((name, variables))
        return [(name, self._attributes(variables, variables)) for name, variables in modules]

    def _attributes(self, variables, owner):
        # type: (Any, Any) -> list[tuple[str, object]]
        """``owner`` is what an attribute is given back to: these variables, or the class that they are of."""
        return [
            (name, self._within(owner, name, value))
            for name, value in list(variables.items())
            if not (name.startswith("__") and name.endswith("__"))
        ]

    def _within(self, owner, name, value):
        # type: (Any, Any, Any) -> object
        if type(value) in _PLAIN:
            self._plain.append((owner, name, value))
        return self._of(value)

    def _of(self, value):
        # type: (Any) -> object
        kind = type(value)
        if kind in _PLAIN:
            return (kind, repr(value) if kind is float else value)  # one that is not a number equals nothing
        if id(value) in self._seen:
            return self._seen[id(value)]
        self._seen[id(value)] = len(self._seen)
        if len(self._seen) > _OBJECTS_LIMIT:
            raise _TooMuch
        return (kind, id(value), self._contents(kind, value), self._fields(kind, value))

    def _contents(self, kind, value):
        # type: (type, Any) -> object
        if kind is dict:
            return [(self._of(key), self._within(value, key, each)) for key, each in list(value.items())]
        if kind is list:
            return [self._within(value, at, each) for at, each in enumerate(list(value))]
        if issubclass(kind, dict):
            return [(self._of(key), self._of(each)) for key, each in list(dict.items(value))]
        for sequence in (list, tuple, collections.deque):
            if issubclass(kind, sequence):
                return [self._of(each) for each in list(sequence.__iter__(value))]
        for a_set in (set, frozenset):
            if issubclass(kind, a_set):
                return sorted(repr(self._of(each)) for each in list(a_set.__iter__(value)))
        if issubclass(kind, bytearray):
            return bytes(value)
        if kind is types.GeneratorType:
            return None if value.gi_frame is None else value.gi_frame.f_lasti
        if kind is _CACHED:
            return tuple(value.cache_info())
        return repr(value) if kind is itertools.count else None

    def _fields(self, kind, value):
        # type: (type, Any) -> object
        if kind is types.FunctionType:
            if self._files.name(value.__code__.co_filename) is None:
                return None
            cells = [self._cell(cell) for cell in value.__closure__ or ()]
            return [self._of(value.__defaults__), self._of(value.__kwdefaults__), cells, self._of(value.__dict__)]
        if issubclass(kind, type):
            return self._attributes(_attributes_of(value), value) if self._is_users(value) else None
        if issubclass(kind, (types.ModuleType, *self._shallow)):
            return None
        fields = []  # type: list[object]
        for each in _bases_of(kind):
            for name, field in list(_attributes_of(each).items()):
                if type(field) is types.MemberDescriptorType and self._is_users(each):
                    try:
                        fields.append((name, self._of(field.__get__(value, kind))))
                    except AttributeError:
                        pass  # a slot without a value
        try:
            variables = object.__getattribute__(value, "__dict__")
            fields.append(self._attributes(variables, variables))
        except AttributeError:
            pass
        return fields

    def _is_users(self, a_class):
        # type: (type) -> bool
        return type.__getattribute__(a_class, "__module__") in self._modules

    def _cell(self, cell):
        # type: (Any) -> object
        try:
            return self._of(cell.cell_contents)
        except ValueError:
            return None
