"""What to do about a failure: the mistakes that are made most often, recognised by what the failure left behind.

Each rule is a function of a ``Failure`` that gives a clause for the diagnosis, or None where it is not about it. A rule
may miss its mistake, and must never fail.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import tokenize
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pytest_scf.facade import builtin_modules


@dataclass(frozen=True)
class Failure:
    """What is known of an invocation that failed.

    ``message`` says what ended it and ``stack`` the traceback, with the paths of this machine; ``module`` the file of
    the handler, where there is one, and ``module_name`` what the user calls it; ``log`` gives what the user's processes
    wrote.
    """

    status_code: int
    message: str
    stack: str
    handler: str
    runtime: str
    module: Path | None
    module_name: str
    environment: Mapping[str, str]
    timeout: int
    is_server: bool
    given_as_text: bool
    log: Callable[[], str]


Rule = Callable[[Failure], "str | None"]


def hints(failure: Failure) -> list[str]:
    return [hint for rule in _RULES if (hint := rule(failure))]


def _handler_is_missing(failure: Failure) -> str | None:
    if failure.module is None or not failure.module.is_file():
        return None
    if not re.match(r"the handler could not be loaded: .* has no (?:attribute|function) '", failure.message):
        return None
    wanted = failure.handler.rpartition(".")[2]
    there = list(_functions(failure.module))
    if not there:
        return f"{failure.module_name} defines no function"
    best = (difflib.get_close_matches(wanted, there, n=1) or there[:1])[0]
    named = f"{failure.handler.rpartition('.')[0]}.{best}"
    return f"{failure.module_name} defines {', '.join(there[:12])}: did you mean handler={named!r}?"


def _functions(file: Path) -> Iterable[str]:
    """The names of what can be called in a module, as far as its text tells."""
    try:
        if file.suffix != ".py":
            text = file.read_text(encoding="utf-8", errors="replace")
            return dict.fromkeys(re.findall(r"\bexports\.(\w+)\s*=", text))
        with tokenize.open(file) as opened:
            module = ast.parse(opened.read())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return [node.name for node in module.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def _handler_is_async(failure: Failure) -> str | None:
    if "Object of type coroutine is not JSON serializable" not in failure.message:
        return None
    name = failure.handler.rpartition(".")[2]
    return (
        f"{name} is an `async def`, and the cloud's runtime awaits nothing: make it a plain `def {name}` that returns "
        "asyncio.run(...)"
    )


def _return_value_is_no_json(failure: Failure) -> str | None:
    found = re.search(r"Object of type (\w+) is not JSON serializable", failure.message)
    if found is None or found[1] == "coroutine" or failure.stack:
        return None
    if found[1].endswith("StandIn"):
        return (
            "what the handler returned is, or holds, a Mock that a stand-in gave, as nothing else was said: "
            "stub.return_value = ... says what it gives"
        )
    return f"what the handler returned is, or holds, a {found[1]}, which JSON cannot say"


def _pdb_was_left(failure: Failure) -> str | None:
    if not failure.message.endswith("bdb.BdbQuit"):
        return None
    return (
        "pdb was left, by `quit` or as nobody types: it is opened on the terminal that pytest runs in, where there is "
        "one and without pytest-xdist (-n 0)"
    )


def _variable_is_missing(failure: Failure) -> str | None:
    found = re.search(r"KeyError: '(\w+)'$", failure.message)
    if found is None or "environ" not in failure.stack:
        return None
    name = found[1]
    near = difflib.get_close_matches(name, failure.environment, n=1)
    has = f"; it has {near[0]}" if near else ""
    own = ", where the variable is set," if name in os.environ else ""
    return (
        f"the function has no environment variable {name}{has}: give it with deploy(..., "
        f"environment={{{name!r}: ...}}), since nothing of the test's own environment{own} reaches a function"
    )


def _module_is_built_in(failure: Failure) -> str | None:
    return builtin_modules.hint(failure.runtime, failure.message)


def _event_is_text(failure: Failure) -> str | None:
    if not failure.given_as_text:
        return None
    return "the event was given as a str that holds JSON, so that the handler got a str: give the value itself"


def _no_route_for_events(failure: Failure) -> str | None:
    found = re.search(r"the server answered (404|405)\b", failure.message)
    if found is None:
        return None
    return "the cloud sends each event as POST /event-invoke: the server needs a route for that path and method"


def _debug_mode(failure: Failure) -> str | None:
    if not failure.is_server or failure.status_code not in (405, 439, 446):
        return None
    if not re.search(r"^ \* (Debug mode: on|Restarting with )", failure.log(), re.MULTILINE):
        return None
    return (
        "Flask's debug mode is on (see the log), whose reloader runs the server in a second process, which no signal "
        "of the platform reaches: start it with debug=False"
    )


def _python_2(failure: Failure) -> str | None:
    if failure.runtime.startswith("Python2"):
        return f"{failure.runtime} is not run here: it was run by Python 3, for which the code has to be written, too"
    if "Missing parentheses in call to 'print'" in failure.message:
        return "the code is written for Python 2, which is not run here"
    return None


def _only_tmp_is_writable(failure: Failure) -> str | None:
    if re.search(r"\[Errno 30\] Read-only file system|EROFS: read-only file system", failure.message) is None:
        return None
    return "only /tmp can be written to, as in the cloud"


def _time_limit(failure: Failure) -> str | None:
    if failure.status_code != 433 or failure.timeout > 3:
        return None
    return "deploy(..., timeout=SECONDS) allows more"


_RULES: tuple[Rule, ...] = (
    _handler_is_missing,
    _handler_is_async,
    _return_value_is_no_json,
    _pdb_was_left,
    _variable_is_missing,
    _module_is_built_in,
    _event_is_text,
    _no_route_for_events,
    _debug_mode,
    _python_2,
    _only_tmp_is_writable,
    _time_limit,
)
