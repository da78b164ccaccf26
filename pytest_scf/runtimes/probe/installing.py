"""Puts a stand-in in the place of its target."""

import functools
import inspect
import sys
import types

from . import specs, stand_ins, targets
from .codec import safe_repr, type_name

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

    from .questions import Questions, Role  # noqa: F401


def install(questions, target, wanted):
    # type: (Questions, tuple[Any, str, Any], dict[str, Any]) -> dict[str, object]
    """Put what is ``wanted`` in the place of a target; what there is to say of the original. Raises TargetError."""
    parent, name, original = target
    number = wanted["id"]
    if wanted["new"] is not None:
        _put(parent, name, questions.decode(wanted["new"]))
        return {"id": number, "kind": "value", "signature": None}
    text = "%s.%s" % (getattr(parent, "__name__", None) or type_name(parent), name)
    if isinstance(original, specs.VALUES) and original is not None:
        raise targets.TargetError(
            "%s is a value (%s): a stand-in takes the place of a function, a class or an object with methods. "
            "stub(target, value) puts another value there" % (text, safe_repr(original, 100))
        )
    if inspect.isasyncgenfunction(original):
        raise targets.TargetError(
            "%s is an asynchronous generator, which a stand-in cannot be: use one for what it calls" % text
        )
    is_method = isinstance(parent, type)
    raw = inspect.getattr_static(parent, name, None) if is_method else None
    bound = is_method and not isinstance(raw, (staticmethod, classmethod))
    of_instances = is_method and hasattr(type(raw), "__get__") and not isinstance(original, (*specs.ROUTINES, type))
    spec = original if wanted["autospec"] and not of_instances else None  # nothing is known of what a property gives
    kind = "object"
    replacement = questions.stand_in(stand_ins.StandIn, number, text)  # type: Any
    role = replacement.__dict__["_scf"]
    role.spec = spec
    role.replaced = original if isinstance(original, type) else None
    if wanted["wraps"]:
        role.original = original
    if isinstance(original, specs.ROUTINES):
        kind = "function"
        replacement = _function(role, original)
        if is_method and not (bound and (wanted["autospec"] or wanted["wraps"])):
            replacement = staticmethod(replacement)
    _put(parent, name, replacement)
    return {"id": number, "kind": kind, "signature": specs.described(specs.signature_of(spec))}


def _put(parent, name, replacement):
    # type: (Any, str, Any) -> None
    try:
        setattr(parent, name, replacement)
    except (TypeError, AttributeError) as error:
        raise targets.TargetError(
            "%s.%s cannot be replaced (%s): use a stand-in for a function of yours that uses it, or for its class "
            "where your module has that, with wraps=True"
            % (getattr(parent, "__name__", None) or type_name(parent), name, error)
        ) from None
    if isinstance(parent, types.ModuleType):
        _replace_main(parent, name, replacement)


def _replace_main(module, name, replacement):
    # type: (types.ModuleType, str, Any) -> None
    """A program that is run as __main__ may be imported once more under its name."""
    main = sys.modules.get("__main__")
    if main is not None and main is not module and getattr(main, "__file__", None) == getattr(module, "__file__", 0):
        setattr(main, name, replacement)


def _function(role, original):
    # type: (Role, Any) -> Any
    """A function, so that it is bound as a method where the original is."""
    if specs.is_async(original):

        async def stand_in(*args, **kwargs):
            # type: (Any, Any) -> Any
            return await role.ask_async("await", "", args, kwargs)

    else:

        def stand_in(*args, **kwargs):  # type: ignore[misc]
            # type: (Any, Any) -> Any
            return role.ask("call", "", args, kwargs)

    try:
        functools.update_wrapper(stand_in, original)
    except Exception:
        pass
    return stand_in
