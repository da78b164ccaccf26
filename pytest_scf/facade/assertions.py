"""Assertions about events that say, when they fail, what happened to the event and why.

``explain`` does the same for plain ``assert event.status == "FINISHED"``: status and status code come as values that
remember their event.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pytest_scf.errors import EventEnded, UsageError, WaitTimeout

if TYPE_CHECKING:
    from pytest_scf.facade.handles import Event

ANY: Final[Any] = type("Any", (), {"__repr__": lambda self: "..."})()
_LOG_LINES = 20
_LINE_LENGTH = 400


class Status(str):
    """A status that remembers its event, so that a failed comparison can explain it."""

    scf_event: Event


class StatusNumber(int):
    """A status code that remembers its event, so that a failed comparison can explain it."""

    scf_event: Event


def assert_finished(event: Event, value: object = ANY, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    _wait_for_end(event, "FINISHED 200", timeout)
    if event.status != "FINISHED" or event.status_code != 200:
        _fail(event, "FINISHED 200")
    if value is not ANY and event.return_value != value:
        _fail(event, f"FINISHED 200 with the value {value!r}", f" with the value {event.return_value!r}")


def assert_aborted(event: Event, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    _wait_for_end(event, "ABORTED 499", timeout)
    if event.status != "ABORTED" or event.status_code != 499:
        _fail(event, "ABORTED 499")


def assert_failed(event: Event, code: int | None = None, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise UsageError(f"assert_failed takes a status code like 439, not {code!r}")
    wanted = "FAILED" if code is None else f"FAILED {code}"
    _wait_for_end(event, wanted, timeout)
    if event.status != "FAILED" or code not in (None, event.status_code):
        _fail(event, wanted)


def assert_logged(event: Event, pattern: str | re.Pattern[str], *, timeout: float = 30) -> re.Match[str]:
    __tracebackhide__ = True
    wanted = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    try:
        return event.wait_for_log(pattern, timeout=timeout)
    except EventEnded:
        # The wait saw output as it came; the log as a whole, with the lines that close it, has the last word.
        found = search(pattern, event.logs.text)
        if found is None:
            _fail(event, f"a log that holds {wanted!r}", ", and its log does not")
        return found
    except WaitTimeout:
        _fail(event, f"a log that holds {wanted!r}", f", and its log did not within {timeout:g} s")


def assert_repossessed(event: Event, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    wanted = "the event's instance repossessed"
    _wait_for_end(event, wanted, timeout)
    # An event's end is published when its instance is gone, where it goes; so there is nothing to wait for.
    instance = event.instance
    if instance.alive:
        _fail(event, wanted, f", and the instance {instance.id} is {instance.state}")


def search(pattern: str | re.Pattern[str], text: str) -> re.Match[str] | None:
    """Look for a pattern: a text stands for itself first, and is a regular expression where it is one."""
    return compiled(pattern)(text)


def compiled(pattern: str | re.Pattern[str]) -> Callable[[str], re.Match[str] | None]:
    if isinstance(pattern, re.Pattern):
        if not isinstance(pattern.pattern, str):
            raise UsageError(f"a pattern must be made of str, not {pattern.pattern!r}")
        return pattern.search
    if not isinstance(pattern, str):
        raise UsageError(f"a pattern is a str or a compiled regular expression, not {pattern!r}")
    searches = [re.compile(re.escape(pattern)).search]
    with contextlib.suppress(re.error):
        searches.append(re.compile(pattern, re.MULTILINE).search)
    return lambda text: next((found for look in searches if (found := look(text))), None)


def explain(op: str, left: object, right: object) -> list[str] | None:
    """For pytest_assertrepr_compare: lines that explain a comparison with an event's status or status code."""
    known = _values(left) or _values(right)
    if not known:
        return None
    event = known[0].scf_event
    lines = [f"{_plain(left)!r} {op} {_plain(right)!r}"]
    if "RUNNING" in known:
        lines.append("The event was RUNNING when it was compared: call event.wait() first.")
    return lines + describe(event)


def describe(event: Event) -> list[str]:
    """What there is to say about an event: its status, why, the way there, and the end of its log."""
    lines = [f"{_title(event)} is {_state(event)}", f"diagnosis: {event.diagnosis}"]
    if event.error_message:
        lines.append(f"error: {event.error_message}")
    lines.append("transitions:")
    for step in event.transitions:
        lines.append(f"  {step.time:%H:%M:%S.%f} {step.status} {step.status_code}: {step.cause}")
    log = [line.text for line in event.logs.lines]
    shown = log[-_LOG_LINES:]
    lines.append(f"last {len(shown)} of {len(log)} log lines:" if len(log) > len(shown) else "log:")
    lines += [f"  {text if len(text) <= _LINE_LENGTH else text[:_LINE_LENGTH] + '...'}" for text in shown]
    return lines


def _wait_for_end(event: Event, wanted: str, timeout: float) -> None:
    __tracebackhide__ = True
    try:
        event.wait(timeout)
    except WaitTimeout:
        _fail(event, wanted, f" after {timeout:g} s: call event.wait(), with a longer timeout=, before")


def _fail(event: Event, wanted: str, more: str = "") -> NoReturn:
    __tracebackhide__ = True
    lines = [f"wanted: {wanted}", f"found:  {_state(event)}{more}", *describe(event)]
    raise AssertionError("\n".join(lines)) from None


def _title(event: Event) -> str:
    kind = "event" if event.asynchronous else "invocation"
    return f"{kind} {event.request_id} of function {event.function.name}"


def _state(event: Event) -> str:
    return f"{event.status} {int(event.status_code)}" if event.final else "RUNNING"


def _values(value: object) -> list[Status | StatusNumber]:
    if isinstance(value, (Status, StatusNumber)):
        return [value]
    if isinstance(value, (tuple, list)):
        return [found for item in value for found in _values(item)]
    return []


def _plain(value: object) -> object:
    if isinstance(value, Status):
        return str(value)
    if isinstance(value, StatusNumber):
        return int(value)
    if type(value) in (tuple, list):
        return type(value)(_plain(item) for item in value)  # type: ignore[attr-defined, call-arg]
    return value
