"""Stand-ins as the test has them: real Mocks, which the code in the instances calls from there."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
import traceback
import types
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from pytest_scf.errors import UsageError, WaitTimeout
from pytest_scf.facade.probing.connections import Gone, Latch
from pytest_scf.runtimes.probe import link
from pytest_scf.runtimes.probe.codec import TRAVELS, Codec, CodecError, Opaque, safe_repr, type_name
from pytest_scf.runtimes.probe.stand_ins import SPECIAL, SPECIAL_ASYNC

if TYPE_CHECKING:
    from pytest_scf.facade.probing.connections import Connections

#: a mock's own: what belongs to the test, and is not to be reached from inside
_OF_THE_TEST = frozenset(dir(mock.AsyncMock())) | {"held"}
_SPECIAL = {f"__{name}__" for name in [*SPECIAL, *SPECIAL_ASYNC, "aiter"]}


#: in a thread that serves an instance: whose call it is that a Mock is called for
_calling = threading.local()


class Blame(NamedTuple):
    """What a side effect raised, as Python words it, and a clause that says where."""

    error: str
    clause: str


class HeldCall:
    """A call of a stand-in's that is kept from returning; ``with stub.held() as call`` gives it."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._there = threading.Event()
        self._released = Latch()
        #: what the stand-in was called with, once ``wait`` has returned
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}

    def wait(self, timeout: float = 30) -> HeldCall:
        """Wait until the function is inside the call; gives this. Raises WaitTimeout after ``timeout`` seconds."""
        if not self._there.wait(timeout):
            raise WaitTimeout(f"nobody called {self._target} within {timeout:g} s")
        return self

    @property
    def reached(self) -> bool:
        """Whether the function has come into the call."""
        return self._there.is_set()

    def release(self) -> None:
        """Let the call go on, as the end of the block does."""
        self._released.set()

    def __repr__(self) -> str:
        state = "released" if self._released.is_set() else "held" if self.reached else "not reached"
        return f"<HeldCall of {self._target}: {state}>"


class Stub(mock.MagicMock):
    """A ``unittest.mock.MagicMock`` in the test that stands in for something in a function's instances."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.__dict__["_scf_held"] = []
        self.__dict__["_scf_counting"] = threading.Lock()

    def _increment_mock_call(self, /, *args: Any, **kwargs: Any) -> None:
        # Threads of the handler may call at once, and none of their calls is to be lost.
        with self.__dict__["_scf_counting"]:
            super()._increment_mock_call(*args, **kwargs)

    def _mock_call(self, /, *args: Any, **kwargs: Any) -> Any:
        # The call is known by now, and what it returns or raises is not decided yet.
        connections = getattr(_calling, "connections", None)
        if connections is not None:
            _hold(connections, self, args, kwargs)
        return super()._mock_call(*args, **kwargs)

    # What stands for a coroutine function is called once it is awaited, so calls are what an AsyncMock has as awaits.
    assert_awaited = mock.MagicMock.assert_called
    assert_awaited_once = mock.MagicMock.assert_called_once
    assert_awaited_with = mock.MagicMock.assert_called_with
    assert_awaited_once_with = mock.MagicMock.assert_called_once_with
    assert_any_await = mock.MagicMock.assert_any_call
    assert_has_awaits = mock.MagicMock.assert_has_calls
    assert_not_awaited = mock.MagicMock.assert_not_called

    @property
    def await_count(self) -> int:
        return int(self.call_count)

    @property
    def await_args(self) -> Any:
        return self.call_args

    @property
    def await_args_list(self) -> Any:
        return self.call_args_list

    @contextmanager
    def held(self) -> Iterator[HeldCall]:
        """Keep the function inside the next call, from when it comes there until the block ends.

        A call that is already under way goes on. What the stand-in is to return or raise is asked for when it is let
        go. A signal handler runs in the middle of it, as in a blocking system call; where it raises, the function has
        left the call, which returns and raises nothing any more.
        """
        call = HeldCall(self._extract_mock_name())
        held = self.__dict__["_scf_held"]
        held.append(call)
        try:
            yield call
        finally:
            call.release()
            if call in held:
                held.remove(call)


def _place() -> str:
    """Where the test calls ``stub``: "test_it.py:31"."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("pytest_scf."):
        frame = frame.f_back
    return "stub()" if frame is None else f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


class StubTable:
    """The stand-ins of one function by number, and the Mocks that its code has got from them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stubs: dict[int, Stub] = {}
        self._config: list[dict[str, Any]] = []
        #: Mocks and iterators that were handed in, by number; they are kept as long as the function
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}

    def config(self) -> list[dict[str, Any]]:
        return list(self._config)

    def add(self, target: str, *, autospec: bool) -> Stub:
        check_target(target)
        if not isinstance(autospec, bool):
            raise UsageError(f"autospec must be True or False, not {autospec!r}")
        with self._lock:
            for each in self._config:
                one, other = each["target"], target
                if one == other:
                    raise UsageError(f"there is a stand-in for {target!r} already: use what stub() gave then")
                if other.startswith(one + "."):
                    raise UsageError(
                        f"there is a stand-in for {one!r} already: use its attribute {other[len(one) + 1 :]}"
                    )
            stub = Stub(name=target)
            number = self._number(stub)
            self._stubs[number] = stub
            self._config.append({"id": number, "target": target, "autospec": autospec, "place": _place()})
        return stub

    def let_go(self) -> None:
        for found in list(self._objects.values()):
            if isinstance(found, Stub):
                for call in list(found.__dict__["_scf_held"]):
                    call.release()

    def _number(self, found: Any) -> int:
        with self._lock:
            number = self._numbers.get(id(found))
            if number is None:
                number = len(self._objects) + 1
                self._numbers[id(found)] = number
                self._objects[number] = found
            return number

    def refused(self, facts: dict[str, Any]) -> str:
        """Why a stand-in cannot be put in place, as an instance says; "" where it is."""
        stub = next((each for each in self._config if each["id"] == facts["id"]), None)
        if stub is None or not facts.get("problem"):
            return ""
        problem = str(facts["problem"])
        return f"the stand-in for {stub['target']!r}, of {stub['place']}, cannot be put in place: {problem}"

    def installed(self, facts: dict[str, Any]) -> None:
        """A stand-in is in place: from now on calls are compared by the signature of the original."""
        stub = self._stubs.get(facts["id"])
        signature = facts.get("signature")
        if stub is None or signature is None or facts.get("kind") != "function" or "_scf_spec" in stub.__dict__:
            return
        stub.__dict__["_scf_spec"] = spec = _with_signature(signature)
        if spec is not None:
            stub.mock_add_spec(spec)

    # -- a use of a stand-in, in a thread of ours ----------------------------------------------------------------

    def call(self, connections: Connections, payload: bytes) -> tuple[int, bytes, Blame | None]:
        """The answer's kind and payload; and what is to blame where it raises what the test did not mean to give."""
        owner = object()
        codec = self._codec(owner)
        reference, operation, name, args, kwargs = codec.decode(payload)
        found = self._objects[reference]
        if not isinstance(kwargs, dict) or not isinstance(args, tuple):
            raise CodecError("a call without arguments")
        try:
            result = self._use(connections, found, operation, name, args, kwargs)
            return link.ANSWER, self._encoded(codec, result, found), None
        except (Gone, CodecError):
            raise
        except BaseException as error:
            return link.RAISE, codec.encode(error), _blame(found, error)

    def _encoded(self, codec: Codec, result: Any, found: Any) -> bytes:
        try:
            return codec.encode(result)
        except CodecError as error:
            what = found._extract_mock_name() if isinstance(found, mock.NonCallableMock) else "an iterator"
            raise TypeError(f"the stand-in {what} cannot give this to the function: {error}") from None

    def _use(
        self, connections: Connections, found: Any, operation: str, name: str, args: tuple[Any, ...], kwargs: Any
    ) -> Any:
        if not isinstance(found, mock.NonCallableMock):
            if operation != "next":
                raise TypeError(f"an iterator that a stand-in gave has no {name or operation}")
            return _next_of_async(found) if hasattr(type(found), "__anext__") else next(found)
        if operation == "get":
            if not isinstance(name, str) or name in _OF_THE_TEST or name.startswith("_"):
                raise AttributeError(f"{name} belongs to the Mock in the test, and is not to be had in the function")
            return getattr(found, name)
        if operation == "special":
            if name == "__bool__" and not isinstance(found, mock.MagicMixin):
                return True
            if name not in _SPECIAL or not hasattr(type(found), name):
                raise TypeError(f"the stand-in {found._extract_mock_name()} has no {name}: a MagicMock has")
            return _awaited(getattr(found, name)(*args))
        _calling.connections = connections
        try:
            result = found(*args, **kwargs)
        except StopIteration:
            if operation == "await":  # out of a coroutine no StopIteration can come
                raise StopAsyncIteration from None
            raise
        finally:
            _calling.connections = None
        return _awaited(result)

    def _codec(self, owner: object) -> Codec:
        def other(value: Any) -> object:
            if isinstance(value, mock.NonCallableMock):
                kind = "async" if isinstance(value, mock.AsyncMock) else "object"
                text, own = value._extract_mock_name(), isinstance(value, Stub)
                return {"$": "mock", "id": self._number(value), "text": text, "kind": kind, "own": own}
            if isinstance(value, Opaque):
                if value._owner is not owner:
                    raise CodecError(f"{value!r} can be given back within the call that it came with, and only there")
                return {"$": "opaque", "ref": value._reference}
            if isinstance(value, Iterator):
                return {"$": "mock", "id": self._number(value), "text": "iterator", "kind": "iterator"}
            if hasattr(type(value), "__anext__"):
                return {"$": "mock", "id": self._number(value), "text": "iterator", "kind": "async iterator"}
            raise CodecError(
                f"{safe_repr(value, 200)} of type {type_name(value)} cannot be sent: {TRAVELS}; Mocks and iterators "
                "go by reference"
            )

        def form(data: dict[str, Any]) -> object:
            if data.get("$") == "mock":
                return self._objects[data["id"]]
            if data.get("$") == "opaque":
                return Opaque(str(data["type"]), str(data["repr"]), int(data["ref"]), owner)
            raise CodecError("data of an unknown kind")

        return Codec(other, form)


def _hold(connections: Connections, stub: Stub, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    held = stub.__dict__["_scf_held"]
    try:
        call = held.pop(0)
    except IndexError:
        return
    call.args, call.kwargs = args, kwargs
    with connections.holding(call._target):
        call._there.set()
        connections.wait(call._released)


def _blame(found: Any, error: BaseException) -> Blame | None:
    if not isinstance(found, mock.NonCallableMock):
        return None
    what = f"{type_name(error)}: {error}".removesuffix(": ")
    name = found._extract_mock_name()
    if isinstance(error, (StopIteration, StopAsyncIteration)) and not error.args:
        return Blame(what, f"the side_effect of the stand-in {name} has no value left for this call")
    place = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] not in ("pytest_scf", "asyncio") and module != "unittest.mock":
            place = f"{os.path.basename(frame.f_code.co_filename)}:{line}"
    if not place and isinstance(error, TypeError) and callable(found.side_effect):
        place = "its call, whose arguments it does not take"
    clause = f"it was raised in the test by the side_effect of the stand-in {name}, at {place}"
    return Blame(what, clause) if place else None


def _awaited(result: Any) -> Any:
    """What a coroutine function of the test's returns."""
    if inspect.isawaitable(result) and not isinstance(result, mock.NonCallableMock):
        return asyncio.run(_await(result))
    return result


def _next_of_async(found: AsyncIterator[Any]) -> Any:
    """Without an event loop, whose end would end a generator, too."""
    step = found.__anext__().__await__()
    try:
        next(step)
    except StopIteration as end:
        return end.value
    raise TypeError("an asynchronous iterator that a stand-in gives cannot wait for something itself")


async def _await(result: Any) -> Any:
    return await result


def _with_signature(described: list[list[Any]]) -> Callable[..., None] | None:
    """A function that has the signature which an instance described: names and kinds of parameters, no more."""

    def spec() -> None:
        """The original is in the instance."""

    try:
        parameters = [
            inspect.Parameter(str(name), inspect._ParameterKind(int(kind)), default=None if default else inspect._empty)
            for name, kind, default in described
        ]
        spec.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    assert isinstance(spec, types.FunctionType)
    return spec


def check_target(target: object) -> None:
    """Raises UsageError."""
    if not isinstance(target, str):
        raise UsageError(f"a stand-in's target is a dotted name such as 'index.cos.put_object', not {target!r}")
    parts = target.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise UsageError(
            "a stand-in's target is a dotted name such as 'index.cos.put_object', a module and what is in it; "
            f"got {target!r}"
        )
