"""One sentence that explains an attempt: what held when it was signalled, and what ended it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

from pytest_scf import facts
from pytest_scf.platform.notes import SignalNote
from pytest_scf.platform.records import Attempt
from pytest_scf.platform.status import ABORTED, FINISHED


def diagnose(attempt: Attempt, origins: Mapping[str, Path] | None = None) -> str:
    """What was so when the signal was sent (caught, ignored, blocked, default), and how the attempt ended and why.

    ``origins``: the files of the code root that were copied from others, which are called by the names of those.
    """
    parts = [_signal(attempt, attempt.signals[-1], origins or {})] if attempt.signals else []
    parts.append(_end(attempt))
    server = attempt.config.server
    notes = server.notes if server is not None and attempt.outcome is not None and attempt.outcome.failed else ()
    return "; ".join(parts) + "".join(f" ({notice})" for notice in (*attempt.notices, *notes))


def _signal(attempt: Attempt, note: SignalNote, origins: Mapping[str, Path]) -> str:
    number = "" if len(attempt.signals) == 1 else f" (number {len(attempt.signals)})"
    if note.lost:
        return f"the termination signal{number} was lost"
    if not note.delivered:
        return f"the termination signal{number} could not be delivered: {note.failure or 'the process was gone'}"
    text = f"SIGTERM{number} was {note.disposition} when it was sent"
    registered = note.registration
    at = ""
    if registered is not None and registered.disposition == note.disposition:
        file = _short(registered.file, attempt)
        at = f"{origins[file].name if file in origins else file}:{registered.line}"
    if note.disposition == "caught" and registered is not None and at:
        text += f": the signal handler was {registered.name}, registered at {at}"
    elif note.disposition == "default":
        text += ": no signal handler was registered" + (f" any more since {at}" if at else "")
        if attempt.exit is not None and attempt.exit.signal == signal.SIGTERM:
            text += ", so the process died of it"
    elif note.disposition == "ignored":
        text += ": the process has asked for the signal to be ignored, so it had no effect"
    elif note.disposition == "blocked":
        text += ": the process blocks the signal, so it waits until it is unblocked"
    elif note.disposition == "unknown":
        text = f"SIGTERM{number} was sent; what the process would do with it could not be read"
    return text


def _end(attempt: Attempt) -> str:
    invocation, outcome = attempt.invocation, attempt.outcome
    if invocation.waits and attempt is invocation.attempt:
        return f"the invocation waits {invocation.waits}"
    if outcome is None or not attempt.final:
        return "the event is still RUNNING" + (", as the code goes on after the signal" if _signalled(attempt) else "")
    if outcome.status == FINISHED:
        return outcome.cause + (" after the signal" if _signalled(attempt) else "")
    if outcome.status == ABORTED:
        return f"{outcome.cause}: the instance was killed and repossessed"
    return outcome.cause


def _signalled(attempt: Attempt) -> bool:
    return any(note.delivered for note in attempt.signals)


def _short(file: str, attempt: Attempt) -> str:
    return file.removeprefix(f"{facts.CODE_ROOT}/").removeprefix(f"{attempt.config.code_root}/")
