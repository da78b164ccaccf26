"""The questions of stand-ins to the test: each use of one is a message, and so is what it gives."""

import functools
import importlib
import operator
import sys
import threading

from . import link, specs
from .codec import Codec, CodecError, refuse
from .exceptions import RemoteError
from .opaque import Opaque
from .shown import Shown

MYPY = False
if MYPY:  # for the type comments only
    import socket  # noqa: F401
    from typing import Any, Callable  # noqa: F401

    Use = tuple[int, str, str, tuple[Any, ...], dict[str, Any], list[list[object]] | None]

# Kept here because the user's code, or a stand-in, may replace them.
_get_ident = threading.get_ident
_import_module = importlib.import_module
_main_thread = threading.main_thread


#: what the language does for an object whose class has no such method
_BY_THE_LANGUAGE = {
    "__bool__": bool,
    "__contains__": operator.contains,
    "__delitem__": operator.delitem,
    "__getitem__": operator.getitem,
    "__index__": operator.index,
    "__int__": int,
    "__iter__": iter,
    "__str__": str,
}  # type: dict[str, Callable[..., Any]]
#: in the place of an answer: the original is to be used
ORIGINAL = object()


def find_exception(module, name, bases=()):
    # type: (str, str, Any) -> type[BaseException] | None
    """The class of an exception that the test asks for; None where it cannot be had here."""
    try:
        found = _import_module(module)  # type: Any
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:
        return None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _module_of(name):
    # type: (str) -> object
    try:
        return _import_module(name)
    except Exception as error:
        problem = "the test gives its module %r, which cannot be imported here: %s" % (name, error)
    raise CodecError(problem)


def _class_of(names):
    # type: (list[str] | None) -> type | None
    """The class of a module and a name, where there is one of these here."""
    if names is None:
        return None
    found = sys.modules.get(names[0])  # type: Any
    for part in names[1].split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _in_main_thread():
    # type: () -> bool
    return _get_ident() == _main_thread().ident


class Questions(object):
    """Asks the test what a stand-in does. What cannot travel is shown to it, and kept until it has answered."""

    def __init__(self, the_link, kinds):
        # type: (link.Link, dict[str, type[Any]]) -> None
        """``kinds`` has the classes of stand-ins, by what the test calls them."""
        self._link = the_link
        self._kinds = kinds
        self._base = kinds["object"]
        #: those that the function has met, by number: the same Mock is the same object
        self._known = {}  # type: dict[int, Any]
        #: classes of exceptions that there are in the test only
        self._made = {}  # type: dict[tuple[str, str], type[BaseException]]

    def find_exception(self, module, name, bases):
        # type: (str, str, Any) -> type[BaseException] | None
        """The class of an exception of the test's; where it cannot be had here one like it, always the same."""
        found = self._made.get((module, name)) or find_exception(module, name)
        if found is None:
            nearest = next((each for each in [find_exception(*base) for base in bases or ()] if each), Exception)
            kinds = (RemoteError,) if issubclass(RemoteError, nearest) else (RemoteError, nearest)
            made = {"__module__": module, "type": "%s.%s" % (module, name)}
            try:
                found = type(name.rpartition(".")[2], kinds, made)
            except TypeError:
                return None
            self._made[module, name] = found
        return found

    def stand_in(self, kind, number, text):
        # type: (type[Any], int, str) -> Any
        """The one of this number, made if there is none yet."""
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = kind(Role(self, number, text))
        return found

    def specify(self, found, kind, spec):
        # type: (Any, type[Any], Any) -> Any
        """The stand-in of this one's role that is of a kind, with what is known of the original from now on."""
        role = found.__dict__["_scf"]
        if role.spec is None:
            role.spec = spec
        if type(found) is not kind:
            found = self._known[role.number] = kind(role)
        return found

    def ask(self, use):
        # type: (Use) -> Any
        shown = Shown()
        codec = self._codec(shown)
        payload = _encoded(codec, use)
        main = _in_main_thread()
        self._link.used += main
        try:
            kind, answer = self._link.ask(link.CALL, payload, functools.partial(shown.use, codec))
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
        shown = Shown()
        codec = self._codec(shown)
        payload = _encoded(codec, use)
        main = _in_main_thread()
        connection = self._link.connect()
        self._link.used += main
        try:
            connection.setblocking(False)
            kind, answer = await _asked(loop, connection, link.CALL, payload)
            while kind == link.USE:
                kind, answer = await _asked(loop, connection, *shown.use(codec, answer))
            link.check(kind, answer)
            connection.setblocking(True)
        except BaseException:
            connection.close()
            raise
        finally:
            self._link.used -= main
        self._link.release(connection)
        return _result(codec, kind, answer)

    def decode(self, data):
        # type: (str) -> Any
        return self._codec(Shown()).decode(data.encode("ascii"))

    def _codec(self, shown):
        # type: (Shown) -> Codec
        def other(value):
            # type: (Any) -> object
            if isinstance(value, self._base):
                return {"$": "mock", "id": value.__dict__["_scf"].number}
            if isinstance(value, Opaque):
                return refuse(value)
            return shown.show(value, codec)

        def form(data):
            # type: (dict[str, Any]) -> object
            if data.get("$") == "mock":
                here = _class_of(data.get("itself"))
                if here is not None:
                    return here
                found = self.stand_in(self._kinds[data["kind"]], data["id"], data["text"])
                role = found.__dict__["_scf"]
                role.own, role.kind = data["own"], _class_of(data.get("class"))
                return found
            if data.get("$") == "opaque":
                return shown.kept[data["ref"]]
            if data.get("$") == "exception class":
                return self.find_exception(data["module"], data["name"], data["bases"])
            if data.get("$") == "module":
                return _module_of(data["name"])
            if data.get("$") == "NotImplemented":
                return NotImplemented
            raise CodecError("data of an unknown kind")

        codec = Codec(other, form, self.find_exception)
        codec.number = shown.number
        return codec


def _encoded(codec, use):
    # type: (Codec, Use) -> bytes
    try:
        return codec.encode(list(use))
    except CodecError as error:
        raise TypeError("a stand-in cannot be called with this: %s" % error) from None


async def _asked(loop, connection, kind, payload):
    # type: (Any, socket.socket, int, bytes) -> tuple[int, bytes]
    await loop.sock_sendall(connection, link.HEADER.pack(len(payload), kind) + payload)
    length, kind = link.HEADER.unpack(await _exactly(loop, connection, link.HEADER.size))
    return kind, await _exactly(loop, connection, length)


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
    if kind == link.ORIGINAL:
        return ORIGINAL
    value = codec.decode(payload)
    if kind == link.RAISE:
        raise value
    return value


class Role(object):
    """What a stand-in stands for, there and here."""

    def __init__(self, questions, number, text):
        # type: (Questions, int, str) -> None
        self.questions = questions
        #: of the object in the test
        self.number = number
        self.text = text
        #: the original, or what is known of it; None: nothing
        self.spec = None  # type: Any
        #: the class that it takes the place of
        self.replaced = None  # type: type | None
        #: what uses go on to that the test says nothing of; None: nothing
        self.original = None  # type: Any
        #: the class that the object of the test's says it is of
        self.kind = None  # type: type | None
        #: whether nothing else was said of what stands here
        self.own = False
        #: whether the test knows the signature
        self._told = False

    def use(self, operation, name="", args=(), kwargs=None):
        # type: (str, str, tuple[Any, ...], dict[str, Any] | None) -> Use
        signature = None
        if operation in ("call", "await"):
            specs.check_signature(self.spec, args, kwargs or {})
            if not self._told:
                self._told = True
                signature = specs.described(specs.signature_of(self.spec))
        return self.number, operation, name, args, kwargs or {}, signature

    def ask(self, operation, name="", args=(), kwargs=None):
        # type: (str, str, tuple[Any, ...], dict[str, Any] | None) -> Any
        found = self.questions.ask(self.use(operation, name, args, kwargs))
        return self._use_original(name, args, kwargs) if found is ORIGINAL else found

    async def ask_async(self, operation, name="", args=(), kwargs=None):
        # type: (str, str, tuple[Any, ...], dict[str, Any] | None) -> Any
        found = await self.questions.ask_async(self.use(operation, name, args, kwargs))
        return await self._use_original(name, args, kwargs) if found is ORIGINAL else found

    def _use_original(self, name, args, kwargs):
        # type: (str, tuple[Any, ...], dict[str, Any] | None) -> Any
        if not name:
            return self.original(*args, **kwargs or {})
        if name in _BY_THE_LANGUAGE:
            return _BY_THE_LANGUAGE[name](self.original, *args)
        method = getattr(self.original, name, None)
        if method is None and len(args) == 1:
            return NotImplemented  # an operator that it does not have
        return (method or getattr(self.original, name))(*args)
