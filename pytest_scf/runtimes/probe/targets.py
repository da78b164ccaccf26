"""Finds what a stand-in is to take the place of, by its dotted name."""

import builtins
import difflib
import importlib
import importlib.util
import os
import pkgutil
import sys
import types

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

_LISTED = 5


class TargetError(Exception):
    """A target that does not exist, or cannot be replaced."""


def is_users(root, code_root):
    # type: (str, str) -> bool
    """Whether a top-level module is the user's own code. Raises TargetError where there is none of that name."""
    if root in sys.modules:
        file = getattr(sys.modules[root], "__file__", None)
        return bool(file) and os.path.abspath(str(file)).startswith(os.path.join(code_root, ""))
    for name in (root, root + ".py"):
        if os.path.exists(os.path.join(code_root, name)):
            return True
    try:
        spec = importlib.util.find_spec(root)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        raise TargetError("there is no module %r%s" % (root, _near(root, _modules(code_root), _own_modules(code_root))))
    return False


def resolve(target, may_import):
    # type: (str, bool) -> tuple[Any, str, Any] | None
    """What holds the target, its name there, and the target itself.

    None where a module on the way is not loaded yet and may not be imported. Raises TargetError.
    """
    parts = target.split(".")
    module = parts[0]
    if module not in sys.modules:
        if not may_import:
            return None
        _import(module, target)
    found = parent = sys.modules[module]  # type: Any
    for at, part in enumerate(parts[1:], 1):
        parent = found
        try:
            found = getattr(parent, part)
        except AttributeError:
            name = ".".join(parts[: at + 1])
            found = _submodule(name, parent, may_import)
            if found is None and isinstance(parent, types.ModuleType) and at == len(parts) - 1:
                found = getattr(builtins, part, None)  # which the module uses: it is to have one of its own
            if found is None:
                raise TargetError(
                    "there is no %r: %s has no attribute %r%s"
                    % (target, ".".join(parts[:at]), part, _near(part, _names(parent), _names(parent)))
                ) from None
        except Exception as error:
            raise TargetError("%r cannot be looked up: %s: %s" % (target, type(error).__name__, error)) from None
    return parent, parts[-1], found


def _submodule(name, parent, may_import):
    # type: (str, object, bool) -> Any
    if name in sys.modules:
        return sys.modules[name]
    if not may_import or not hasattr(parent, "__path__"):
        return None
    try:
        if importlib.util.find_spec(name) is None:
            return None
    except (ImportError, ValueError, AttributeError):
        return None
    _import(name, name)
    return sys.modules.get(name)


def _import(name, target):
    # type: (str, str) -> None
    try:
        importlib.import_module(name)
    except Exception as error:
        raise TargetError(
            "the module %r of %r cannot be imported: %s: %s" % (name, target, type(error).__name__, error)
        ) from None


def _names(parent):
    # type: (object) -> list[str]
    try:
        return [name for name in dir(parent) if not (name.startswith("__") and name.endswith("__"))]
    except Exception:
        return []


def _modules(code_root):
    # type: (str) -> list[str]
    """All that can be imported."""
    names = set(sys.modules) | {found.name for found in pkgutil.iter_modules()} | set(_own_modules(code_root))
    return sorted(name for name in names if "." not in name)


def _own_modules(code_root):
    # type: (str) -> list[str]
    return sorted(found.name for found in pkgutil.iter_modules([code_root]))


def _near(name, known, listed):
    # type: (str, list[str], list[str]) -> str
    """The nearest of what is known; where none is near, some of what is to be listed."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "; did you mean %s?" % " or ".join(map(repr, near))
    listed = [each for each in listed if not each.startswith("_")][:_LISTED]
    return "; there is %s" % ", ".join(map(repr, listed)) if listed else ""
