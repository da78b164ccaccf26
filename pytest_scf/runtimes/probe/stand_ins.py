"""Stand-ins as the user's code meets them: each use is a question to the ``unittest.mock.Mock`` in the test."""

import functools
import importlib
import inspect
import sys
import threading
import types

from . import link, specs, targets
from .codec import Codec, CodecError, Opaque, refuse, safe_repr, type_name

MYPY = False
if MYPY:  # for the type comments only
    import socket  # noqa: F401
    from typing import Any

    Use = tuple[int, str, str, tuple[Any, ...], dict[str, Any]]

# Kept here because the user's code, or a stand-in, may replace them.
_get_ident = threading.get_ident
_import_module = importlib.import_module
_main_thread = threading.main_thread


def find_exception(module, name):
    # type: (str, str) -> type[BaseException] | None
    """The class of an exception that the test asks for; None where it cannot be had here."""
    try:
        found = _import_module(module)  # type: Any
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _in_main_thread():
    # type: () -> bool
    return _get_ident() == _main_thread().ident


class Questions(object):
    """Asks the test what a stand-in does. What cannot travel is shown to it, and kept until it has answered."""

    def __init__(self, the_link):
        # type: (link.Link) -> None
        self._link = the_link
        #: those that the function has met, by number: the same Mock is the same object
        self._known = {}  # type: dict[int, StandIn]

    def stand_in(self, kind, number, text, spec):
        # type: (type[StandIn], int, str, Any) -> StandIn
        """The one of this number, made if there is none of this kind yet."""
        found = self._known.get(number)
        if found is None or (type(found) is not kind and kind is not StandIn):
            found = self._known[number] = kind(self, number, text, spec)
        elif found.__dict__["_scf_spec"] is None:
            found.__dict__["_scf_spec"] = spec
        return found

    def ask(self, use):
        # type: (Use) -> Any
        kept = []  # type: list[object]
        codec = self._codec(kept)
        payload = _encoded(codec, use)
        main = _in_main_thread()
        self._link.used += main
        try:
            kind, answer = self._link.ask(link.CALL, payload)
        finally:
            self._link.used -= main
        return _result(codec, kind, answer)

    async def ask_async(self, use):
        # type: (Use) -> Any
        """The same in an event loop of asyncio's, which goes on meanwhile."""
        # Not imported here: it is most of what the probe would take to start, and without it there is no loop.
        asyncio = sys.modules.get("asyncio")  # type: Any
        loop = None if asyncio is None else asyncio._get_running_loop()
        if loop is None:
            return self.ask(use)
        kept = []  # type: list[object]
        codec = self._codec(kept)
        payload = _encoded(codec, use)
        main = _in_main_thread()
        connection = self._link.connect()
        self._link.used += main
        try:
            connection.setblocking(False)
            await loop.sock_sendall(connection, link.HEADER.pack(len(payload), link.CALL) + payload)
            head = await _exactly(loop, connection, link.HEADER.size)
            length, kind = link.HEADER.unpack(head)
            answer = await _exactly(loop, connection, length)
            link.check(kind, answer)
            connection.setblocking(True)
        except BaseException:
            connection.close()
            raise
        finally:
            self._link.used -= main
        self._link.release(connection)
        return _result(codec, kind, answer)

    def _codec(self, kept):
        # type: (list[object]) -> Codec
        def other(value):
            # type: (Any) -> object
            if isinstance(value, StandIn):
                return {"$": "mock", "id": value.__dict__["_scf_id"]}
            if isinstance(value, Opaque):
                return refuse(value)
            kept.append(value)
            return {"$": "opaque", "type": type_name(value), "repr": safe_repr(value), "ref": len(kept) - 1}

        def form(data):
            # type: (dict[str, Any]) -> object
            if data.get("$") == "mock":
                kind = _KINDS[data["kind"]]
                if kind not in (StandIn, AsyncStandIn):
                    return kind(self, data["id"], data["text"])
                found = self.stand_in(kind, data["id"], data["text"], None)
                found.__dict__["_scf_own"] = data["own"]
                return found
            if data.get("$") == "opaque":
                return kept[data["ref"]]
            raise CodecError("data of an unknown kind")

        return Codec(other, form, find_exception)


def _encoded(codec, use):
    # type: (Codec, Use) -> bytes
    reference, operation, name, args, kwargs = use
    try:
        return codec.encode([reference, operation, name, args, kwargs])
    except CodecError as error:
        raise TypeError("a stand-in cannot be called with this: %s" % error) from None


async def _exactly(loop, connection, count):
    # type: (Any, socket.socket, int) -> bytes
    data = b""
    while len(data) < count:
        more = await loop.sock_recv(connection, min(count - len(data), 1 << 18))
        if not more:
            raise link.LinkError("the test has gone away")
        data += more
    return data


def _result(codec, kind, payload):
    # type: (Codec, int, bytes) -> Any
    value = codec.decode(payload)
    if kind == link.RAISE:
        raise value
    return value


class StandIn(object):
    """An object of the function's that a Mock in the test decides about."""

    def __init__(self, questions, reference, text, spec=None):
        # type: (Questions, int, str, Any) -> None
        self.__dict__.update(_scf_questions=questions, _scf_id=reference, _scf_text=text, _scf_spec=spec)

    @property  # type: ignore[misc]
    def __class__(self):
        # type: () -> type
        return specs.class_of(self.__dict__["_scf_spec"]) or type(self)

    def __repr__(self):
        # type: () -> str
        return "<stand-in %s>" % self.__dict__["_scf_text"]

    def __call__(self, *args, **kwargs):
        # type: (Any, Any) -> Any
        specs.check_signature(self.__dict__["_scf_spec"], args, kwargs)
        spec = self.__dict__["_scf_spec"]
        found = self.__dict__["_scf_questions"].ask((self.__dict__["_scf_id"], "call", "", args, kwargs))
        if isinstance(found, StandIn) and isinstance(spec, type) and found.__dict__.get("_scf_own"):
            return self.__dict__["_scf_questions"].stand_in(
                StandIn, found.__dict__["_scf_id"], found.__dict__["_scf_text"], specs.InstanceOf(spec)
            )
        return found

    def __getattr__(self, name):
        # type: (str) -> Any
        text, spec = self.__dict__["_scf_text"], self.__dict__["_scf_spec"]
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError("the stand-in %s has no attribute %r" % (text, name))
        if spec is not None and not specs.has(spec, name):
            raise AttributeError("%s, which a stand-in takes the place of, has no attribute %r" % (text, name))
        found = self.__dict__["_scf_questions"].ask((self.__dict__["_scf_id"], "get", name, (), {}))
        if isinstance(found, (StandIn, AsyncStandIn)) and spec is not None:
            known = specs.attribute(spec, name)
            kind = AsyncStandIn if specs.is_async(known) else StandIn
            return self.__dict__["_scf_questions"].stand_in(
                kind, found.__dict__["_scf_id"], found.__dict__["_scf_text"], known
            )
        return found


class AsyncStandIn(StandIn):
    """One whose call is to be awaited."""

    async def __call__(self, *args, **kwargs):
        # type: (Any, Any) -> Any
        specs.check_signature(self.__dict__["_scf_spec"], args, kwargs)
        return await self.__dict__["_scf_questions"].ask_async((self.__dict__["_scf_id"], "await", "", args, kwargs))


class IteratorStandIn(StandIn):
    """An iterator or a generator of the test's."""

    def __next__(self):
        # type: () -> Any
        return self.__dict__["_scf_questions"].ask((self.__dict__["_scf_id"], "next", "", (), {}))

    def __iter__(self):
        # type: () -> IteratorStandIn
        return self

    def __len__(self):
        # type: () -> int
        raise TypeError("an iterator has no len()")

    def __bool__(self):
        # type: () -> bool
        return True


class AsyncIteratorStandIn(StandIn):
    """An asynchronous iterator or generator of the test's."""

    async def __anext__(self):
        # type: () -> Any
        return await self.__dict__["_scf_questions"].ask_async((self.__dict__["_scf_id"], "next", "", (), {}))

    def __aiter__(self):
        # type: () -> AsyncIteratorStandIn
        return self


_KINDS = {
    "object": StandIn,
    "async": AsyncStandIn,
    "iterator": IteratorStandIn,
    "async iterator": AsyncIteratorStandIn,
}
#: what Python looks up in the class
SPECIAL = ("enter", "exit", "iter", "len", "contains", "bool", "int", "float", "getitem", "setitem", "delitem")
SPECIAL_ASYNC = ("aenter", "aexit", "anext")


def _special(name):
    # type: (str) -> Any
    def method(self, *args):
        # type: (StandIn, Any) -> Any
        return self.__dict__["_scf_questions"].ask((self.__dict__["_scf_id"], "special", name, args, {}))

    method.__name__ = name
    return method


def _special_async(name):
    # type: (str) -> Any
    async def method(self, *args):
        # type: (StandIn, Any) -> Any
        return await self.__dict__["_scf_questions"].ask_async((self.__dict__["_scf_id"], "special", name, args, {}))

    method.__name__ = name
    return method


for _name in SPECIAL:
    setattr(StandIn, "__%s__" % _name, _special("__%s__" % _name))
for _name in SPECIAL_ASYNC:
    setattr(StandIn, "__%s__" % _name, _special_async("__%s__" % _name))
StandIn.__aiter__ = lambda self: self.__dict__["_scf_questions"].ask((self._scf_id, "special", "__aiter__", (), {}))  # type: ignore[attr-defined]


def install(questions, target, number, autospec):
    # type: (Questions, tuple[Any, str, Any], int, bool) -> dict[str, object]
    """Put a stand-in in the place of a target; what there is to say of the original. Raises TargetError."""
    parent, name, original = target
    text = "%s.%s" % (getattr(parent, "__name__", None) or type_name(parent), name)
    if isinstance(original, specs.VALUES):
        raise targets.TargetError(
            "%s is a value (%s): a stand-in takes the place of a function, a class or an object with methods. Set a "
            "value with setup=, or with environment=" % (text, safe_repr(original, 100))
        )
    if inspect.isasyncgenfunction(original):
        raise targets.TargetError(
            "%s is an asynchronous generator, which a stand-in cannot be: use one for what it calls" % text
        )
    is_method = isinstance(parent, type)
    raw = inspect.getattr_static(parent, name, None) if is_method else None
    bound = is_method and not isinstance(raw, (staticmethod, classmethod))
    spec = original if autospec else None
    kind = "object"
    replacement = questions.stand_in(StandIn, number, text, spec)  # type: Any
    if isinstance(original, specs.ROUTINES):
        kind = "function"
        replacement = _function(questions, number, original, spec)
        if is_method and not (bound and autospec):
            replacement = staticmethod(replacement)
    try:
        setattr(parent, name, replacement)
    except (TypeError, AttributeError) as error:
        raise targets.TargetError(
            "%s cannot be replaced (%s): use a stand-in for a function of yours that uses it" % (text, error)
        ) from None
    if isinstance(parent, types.ModuleType):
        _replace_main(parent, name, replacement)
    return {"id": number, "kind": kind, "signature": specs.described(specs.signature_of(spec))}


def _replace_main(module, name, replacement):
    # type: (types.ModuleType, str, Any) -> None
    """A program that is run as __main__ may be imported once more under its name."""
    main = sys.modules.get("__main__")
    if main is not None and main is not module and getattr(main, "__file__", None) == getattr(module, "__file__", 0):
        setattr(main, name, replacement)


def _function(questions, number, original, spec):
    # type: (Questions, int, Any, Any) -> Any
    """A function, so that it is bound as a method where the original is."""
    if specs.is_async(original):

        async def stand_in(*args, **kwargs):
            # type: (Any, Any) -> Any
            specs.check_signature(spec, args, kwargs)
            return await questions.ask_async((number, "await", "", args, kwargs))

    else:

        def stand_in(*args, **kwargs):  # type: ignore[misc]
            # type: (Any, Any) -> Any
            specs.check_signature(spec, args, kwargs)
            return questions.ask((number, "call", "", args, kwargs))

    try:
        functools.update_wrapper(stand_in, original)
    except Exception:
        pass
    return stand_in
