"""Faults on purpose: what goes wrong in the cloud once in a while, whenever a test wants it.

Each is a context manager, undone at its end. ``times`` bounds how often it strikes; what was struck says so in its log
or its diagnosis. None of it is random.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import functools
import math
import os
import threading
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

from pytest_scf import api_errors
from pytest_scf.errors import ApiError, UsageError
from pytest_scf.facade.handles import Event, Function, Instance
from pytest_scf.facade.probing import function_probe
from pytest_scf.facade.probing.function_probe import StartFault
from pytest_scf.facade.session import FullTmp

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.facade.session import Session
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.records import Attempt, Invocation

_P = ParamSpec("_P")
_T_co = TypeVar("_T_co", covariant=True)
_CHUNK = 1 << 20
#: held while it is counted how often a /tmp is full
_filling = threading.Lock()
#: seconds
_JUMP_LIMIT = 3650 * 86400
_SECONDS_LIMIT = 86400


class Strikes:
    """How often a fault has struck; what the context managers give."""

    def __init__(self, times: int | None) -> None:
        self._left = times
        self._lock = threading.Lock()
        #: how often it has struck so far
        self.count = 0

    def take(self) -> bool:
        """Whether it strikes this time."""
        with self._lock:
            if self._left is not None:
                if self._left <= 0:
                    return False
                self._left -= 1
            self.count += 1
            return True

    def __repr__(self) -> str:
        return f"<struck {self.count} times>"


class Fault(contextlib.AbstractContextManager[_T_co], Generic[_T_co]):
    """What is wrong within a ``with`` block."""

    def __init__(self, name: str, body: Generator[_T_co, None, None]) -> None:
        self._name = name
        self._body = body
        self._begun = False

    def __enter__(self) -> _T_co:
        __tracebackhide__ = True
        if self._begun:
            raise UsageError(f"this faults.{self._name}(...) was used already: each `with` block takes one of its own")
        self._begun = True
        return next(self._body)

    def __exit__(self, *error: object) -> None:
        self._body.close()

    def __del__(self) -> None:
        if not self._begun:
            message = f"faults.{self._name}(...) does nothing by itself: `with scf_runtime.faults.{self._name}(...):`"
            warnings.warn(message, stacklevel=2)


def _fault(method: Callable[_P, Iterator[_T_co]]) -> Callable[_P, Fault[_T_co]]:
    """Of contextlib's context managers the frames would be shown where bad input is refused."""

    @functools.wraps(method)
    def fault(*args: _P.args, **kwargs: _P.kwargs) -> Fault[_T_co]:
        return Fault(method.__name__, cast("Generator[_T_co, None, None]", method(*args, **kwargs)))

    return fault


class Faults:
    """``scf_runtime.faults`` is it."""

    def __init__(self, platform: Platform, api: Api, session: Session) -> None:
        self._platform = platform
        self._api = api
        self._session = session

    @_fault
    def slow_start(self, function: Function, seconds: float, *, times: int | None = None) -> Iterator[Strikes]:
        """Cold starts of the function take ``seconds`` longer, before its code is loaded. Idle instances go at once."""
        _above_zero(seconds)
        if seconds > _SECONDS_LIMIT:
            raise UsageError(f"a cold start takes up to {_SECONDS_LIMIT} seconds longer, not {seconds:g}")
        with self._starting(function, StartFault(seconds, "", Strikes(_times(times)))) as strikes:
            yield strikes

    @_fault
    def failing_start(
        self, function: Function, message: str = "the code could not be fetched", *, times: int | None = None
    ) -> Iterator[Strikes]:
        """Cold starts of the function fail with this message (443). Idle instances go at once."""
        if not isinstance(message, str) or not message:
            raise UsageError(f"message must be a text, not {message!r}")
        with self._starting(function, StartFault(0.0, message, Strikes(_times(times)))) as strikes:
            yield strikes

    @_fault
    def no_network(self, function: Function, *, times: int | None = None) -> Iterator[Strikes]:
        """Instances that start within the block have no network. Idle ones go at once, and again at its end."""
        if not self._platform.isolation.own_network:
            raise UsageError("a network can be taken from instances where they are isolated by namespaces only")
        fault = StartFault(0.0, "", Strikes(_times(times)), no_network=True)
        record = _record_of(function)
        try:
            with self._starting(function, fault) as strikes:
                yield strikes
        finally:
            # Those that were cut off go, too, unless the function has gone.
            with contextlib.suppress(api_errors.ResourceNotFoundFunction), self._session.equipping:
                self._platform.equip(record, function_probe.probe_of(self._session, record))

    @_fault
    def _starting(self, function: Function, fault: StartFault) -> Iterator[Strikes]:
        record = _record_of(function)
        with contextlib.ExitStack() as undo:
            with self._session.equipping:
                probe = function_probe.probe_of(self._session, record)
                probe.start_faults.append(fault)
                undo.callback(probe.start_faults.remove, fault)
                self._platform.equip(record, probe)
            yield fault.strikes

    @_fault
    def lost_signal(self, function: Function | None = None, *, times: int | None = None) -> Iterator[Strikes]:
        """Termination signals do not arrive: ``[PLATFORM] Signal reception failed``. Of one function, or of all."""
        strikes = Strikes(_times(times))
        wanted = None if function is None else _record_with_events(function)

        def loses(attempt: Attempt) -> bool:
            return (wanted is None or attempt.function is wanted) and strikes.take()

        self._platform.signal_filters.append(loses)
        try:
            yield strikes
        finally:
            self._platform.signal_filters.remove(loses)

    @_fault
    def visibility_delay(
        self, seconds: float, function: Function | None = None, *, times: int | None = None
    ) -> Iterator[Strikes]:
        """Events that begin within the block are not known to the status actions until ``seconds`` after their start.

        By the platform's clock, for each event that long, also when the block is over; of one function, or of all. As
        with the setting ``visible_after_seconds``, of which the longer counts, actions that name such an event are
        answered with ResourceNotFound.AsyncEvent, and lists lack it; what the test holds, the ``Event``, tells of it.
        """
        _above_zero(seconds)
        strikes = Strikes(_times(times))
        wanted = None if function is None else _record_with_events(function)

        def hide(invocation: Invocation) -> None:
            if invocation.asynchronous and (wanted is None or invocation.function is wanted) and strikes.take():
                invocation.hidden_for = max(seconds, invocation.hidden_for)
                self._platform.note_fault(
                    invocation, f"the status actions do not know this event until {seconds:g} s after its start"
                )

        self._platform.arrivals.append(hide)
        try:
            yield strikes
        finally:
            self._platform.arrivals.remove(hide)

    @_fault
    def clock_jump(self, seconds: float) -> Iterator[None]:
        """The platform tells the time so much later within the block; below 0: earlier.

        It is the starts and ends of events and the times of log lines that are within the block, "now" where a request
        names no time, and the order and the spans of lists. What was told of a moment stays: an event that began in the
        block and ends after it may end before it began. Nothing else is moved: retention, triggers, messages that wait,
        idle instances and limits go by the time that passes, ``clock.advance`` by what it is told; a handler's own time
        and the signatures of requests by the machine's.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
            raise UsageError(f"seconds must be a number, not {seconds!r}")
        if not seconds or abs(seconds) > _JUMP_LIMIT:
            raise UsageError(
                f"the clock jumps by up to {_JUMP_LIMIT // 86400} days, ahead or back, not by {seconds:g} s"
            )
        what = f"the clock is {abs(seconds):g} s {'ahead' if seconds > 0 else 'behind'}"

        def tell(invocation: Invocation) -> None:
            self._platform.note_fault(invocation, what)

        with self._platform.clock.jump(seconds):
            self._platform.arrivals.append(tell)
            try:
                for invocation in self._platform.events.running():
                    tell(invocation)
                yield
            finally:
                self._platform.arrivals.remove(tell)

    @_fault
    def api_error(
        self, action: str, code: str = "RequestLimitExceeded", message: str | None = None, *, times: int | None = None
    ) -> Iterator[Strikes]:
        """Requests of an action of the API are answered with an error, whoever sends them: a client tries again or not.

        ``code`` is one of the API's, "InternalError" or "RequestLimitExceeded" for example.
        """
        from pytest_scf.contract.action_registry import ACTIONS

        if action not in ACTIONS:
            near = difflib.get_close_matches(str(action), ACTIONS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(ACTIONS)}"
            raise UsageError(f"there is no action {action!r}; {hint}")
        kinds = {kind.code: kind for kind in _subclasses(ApiError)}
        if code not in kinds:
            near = difflib.get_close_matches(str(code), kinds, n=1)
            raise UsageError(
                f"there is no error code {code!r} of the API" + (f"; did you mean {near[0]!r}?" if near else "")
            )
        if message is not None and not isinstance(message, str):
            raise UsageError(f"message must be a text, not {message!r}")
        kind, strikes = kinds[code], Strikes(_times(times))

        def strike(asked: str) -> None:
            if asked == action and strikes.take():
                raise kind(message or f"{kind.description} (a fault that the test has asked for)")

        self._api.interceptors.append(strike)
        try:
            yield strikes
        finally:
            self._api.interceptors.remove(strike)

    def kill(self, event: Event) -> None:
        """Have the event's instance end now, as a machine does that breaks down. The event is FAILED, 500."""
        _check_kind(event, Event, "event", "an event that invoke_async gave")
        instance = event._record.attempt.instance
        if event.final or instance is None:
            raise UsageError(f"{event!r} has no instance that could be killed")
        self._platform.break_down(instance, "a fault that the test has asked for killed the instance")

    @_fault
    def full_tmp(self, instance: Instance) -> Iterator[None]:
        """The instance's /tmp has no byte left, until the end of the block. It takes that much memory meanwhile."""
        _check_kind(instance, Instance, "instance", "an instance, such as event.instance")
        if not instance._record.level.own_tree:
            raise UsageError("the /tmp of an instance has no size of its own at the directory level of isolation")
        record, session = instance._record, self._session
        with _filling:
            full = next((each for each in session.full_tmps if each.blocks and each.instance is record), None)
            if full is None:
                try:
                    fd = os.open(instance.tmp, os.O_TMPFILE | os.O_WRONLY | os.O_APPEND)
                except FileNotFoundError:
                    raise UsageError(f"{instance!r} is gone, and its /tmp with it") from None
                full = FullTmp(record, self._platform.clock.now(), fd)
                session.full_tmps.append(full)
            full.blocks += 1
        try:
            _fill(full.fd)
            yield
        finally:
            with _filling:
                full.blocks -= 1
                if not full.blocks:
                    full.until = self._platform.clock.now()
                    os.close(full.fd)


def _fill(fd: int) -> None:
    """With what has no name there, so that the function neither finds nor removes it."""
    size = _CHUNK
    while size:
        try:
            os.write(fd, bytes(size))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size //= 2


def _check_kind(given: object, kind: type, name: str, what: str) -> None:
    if not isinstance(given, kind):
        raise UsageError(f"{name} must be {what}; got {given!r}")


def _record_of(function: Function) -> FunctionRecord:
    _check_kind(function, Function, "function", "what deploy gave")
    return function._record


def _record_with_events(function: Function) -> FunctionRecord:
    record = _record_of(function)
    if not record.config.async_run:
        raise UsageError(
            f"function {record.name} has no asynchronous execution, so there is nothing of it that could be hit: "
            "deploy(..., async_run=True) gives it that"
        )
    return record


def _above_zero(seconds: object) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < math.inf:
        raise UsageError(f"seconds must be a number above 0, not {seconds!r}")


def _times(times: object) -> int | None:
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise UsageError(f"times must be a number of times, 1 or more, or None for always; got {times!r}")
    return times


def _subclasses(kind: type[ApiError]) -> Iterator[type[ApiError]]:
    assert api_errors
    for each in kind.__subclasses__():
        yield each
        yield from _subclasses(each)
