"""One sentence that explains an event: what held when it was signalled, and what ended it."""

from __future__ import annotations

import signal

from pytest_scf import facts
from pytest_scf.platform.events import EventRecord, SignalNote
from pytest_scf.platform.status import ABORTED, FINISHED, RUNNING


def diagnose(event: EventRecord) -> str:
    """What was so when the signal was sent (caught, ignored, blocked, default), and how the event ended and why."""
    parts = [_signal(event, event.signals[-1])] if event.signals else []
    parts.append(_end(event))
    return "; ".join(parts) + "".join(f" ({notice})" for notice in event.notices)


def _signal(event: EventRecord, note: SignalNote) -> str:
    number = "" if len(event.signals) == 1 else f" (number {len(event.signals)})"
    if not note.delivered:
        return f"the termination signal{number} could not be delivered: the process was gone"
    text = f"SIGTERM{number} was {note.disposition} when it was sent"
    registered = note.registration
    if note.disposition == "caught" and registered is not None and registered.disposition == "caught":
        where = f"{_short(registered.file, event)}:{registered.line}"
        text += f": the signal handler was {registered.name}, registered at {where}"
    elif note.disposition == "default":
        text += ": no signal handler was registered"
        if event.exit is not None and event.exit.signal == signal.SIGTERM:
            text += ", so the process died of it"
    elif note.disposition == "ignored":
        text += ": the process has asked for the signal to be ignored, so it had no effect"
    elif note.disposition == "blocked":
        text += ": the process blocks the signal, so it waits until it is unblocked"
    elif note.disposition == "unknown":
        text = f"SIGTERM{number} was sent; what the process would do with it could not be read"
    return text


def _end(event: EventRecord) -> str:
    if event.waits:
        return f"the invocation waits {event.waits}"
    if event.status == RUNNING:
        return "the event is still RUNNING" + (", as the code goes on after the signal" if event.signals else "")
    outcome = event.transitions[-1]
    if event.status == FINISHED:
        return "the handler returned" + (" after the signal" if event.signals else "")
    if event.status == ABORTED:
        return f"{outcome.cause}: the instance was killed and repossessed"
    text = outcome.cause
    if event.exit is not None and str(event.exit) not in text:
        text += f" (the process {event.exit})"
    return text


def _short(file: str, event: EventRecord) -> str:
    return file.removeprefix(f"{facts.CODE_ROOT}/").removeprefix(f"{event.config.code_root}/")
