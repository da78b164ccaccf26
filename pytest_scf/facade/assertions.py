"""Assertions about events that say, when they fail, what happened to the event and why.

Status and status code come as values that remember their event, so that a plain ``assert event.status == "FINISHED"``
can be explained as well: see ``compared``.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from pytest_scf.errors import EventEnded, UsageError, WaitTimeout
from pytest_scf.facade.description import describe, headline
from pytest_scf.facade.values import Described
from pytest_scf.facts import ABORTED, FAILED, FINISHED, RUNNING

if TYPE_CHECKING:

    class _Instance(Protocol):
        id: str
        alive: bool
        state: str

    class Checked(Described, Protocol):
        """What the assertions do with an event, beside describing it."""

        @property
        def return_value(self) -> Any: ...
        @property
        def instance(self) -> Any: ...
        def wait(self, timeout: float = ...) -> Any: ...
        def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float = ...) -> re.Match[str]: ...


ANY: Final[Any] = type("Any", (), {"__repr__": lambda self: "..."})()


class Status(str):
    """A status that remembers its event, so that a failed comparison can explain it."""

    scf_event: Described


class StatusNumber(int):
    """A status code that remembers its event, so that a failed comparison can explain it."""

    scf_event: Described


def assert_finished(event: Checked, value: object = ANY, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    _wait_for_end(event, "FINISHED 200", timeout)
    if event.status != FINISHED or event.status_code != 200:
        _fail(event, headline(event, "FINISHED 200"))
    if value is not ANY and event.return_value != value:
        _fail(event, f"the return value is {event.return_value!r}, not {value!r}")


def assert_aborted(event: Checked, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    _wait_for_end(event, "ABORTED 499", timeout)
    if event.status != ABORTED or event.status_code != 499:
        _fail(event, headline(event, "ABORTED 499"))


def assert_failed(event: Checked, code: int | None = None, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    if code is not None and (not isinstance(code, int) or isinstance(code, bool)):
        raise UsageError(f"assert_failed takes a status code like 439, not {code!r}")
    wanted = FAILED if code is None else f"{FAILED} {code}"
    _wait_for_end(event, wanted, timeout)
    if event.status != FAILED or code not in (None, event.status_code):
        _fail(event, headline(event, wanted))


def assert_logged(event: Checked, pattern: str | re.Pattern[str], *, timeout: float = 30) -> re.Match[str]:
    __tracebackhide__ = True
    wanted = pattern.pattern if isinstance(pattern, re.Pattern) else pattern
    try:
        return event.wait_for_log(pattern, timeout=timeout)
    except EventEnded:
        _fail(event, f"{wanted!r} is not in the log; {headline(event)}")
    except WaitTimeout:
        _fail(event, f"{wanted!r} is not in the log after {timeout:g} s; {headline(event)}")


def assert_repossessed(event: Checked, *, timeout: float = 30) -> None:
    __tracebackhide__ = True
    _wait_for_end(event, "ended, its instance repossessed", timeout)
    # An event's end is published when its instance is gone, where it goes; so there is nothing to wait for.
    instance = event.instance
    if instance.alive:
        _fail(event, f"the instance {instance.id} is {instance.state}, not repossessed; {headline(event)}")


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
    """For pytest_assertrepr_compare: what was compared, with the reason why the event is in the state it is in.

    None where neither side is an event's status or status code.
    """
    known = _values(left) or _values(right)
    if not known:
        return None
    event = known[0].scf_event
    lines = [f"{_plain(left)!r} {op} {_plain(right)!r}", headline(event)]
    if RUNNING in known:
        lines.append("The event was RUNNING when it was compared: call event.wait() first.")
    return lines


def _wait_for_end(event: Checked, wanted: str, timeout: float) -> None:
    __tracebackhide__ = True
    try:
        event.wait(timeout)
    except WaitTimeout:
        _fail(event, f"{headline(event, wanted)} after {timeout:g} s: call event.wait() before, with a longer timeout=")


def _fail(event: Described, what: str) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError("\n".join([what, *describe(event, said=what)])) from None


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
