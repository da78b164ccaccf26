"""How an error of the user's code is reported to the platform. The standard library only, Python 3.6 and later."""

import json
import os
import traceback

MYPY = False
if MYPY:  # for the type comments only
    from typing import Callable  # noqa: F401

# Kept here because the user's code, or a stand-in, may replace it.
_dumps = json.dumps

# The descriptors of BaseException: the user's class may define attributes of these names.
_name_of = vars(type)["__name__"].__get__
_traceback_of = vars(BaseException)["__traceback__"].__get__
_OUR_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")


def user_traceback(error):
    # type: (BaseException) -> str
    """The traceback as the user should see it: from the first frame that is the user's, without what lies between."""
    tb = _traceback_of(error)
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith((_OUR_DIRECTORY, "<frozen importlib")):
        tb = tb.tb_next
    found = traceback.TracebackException(type(error), error, tb)
    each = found  # type: traceback.TracebackException | None
    while each is not None:  # a stand-in or a stop is in between where the user's code called it
        each.stack[:] = _users(each.stack)
        each = each.__cause__ or each.__context__
    return "".join(found.format())


def _users(frames):
    # type: (list[traceback.FrameSummary]) -> list[traceback.FrameSummary]
    """Without ours. The frame that is stopped is listed twice before them, as the interpreter has it."""
    kept = []  # type: list[traceback.FrameSummary]
    for frame in frames:
        if not frame.filename.startswith(_OUR_DIRECTORY):
            kept.append(frame)
        elif len(kept) > 1 and kept[-1] == kept[-2]:
            del kept[-1]
    return kept


def compiler_message(error):
    # type: (BaseException) -> str
    """The line at which a handler's file cannot be compiled; "" where it is something else that is missing."""
    cause = error.__cause__
    return "" if cause is None else "".join(traceback.format_exception_only(type(cause), cause))


def is_a(error, kind):
    # type: (BaseException, type) -> bool
    """As ``isinstance``, but without reading the object's ``__class__``, where the user's code may raise an error."""
    return kind in type.mro(type(error))


def describe_failure(error, describe_stack=user_traceback, **more):
    # type: (BaseException, Callable[[BaseException], str], str) -> bytes
    """JSON {type, message, stack} and ``more``, whatever of the error's class is broken."""
    described = {
        "type": _tried("type", lambda: _type_name(type(error))),
        "message": _tried("str()", lambda: str.__str__(str(error))),
        "stack": _tried("traceback", lambda: describe_stack(error)),
    }
    described.update(more)
    return _dumps(described).encode("utf-8", "backslashreplace")


def _tried(what, make):
    # type: (str, Callable[[], str]) -> str
    # Not what a signal handler may raise in here to end the process.
    try:
        return make()
    except Exception as second:
        return "<the %s of it raised %s>" % (what, _name_of(type(second)))


def _type_name(kind):
    # type: (type) -> str
    name = str(_name_of(kind))
    try:
        module = kind.__module__
    except Exception:
        return name
    if module in ("builtins", "__main__") or type(module) is not str:
        return name
    return "%s.%s" % (module, name)
