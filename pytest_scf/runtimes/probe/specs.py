"""What stand-ins know of the originals: which attributes there are, which arguments are taken, what is awaited."""

import functools
import inspect
import types

from .codec import type_name

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace them.
_getattr_static = inspect.getattr_static
_is_coroutine_function = inspect.iscoroutinefunction
_signature_of = inspect.signature
_unwrap = inspect.unwrap
_Method = types.MethodType

VALUES = (type(None), bool, int, float, complex, str, bytes, bytearray, list, dict, tuple, set, frozenset)
ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    functools.partial,
    type(dict.get),
    type(object.__init__),
    type(object().__str__),
)
#: of a class that Python code has made
_HEAP_TYPE = 1 << 9


class InstanceOf(object):
    """Stands for an instance of a class, where there is none to look at."""

    def __init__(self, kind):
        # type: (type) -> None
        self.kind = kind


class Like(object):
    """Stands for an object that is probably of a class, as what ``with`` gives of one: it may as well be another."""

    def __init__(self, kind):
        # type: (type) -> None
        self.kind = kind


class Unknown(object):
    """Of an attribute: nothing is known of it."""


def like(spec):
    # type: (Any) -> Like | None
    kind = class_of(spec)
    return None if kind is None else Like(kind)


def has(spec, name):
    # type: (Any, str) -> bool
    if isinstance(spec, Like):
        return True
    return _may_have(spec.kind, name) if isinstance(spec, InstanceOf) else hasattr(spec, name)


def attribute(spec, name):
    # type: (Any, str) -> Any
    """The spec of what it has under this name; None or ``Unknown`` where nothing is known of that."""
    if isinstance(spec, Like):
        raw = _getattr_static(spec.kind, name, None)
        return None if isinstance(raw, types.FunctionType) and not is_async(raw) else Unknown()
    if not isinstance(spec, InstanceOf):
        return getattr(spec, name)
    raw = _getattr_static(spec.kind, name, None)
    if isinstance(raw, (staticmethod, classmethod)):
        return getattr(spec.kind, name)
    return _Method(raw, spec) if isinstance(raw, types.FunctionType) else None


def _may_have(kind, name):
    # type: (type, str) -> bool
    """Whether instances have the attribute: one that the class has, or that a method of it may set or tell of."""
    if hasattr(kind, name) or hasattr(kind, "__getattr__"):
        return True
    for each in kind.__mro__[:-1]:
        if not each.__flags__ & _HEAP_TYPE:
            return True  # one that is written in C may have what it does not tell of
        for found in each.__dict__.values():
            code = getattr(_unwrap(getattr(found, "__func__", found)), "__code__", None)
            if code is not None and not {name, "setattr", "__dict__"}.isdisjoint(code.co_names):
                return True
    return False


def class_of(spec):
    # type: (Any) -> type | None
    """The class that a stand-in says it is of; None where it is not one for an object."""
    if isinstance(spec, InstanceOf):
        return spec.kind
    if spec is None or isinstance(spec, (*VALUES, *ROUTINES, type, types.ModuleType, Like)):
        return None
    return type(spec)


def is_async(original):
    # type: (Any) -> bool
    """Whether what a call gives is to be awaited. A function that wraps a coroutine function need not be one."""
    return bool(_is_coroutine_function(original))


def check_signature(spec, args, kwargs):
    # type: (Any, tuple[Any, ...], dict[str, Any]) -> None
    """Raises TypeError where the original would for these arguments."""
    signature = signature_of(spec)
    if signature is None:
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        # Raised here, as the frames of ``inspect`` say nothing to whoever reads the traceback.
        problem = "%s() %s" % (getattr(spec, "__qualname__", None) or type_name(spec), error)
    else:
        return
    raise TypeError(problem)


def signature_of(spec):
    # type: (Any) -> inspect.Signature | None
    if spec is None:
        return None
    try:
        return _signature_of(spec)
    except (TypeError, ValueError):
        return None


def described(signature):
    # type: (inspect.Signature | None) -> list[list[object]] | None
    if signature is None:
        return None
    return [
        [parameter.name, int(parameter.kind), parameter.default is not parameter.empty]
        for parameter in signature.parameters.values()
    ]
