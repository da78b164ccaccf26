"""Stand-ins as the user's code meets them: each use is a question to the ``unittest.mock.Mock`` in the test."""

from . import specs

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

    from .questions import Role  # noqa: F401


class StandIn(object):
    """An object of the function's that a Mock in the test decides about."""

    def __init__(self, role):
        # type: (Role) -> None
        self.__dict__["_scf"] = role

    @property  # type: ignore[misc]
    def __class__(self):
        # type: () -> type
        role = self.__dict__["_scf"]
        return role.kind or specs.class_of(role.spec) or type(self)

    def __deepcopy__(self, memo):
        # type: (object) -> StandIn
        return self

    def __mro_entries__(self, bases):
        # type: (tuple[object, ...]) -> tuple[type, ...]
        """A class that is derived from the one in whose place it stands is derived from that."""
        return (_replaced(self),)

    def __instancecheck__(self, instance):
        # type: (object) -> bool
        return isinstance(instance, _replaced(self))

    def __subclasscheck__(self, kind):
        # type: (type) -> bool
        return issubclass(kind, _replaced(self))

    def __repr__(self):
        # type: () -> str
        return "<stand-in %s>" % self.__dict__["_scf"].text

    def __call__(self, *args, **kwargs):
        # type: (Any, Any) -> Any
        role = self.__dict__["_scf"]
        found = role.ask("call", "", args, kwargs)
        if isinstance(role.spec, type):
            return _specified(found, specs.InstanceOf(role.spec))
        return found

    def __getattr__(self, name):
        # type: (str) -> Any
        role = self.__dict__["_scf"]
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError("the stand-in %s has no attribute %r" % (role.text, name))
        found = self._get(role, name)
        if role.original is not None and isinstance(found, StandIn) and found.__dict__["_scf"].own:
            original = getattr(role.original, name)
            if isinstance(original, specs.VALUES):
                return original
            found.__dict__["_scf"].original = original
        return found

    @staticmethod
    def _get(role, name):
        # type: (Role, str) -> Any
        if role.spec is None:
            return role.ask("get", name)
        if not specs.has(role.spec, name):
            raise AttributeError("%s, which a stand-in takes the place of, has no attribute %r" % (role.text, name))
        found, known = role.ask("get", name), specs.attribute(role.spec, name)
        if type(found) not in (StandIn, AsyncStandIn) or isinstance(known, specs.Unknown):
            return found
        own = found.__dict__["_scf"].own
        if own and isinstance(known, type) and issubclass(known, BaseException):
            return known  # an "except" clause takes nothing else
        kind = AsyncStandIn if specs.is_async(known) or (not own and type(found) is AsyncStandIn) else StandIn
        return role.questions.specify(found, kind, known)

    def __setattr__(self, name, value):
        # type: (str, Any) -> None
        # What it sets is what it gets from now on, whatever the test can see of that.
        self.__dict__[name] = value
        if not name.startswith("_"):
            try:
                self.__dict__["_scf"].ask("set", name, (value,))
            except TypeError:
                pass  # it cannot travel


def _replaced(stand_in):
    # type: (StandIn) -> type
    role = stand_in.__dict__["_scf"]
    for each in (role.replaced, role.spec, role.original):
        if isinstance(each, type):
            return each
    raise TypeError("%r is no class" % (stand_in,))


def _specified(found, spec):
    # type: (Any, Any) -> Any
    """The same with what is known of it, where it is a stand-in of which nobody has said what else it is."""
    if type(found) is StandIn or type(found) is AsyncStandIn:
        role = found.__dict__["_scf"]
        if role.own:
            kind = type(found) if spec is None or isinstance(spec, specs.Like) else StandIn
            return role.questions.specify(found, kind, spec)
    return found


class AsyncStandIn(StandIn):
    """One whose call is to be awaited."""

    async def __call__(self, *args, **kwargs):
        # type: (Any, Any) -> Any
        return await self.__dict__["_scf"].ask_async("await", "", args, kwargs)


class ObjectStandIn(StandIn):
    """An object of the test's that is no Mock."""

    def __repr__(self):
        # type: () -> str
        return str(self.__dict__["_scf"].text)


class IteratorStandIn(ObjectStandIn):
    """An iterator or a generator of the test's."""

    def __next__(self):
        # type: () -> Any
        return self.__dict__["_scf"].ask("next")

    def __iter__(self):
        # type: () -> IteratorStandIn
        return self

    def __len__(self):
        # type: () -> int
        raise TypeError("an iterator has no len()")

    def __bool__(self):
        # type: () -> bool
        return True


class AsyncIteratorStandIn(ObjectStandIn):
    """An asynchronous iterator or generator of the test's."""

    async def __anext__(self):
        # type: () -> Any
        return await self.__dict__["_scf"].ask_async("next")

    def __aiter__(self):
        # type: () -> AsyncIteratorStandIn
        return self


KINDS = {
    "object": StandIn,
    "async": AsyncStandIn,
    "reference": ObjectStandIn,
    "iterator": IteratorStandIn,
    "async iterator": AsyncIteratorStandIn,
}
#: what Python looks up in the class
SPECIAL = (
    *("aiter", "bool", "contains", "delitem", "enter", "exit", "float", "getitem", "index", "int", "iter", "len"),
    *("setitem", "str"),
)
SPECIAL_ASYNC = ("aenter", "aexit", "anext")
_BINARY = ("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "pow", "lshift", "rshift", "and", "or", "xor")
OPERATORS = ("lt", "le", "gt", "ge", "neg", "pos", "abs", "invert", *_BINARY, *("r" + each for each in _BINARY))


def _special(name):
    # type: (str) -> Any
    def method(self, *args):
        # type: (StandIn, Any) -> Any
        role = self.__dict__["_scf"]
        found = role.ask("special", name, args)
        return _specified(found, specs.like(role.spec)) if name == "__enter__" else found

    method.__name__ = name
    return method


def _special_async(name):
    # type: (str) -> Any
    async def method(self, *args):
        # type: (StandIn, Any) -> Any
        role = self.__dict__["_scf"]
        found = await role.ask_async("special", name, args)
        return _specified(found, specs.like(role.spec)) if name == "__aenter__" else found

    method.__name__ = name
    return method


for _name in SPECIAL + OPERATORS:
    if "__%s__" % _name not in vars(StandIn):
        setattr(StandIn, "__%s__" % _name, _special("__%s__" % _name))
for _name in SPECIAL_ASYNC:
    setattr(StandIn, "__%s__" % _name, _special_async("__%s__" % _name))
