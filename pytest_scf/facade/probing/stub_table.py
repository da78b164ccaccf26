"""The stand-ins of a function as its instances use them: each use is answered by what the test has put there."""

from __future__ import annotations

import inspect
import io
import os
import sys
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

from pytest_scf.errors import UsageError
from pytest_scf.facade.probing.connections import Gone
from pytest_scf.facade.probing.stub_uses import ORIGINAL, Original, goes_by_reference, use
from pytest_scf.facade.probing.stubs import AsyncStub, Block, Stub, calling, check_target
from pytest_scf.runtimes.probe import link
from pytest_scf.runtimes.probe.codec import TRAVELS, Codec, CodecError, safe_repr, type_name
from pytest_scf.runtimes.probe.exceptions import bases_of
from pytest_scf.runtimes.probe.opaque import Opaque
from pytest_scf.runtimes.probe.specs import ROUTINES

if TYPE_CHECKING:
    from pytest_scf.facade.probing.connections import Connections


class Blame(NamedTuple):
    """What a side effect raised, as Python words it, and a clause that says where."""

    error: str
    clause: str


def _place() -> str:
    """Where the test calls ``stub``: "test_it.py:31"."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None and str(frame.f_globals.get("__name__")).startswith("pytest_scf."):
        frame = frame.f_back
    return "stub()" if frame is None else f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


class _Call:
    """A use of a stand-in that is being answered: what came with it, which is in the instance, can be used."""

    codec: Codec

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._thread = threading.get_ident()
        #: by number
        self._opaques: dict[int, Opaque] = {}
        self._raised: list[tuple[BaseException, int]] = []
        #: files in memory, and what was in them at first
        self._files: list[tuple[Any, int, object]] = []
        self.over = False

    def opaque(self, data: dict[str, Any]) -> Opaque:
        """Raises ValueError, KeyError or TypeError where the data makes no sense."""
        number = int(data["ref"])
        found = self._opaques.get(number)
        if found is None:
            found = self._opaques[number] = Opaque(str(data["type"]), str(data["repr"]), number, self)
            for name, each in data.get("attributes", ()):
                found.attributes[str(name)] = self.codec.unpack(each)
        return found

    def file(self, found: io.BytesIO | io.StringIO, number: int) -> None:
        self._files.append((found, number, _state(found)))

    def end(self) -> None:
        """Before the answer: what was done with copies of files in memory is done to the originals."""
        for found, number, state in self._files:
            if not found.closed and _state(found) != state:
                self.use(number, "fill", "", (found.getvalue(), found.tell()), {})
        self.over = True

    def is_under_way(self) -> bool:
        return not self.over and threading.get_ident() == self._thread

    def use(self, number: int, operation: str, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Have something done with an object of the instance's; what comes of it."""
        kind, answer = self._connections.ask(link.USE, self.codec.encode([number, operation, name, args, kwargs]))
        value = self.codec.decode(answer)
        if kind == link.RAISE:
            error_number, error = value
            self._raised.append((error, error_number))
            raise error
        return value

    def original(self, error: BaseException) -> Opaque | None:
        """What an error is in the instance, where it was raised by what was done there."""
        return next((Opaque("", "", number, self) for each, number in self._raised if each is error), None)


def _open_block(stub: Stub, remove: Callable[[Stub], object]) -> None:
    wraps = stub._mock_wraps
    entering, leaving = Block(name="__enter__", wraps=wraps), Block(name="__exit__", wraps=wraps, return_value=False)
    entering.does(lambda: stub)
    leaving.does(lambda: remove(stub))
    stub.__enter__, stub.__exit__ = entering, leaving


def _state(file: io.BytesIO | io.StringIO) -> object:
    return file.getvalue(), file.tell()


class StubTable:
    """The stand-ins of one function by number, and the objects of the test's that its code has got from them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stubs: dict[int, Stub] = {}
        self._config: list[dict[str, Any]] = []
        #: Mocks, iterators and other objects that were handed in, by number; they are kept as long as the function
        self._objects: dict[int, Any] = {}
        self._numbers: dict[object, int] = {}

    def config(self) -> list[dict[str, Any]]:
        return list(self._config)

    def add(
        self,
        target: str,
        remove: Callable[[Stub], object],
        *,
        autospec: bool = True,
        wraps: bool = False,
        new: object = mock.DEFAULT,
    ) -> Stub:
        """``new`` is put there instead of what this gives, which is not used then.

        ``remove`` is called with it at the end of a block that the test opens with it.
        """
        check_target(target)
        for what, value in (("autospec", autospec), ("wraps", wraps)):
            if not isinstance(value, bool):
                raise UsageError(f"{what} must be True or False, not {value!r}")
        text = None if new is mock.DEFAULT else self._new(target, new)
        with self._lock:
            for each in self._config:
                one, other = each["target"], target
                if one == other:
                    raise UsageError(f"there is a stand-in for {target!r} already: use what stub() gave then")
                if other.startswith(one + "."):
                    raise UsageError(
                        f"there is a stand-in for {one!r} already: use its attribute {other[len(one) + 1 :]}"
                    )
            stub = Stub(name=target, wraps=Original() if wraps else None)
            _open_block(stub, remove)
            number = self._number(stub)
            self._stubs[number] = stub
            self._config.append(
                {
                    "id": number,
                    "target": target,
                    "autospec": autospec,
                    "wraps": wraps,
                    "new": text,
                    "place": _place(),
                }
            )
        return stub

    def remove(self, stub: Stub) -> None:
        """Instances that start from now on do not have it any more."""
        with self._lock:
            self._config = [each for each in self._config if self._stubs[each["id"]] is not stub]

    def _new(self, target: str, new: object) -> str:
        try:
            return self._codec(None).encode(new).decode("ascii")
        except CodecError as error:
            raise UsageError(f"{target} cannot be replaced by this: {error}") from None

    def let_go(self) -> None:
        for found in list(self._objects.values()):
            if isinstance(found, (Stub, AsyncStub)):
                for call in list(found.__dict__["_scf_held"]):
                    call.release()

    def _number(self, found: Any) -> int:
        with self._lock:
            owner = getattr(found, "__self__", None) if isinstance(found, ROUTINES) else None
            # A method is another object each time that it is looked up.
            identity = id(found) if owner is None else (id(owner), found.__name__)
            number = self._numbers.get(identity)
            if number is None:
                number = len(self._objects) + 1
                self._numbers[identity] = number
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
        if stub is None or signature is None or "_scf_spec" in stub.__dict__:
            return
        if facts.get("kind") != "function":
            _compare_by(stub, signature)
            return
        stub.__dict__["_scf_spec"] = spec = _with_signature(signature)
        if spec is not None:
            stub.mock_add_spec(spec)

    # -- a use of a stand-in, in a thread of ours ----------------------------------------------------------------

    def call(self, connections: Connections, payload: bytes) -> tuple[int, bytes, Blame | None]:
        """The answer's kind and payload; and what is to blame where it raises what the test did not mean to give."""
        call = _Call(connections)
        codec = call.codec = self._codec(call)
        reference, operation, name, args, kwargs, signature = codec.decode(payload)
        found = self._objects[reference]
        if not isinstance(kwargs, dict) or not isinstance(args, tuple):
            raise CodecError("a call without arguments")
        if signature is not None and isinstance(found, mock.NonCallableMock):
            _compare_by(found, signature)
        try:
            calling.connections = connections
            try:
                result = use(found, operation, name, args, kwargs)
            finally:
                calling.connections = None
                call.end()
            if result is ORIGINAL:
                return link.ORIGINAL, b"", None
            return link.ANSWER, self._encoded(codec, result, found), None
        except (Gone, CodecError):
            raise
        except BaseException as error:
            original = call.original(error)
            if original is not None:
                return link.RAISE, codec.encode(original), None
            return link.RAISE, codec.encode(error), _blame(found, error)

    def _encoded(self, codec: Codec, result: Any, found: Any) -> bytes:
        try:
            return codec.encode(result)
        except CodecError as error:
            what = found._extract_mock_name() if isinstance(found, mock.NonCallableMock) else safe_repr(found, 200)
            raise TypeError(f"the stand-in {what} cannot give this to the function: {error}") from None

    def _codec(self, owner: _Call | None) -> Codec:
        def other(value: Any) -> object:
            if isinstance(value, mock.NonCallableMock):
                kind: str | None = "async" if isinstance(value, mock.AsyncMock) else "object"
                text, own = value._extract_mock_name(), isinstance(value, (Stub, AsyncStub))
                return {"$": "mock", "id": self._number(value), "text": text, "kind": kind, "own": own}
            if isinstance(value, Opaque):
                if value._owner is not owner:
                    raise CodecError(f"{value!r} can be given back within the call that it came with, and only there")
                return {"$": "opaque", "ref": value._reference}
            if value is NotImplemented:
                return {"$": "NotImplemented"}
            if isinstance(value, type) and issubclass(value, BaseException):
                names = {"module": value.__module__, "name": value.__qualname__, "bases": bases_of(value)}
                return {"$": "exception class", **names}
            if isinstance(value, types.ModuleType):
                return {"$": "module", "name": value.__name__}
            kind = _kind_of(value)
            if kind is None:
                raise CodecError(
                    f"{safe_repr(value, 200)} of type {type_name(value)} cannot be sent: {TRAVELS}; Mocks, iterators, "
                    "functions and objects of classes go by reference"
                )
            what = type(value).__module__, type(value).__qualname__
            itself = (value.__module__, value.__qualname__) if isinstance(value, type) else None
            facts = {"text": safe_repr(value, 200), "kind": kind, "own": False, "class": what, "itself": itself}
            return {"$": "mock", "id": self._number(value), **facts}

        def form(data: dict[str, Any]) -> object:
            if data.get("$") == "mock":
                return self._objects[data["id"]]
            if data.get("$") == "opaque" and owner is not None:
                return owner.opaque(data)
            raise CodecError("data of an unknown kind")

        codec = Codec(other, form)
        if owner is not None:
            codec.numbered = owner.file
        return codec


def _kind_of(value: Any) -> str | None:
    """How the function is to use an object of the test's; None for one that it cannot be given."""
    if isinstance(value, Iterator):
        return "iterator"
    if hasattr(type(value), "__anext__"):
        return "async iterator"
    if not goes_by_reference(value):
        return None
    return "async" if inspect.iscoroutinefunction(value) else "reference"


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
        if module.partition(".")[0] not in ("pytest_scf", "asyncio", "_pytest") and module != "unittest.mock":
            place = f"{os.path.basename(frame.f_code.co_filename)}:{line}"
    if not place and isinstance(error, TypeError) and callable(found.side_effect):
        place = "its call, whose arguments it does not take"
    clause = f"it was raised in the test by the side_effect of the stand-in {name}, at {place}"
    return Blame(what, clause) if place else None


def _compare_by(found: mock.NonCallableMock, signature: list[list[Any]]) -> None:
    """Compare calls by the signature of the original, whether their arguments are given by position or by name."""
    spec = _with_signature(signature)
    if spec is not None and found.__dict__.get("_spec_signature") is None:
        found.__dict__["_spec_signature"] = inspect.signature(spec)


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
