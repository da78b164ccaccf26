"""Why an attempt ended as it did, in the words and with the paths of whoever wrote the function."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.facade import registrations
from pytest_scf.facade.hints import Failure, hints
from pytest_scf.facade.session import Session
from pytest_scf.facade.tracebacks import from_fault_handler, shortened
from pytest_scf.facts import FAILED
from pytest_scf.platform.diagnosis import diagnose

if TYPE_CHECKING:
    from pytest_scf.platform.records import Attempt

_OF_JSON = re.compile(r'Traceback \(most recent call last\):\n  File "[^"]*/json/__init__\.py"')
_FULL_TMP = "its /tmp was full, a fault that the test has asked for"
_SHELLS = ("sh", "bash", "dash", "ash", "zsh")


def diagnosis(session: Session, attempt: Attempt, *, given_as_text: bool) -> str:
    """One sentence: what was so when the termination signal was sent, what ended the attempt, and why.

    ``given_as_text``: the event was a str that holds JSON.
    """
    origins = session.origins.get(attempt.function, {})
    probe: Any = attempt.config.probe
    clauses = [
        diagnose(attempt, origins),
        _unregistered(session, attempt),
        *_hints(session, attempt, given_as_text),
        *(() if probe is None else probe.explain(attempt)),
        _FULL_TMP if any(full.struck(attempt) for full in session.full_tmps) else "",
    ]
    text = "; ".join(clause.removesuffix(".") for clause in clauses if clause)
    return session.files(attempt).renamed(text)


def _hints(session: Session, attempt: Attempt, given_as_text: bool) -> list[str]:
    if attempt.status != FAILED or attempt.outcome is None:
        return []
    config = attempt.config
    files = session.files(attempt)
    file = config.handler.rpartition(".")[0].replace(".", "/") + (".py" if config.is_python else ".js")
    module = f"{config.code_root}/{file}" if config.handler else ""
    return hints(
        Failure(
            status_code=attempt.status_code,
            message=attempt.outcome.cause,
            stack=traceback(session, attempt),
            handler=config.handler,
            runtime=config.runtime,
            module=Path(files.on_disk(module)) if module else None,
            module_name=shortened(files.outside(module)),
            environment=config.environment,
            timeout=config.timeout,
            is_server=config.server is not None,
            given_as_text=given_as_text,
            log=attempt.log.user_text,
        )
    )


def _unregistered(session: Session, attempt: Attempt) -> str:
    """Where the code would have registered a signal handler, if a signal came before it had."""
    last = attempt.signals[-1] if attempt.signals else None
    # A registration that did run, and was taken back since, is no registration that had not run yet.
    if last is None or last.disposition != "default" or last.registration is not None:
        return ""
    server = attempt.config.server
    if server is not None and (shell := Path(server.command[0]).name) in _SHELLS:
        return f"it goes to the process that the command starts, here {shell}, which hands it on to none: use `exec`"
    found = registrations.find(attempt.config.code_root, session.origins.get(attempt.function, {}))
    if not found:
        return ""
    if "signal only works in main thread" in attempt.log.user_text():
        return f"{found[0]}, in a thread that is not the main one, which Python refuses (see the log)"
    return f"{' and '.join(map(str, found))}, which had not run yet"


def traceback(session: Session, attempt: Attempt) -> str:
    """The traceback of the user's code; where the time was up, or the process crashed, the stack at that moment."""
    outcome = attempt.outcome
    stack = outcome.stack if outcome is not None and attempt.final else ""
    if _OF_JSON.match(stack):
        return ""  # what the handler returned is no JSON: there is no line of the user's code to show
    files = session.files(attempt)
    return files.translate(stack or from_fault_handler(_fault(attempt), files.on_disk))


def _fault(attempt: Attempt) -> str:
    """What faulthandler wrote when the time was up, or when the process crashed."""
    if attempt.stack_dump or attempt.exit is None or attempt.exit.signal is None:
        return attempt.stack_dump
    _, found, dump = attempt.log.user_text().rpartition("Fatal Python error: ")
    return dump if found else ""
