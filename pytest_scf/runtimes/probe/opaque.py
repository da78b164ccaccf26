"""What stands for a value that cannot travel."""

from .codec import safe_repr, type_name

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

#: characters of a field, and of all fields, in a repr
_FIELD = 60
_TEXT = 200
_WHEN = "in a side_effect only, within the call that it came with"


class Opaque(object):
    """A value that cannot travel, as the other side shows it.

    ``type`` is the name of its type ("botocore.client.S3"), ``repr`` its repr, cut at 2,000 characters, ``attributes``
    has those of its fields that can be shown, which are its own attributes as well. Within the call that it came with,
    it can be given back, and becomes the original again, and be used: called, iterated over, asked for what it has.
    """

    def __init__(self, type_name, text, reference=None, owner=None):
        # type: (str, str, int | None, Any) -> None
        self.type = type_name
        self.repr = text
        self.attributes = {}  # type: dict[str, Any]
        self._reference = reference
        self._owner = owner

    def __repr__(self):
        # type: () -> str
        if " object at 0x" not in self.repr or not self.attributes:
            return "<Opaque %s: %s>" % (self.type, self.repr)
        fields = [(name, each) for name, each in self.attributes.items() if not name.startswith("_")]
        text = ", ".join("%s=%s" % (name, _short(each)) for name, each in fields)
        return "<Opaque %s: %s>" % (self.type, text if len(text) <= _TEXT else text[: _TEXT - 3] + "...")

    def __getattr__(self, name):
        # type: (str) -> Any
        attributes = self.__dict__.get("attributes", {})
        if name in attributes:
            return attributes[name]
        if name.startswith("_"):
            raise AttributeError(name)
        return self._used("get", name)

    def __eq__(self, other):
        # type: (object) -> bool
        """Also to one of the same class of the test's, where that compares by what it has."""
        if self is other or isinstance(other, Opaque) or type(other).__eq__ is object.__eq__:
            return self is other
        return self.type == type_name(other) and self.attributes == getattr(other, "__dict__", None)

    __hash__ = object.__hash__

    def __bool__(self):
        # type: () -> bool
        return True

    def __call__(self, *args, **kwargs):
        # type: (Any, Any) -> Any
        return self._used("call", "", args, kwargs)

    def __iter__(self):
        # type: () -> Any
        return _each(self._used("special", "__iter__"))

    def __len__(self):
        # type: () -> int
        return int(self._used("special", "__len__"))

    def __contains__(self, item):
        # type: (object) -> bool
        return bool(self._used("special", "__contains__", (item,)))

    def __getitem__(self, key):
        # type: (object) -> Any
        return self._used("special", "__getitem__", (key,))

    def _used(self, operation, name="", args=(), kwargs=None):
        # type: (str, str, tuple[Any, ...], dict[str, Any] | None) -> Any
        if self._owner is not None and self._owner.is_under_way():
            return self._owner.use(self._reference, operation, name, args, kwargs or {})
        if operation == "get":
            known = ", ".join(sorted(self.attributes)) or "nothing"
            raise AttributeError(
                "%s has no attribute %r that is known (it has %s); others can be had %s"
                % (self.type, name, known, _WHEN)
            )
        raise TypeError("%r can be used %s" % (self, _WHEN))


def _short(value):
    # type: (object) -> str
    return "<%s>" % value.type if isinstance(value, Opaque) else safe_repr(value, _FIELD)


def _each(iterator):
    # type: (Any) -> Any
    while True:
        try:
            item = iterator._used("next")
        except StopIteration:
            return
        yield item
