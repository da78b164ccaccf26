"""What a use of a stand-in does to the object of the test's that it stands for: a Mock, or what a Mock has given."""

from __future__ import annotations

import asyncio
import enum
import inspect
import operator
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

from pytest_scf.runtimes.probe.specs import ROUTINES
from pytest_scf.runtimes.probe.stand_ins import OPERATORS, SPECIAL, SPECIAL_ASYNC

#: a mock's own: what belongs to the test, and is not to be reached from inside
_OF_THE_TEST = frozenset(dir(mock.AsyncMock())) | {"held"}
_SPECIAL = {f"__{name}__" for name in [*SPECIAL, *OPERATORS, *SPECIAL_ASYNC, "aiter"]}
#: what the language does for an object whose class has no such method
_BY_THE_LANGUAGE: dict[str, Callable[..., Any]] = {
    "__bool__": bool,
    "__contains__": operator.contains,
    "__index__": operator.index,
    "__int__": int,
    "__iter__": iter,
    "__str__": str,
}


class _Result:
    """In the place of a result: that of the original."""


ORIGINAL = _Result()


class Original:
    """What a Mock wraps whose uses are to go on to the original, which is in the instance."""

    def __call__(self, *args: object, **kwargs: object) -> _Result:
        return ORIGINAL

    def __getattr__(self, name: str) -> Original:
        return Original()


def use(found: Any, operation: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Raises what the object raises; AttributeError and TypeError for what is not to be had."""
    if operation == "get":
        if not is_public(found, name):
            raise AttributeError(f"{name} belongs to the test, and is not to be had in the function")
        return getattr(found, name)
    if operation == "set":
        if is_public(found, name):
            setattr(found, name, args[0])
        return None
    if operation == "special":
        return _awaited(_special(found, name, args))
    if operation == "next":
        return _next_of_async(found) if hasattr(type(found), "__anext__") else next(found)
    try:
        result = found(*args, **kwargs)
    except StopIteration:
        if operation == "await":  # out of a coroutine no StopIteration can come
            raise StopAsyncIteration from None
        raise
    return _awaited(result)


def is_public(found: Any, name: object) -> bool:
    """Whether the function may have, and set, this attribute of an object of the test's."""
    if not isinstance(name, str) or name.startswith("_"):
        return False
    return not isinstance(found, mock.NonCallableMock) or name not in _OF_THE_TEST


def goes_by_reference(value: Any) -> bool:
    """Whether the function can be given an object that it asks the test about.

    Not what is but a resource of the test's process, nor what the language has for itself, as frames.
    """
    kind = type(value)
    if isinstance(value, enum.Enum) or kind.__module__ == "_thread":
        return False
    return isinstance(value, (*ROUTINES, type)) or kind.__module__ != "builtins" or hasattr(kind, "__iter__")


def _special(found: Any, name: str, args: tuple[Any, ...]) -> Any:
    kind = type(found)
    if isinstance(found, mock.NonCallableMock):
        untouched = isinstance(vars(kind).get(name), mock.MagicProxy)
        if untouched and found._mock_wraps is not None:
            return ORIGINAL
        if untouched and name == "__str__":
            return f"<stand-in {found._extract_mock_name()}>"
        if name == "__bool__" and not isinstance(found, mock.MagicMixin):
            return True
    if name in _BY_THE_LANGUAGE:
        return _BY_THE_LANGUAGE[name](found, *args)
    if name in _SPECIAL and hasattr(kind, name):
        return getattr(found, name)(*args)
    if name.strip("_") in OPERATORS:
        return NotImplemented
    what = f"the stand-in {found._extract_mock_name()}" if isinstance(found, mock.NonCallableMock) else repr(found)
    raise TypeError(f"{what} has no {name}: a MagicMock has")


def _awaited(result: Any) -> Any:
    """What a coroutine function of the test's returns."""
    if inspect.isawaitable(result) and not isinstance(result, mock.NonCallableMock):
        return asyncio.run(_await(result))
    return result


async def _await(result: Any) -> Any:
    return await result


def _next_of_async(found: AsyncIterator[Any]) -> Any:
    """Without an event loop, whose end would end a generator, too."""
    step = found.__anext__().__await__()
    try:
        next(step)
    except StopIteration as end:
        return end.value
    raise TypeError("an asynchronous iterator that a stand-in gives cannot wait for something itself")
