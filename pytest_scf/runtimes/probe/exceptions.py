"""Exceptions that travel: their fields, and how one is made of what has come of it."""

import builtins

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

#: what exceptions of the language have beside their arguments and their __dict__
_FIELDS = (
    (OSError, ("errno", "strerror", "filename", "filename2")),
    (ImportError, ("msg", "name", "path")),
    (NameError, ("name",)),
    (AttributeError, ("name",)),
)  # type: tuple[tuple[type[BaseException], tuple[str, ...]], ...]


class RemoteError(Exception):
    """An exception of the other side whose class is not known here; ``type`` is the name of that."""

    def __init__(self, type_name, text):
        # type: (str, str) -> None
        Exception.__init__(self, "%s: %s" % (type_name, text) if text else type_name)
        self.type = type_name

    __module__ = "builtins"  # so that errors call it by its name alone


def known_exception(module, name, bases):
    # type: (str, str, Any) -> type[BaseException] | None
    """Exceptions of the language: their classes do nothing when an instance of them is made."""
    found = getattr(builtins, name, None) if module == "builtins" else None
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def fields_of(error):
    # type: (BaseException) -> list[tuple[str, Any]]
    """The descriptors of the language's own, which a class's properties of these names do not hide."""
    kinds = [(kind, names) for kind, names in _FIELDS if isinstance(error, kind)]
    return [(name, vars(kind)[name]) for kind, names in kinds for name in names if name in vars(kind)]


def make_exception(kind, args):
    # type: (type[BaseException], tuple[Any, ...]) -> BaseException | None
    """One of this class; None where none can be made. Its own ``__init__`` may ask for what did not come with it."""
    base = kind  # type: Any
    while getattr(builtins, base.__name__, None) is not base:
        base = base.__base__
    for maker in (base, kind):  # that of the class itself where it is one in C that has fields of its own
        try:
            error = maker.__new__(kind, *args)  # type: BaseException
            error.args = args
        except Exception:
            continue
        try:
            base.__init__(error, *args)  # type: ignore[misc]
        except Exception:
            pass
        return error if isinstance(error, kind) else None
    return None


def bases_of(kind):
    # type: (type) -> list[list[str]]
    """The classes of exceptions that it is derived from, nearest first."""
    found = [each for each in kind.__mro__[1:] if issubclass(each, BaseException)]
    return [[each.__module__, each.__qualname__] for each in found]
