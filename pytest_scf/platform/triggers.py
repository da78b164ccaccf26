"""Triggers: what calls functions by itself. Timers fire by the platform's clock."""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol

from pytest_scf import facts, trigger_events
from pytest_scf.api_errors import (
    InvalidParameterValueCosNotifyRuleConflict,
    LimitExceededTrigger,
    ResourceInUseTrigger,
    ResourceNotFoundTrigger,
)
from pytest_scf.errors import ApiError
from pytest_scf.platform.trigger_sources import INVOKE_TYPES
from pytest_scf.triggers.rules import CosRule, Rule, TimerRule

if TYPE_CHECKING:
    from pytest_scf.platform.clock import Clock, Due
    from pytest_scf.platform.functions import FunctionRecord
    from pytest_scf.platform.records import Invocation

#: the latest invocations of each trigger that are remembered
_REMEMBERED = 1000


@dataclass(frozen=True, kw_only=True)
class Trigger:
    """Times in seconds since the epoch."""

    kind: str
    name: str
    rule: Rule
    qualifier: str = facts.LATEST
    enabled: bool = True
    argument: str = ""
    description: str = ""
    add_time: float = 0.0
    mod_time: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from the others of its function: a bucket may have one for each kind of event."""
        event = self.rule.event if isinstance(self.rule, CosRule) else ""
        return self.kind, self.name, self.qualifier, event


class Invoke(Protocol):
    """``Platform.invoke``, as far as triggers need it."""

    def __call__(
        self, function: FunctionRecord, payload: bytes, *, asynchronous: bool, qualifier: str, invoke_type: str
    ) -> Invocation: ...


class Armed:
    """A trigger of a function, and what it does."""

    def __init__(self, function: FunctionRecord, trigger: Trigger) -> None:
        self.function = function
        self.trigger = trigger
        self.due: Due | None = None
        self.invocations: deque[Invocation] = deque(maxlen=_REMEMBERED)
        self.refusals: deque[Refusal] = deque(maxlen=_REMEMBERED)


@dataclass(eq=False)
class Refusal:
    """A call of a trigger that was refused. Nothing becomes of it. ``told``: whether the test knows."""

    armed: Armed
    error: ApiError
    told: bool = False

    def __str__(self) -> str:
        trigger = self.armed.trigger
        return f"{trigger.kind} {trigger.name} of {self.armed.function.name}: {self.error}"


@dataclass
class Fired:
    """What the triggers of one object or message have called, and which of their calls were refused."""

    invocations: list[Invocation] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def checked(self) -> list[Invocation]:
        """What was called. Raises ApiError, the first one, where something was refused."""
        _raise_first(self.refusals)
        return self.invocations


def _raise_first(refusals: list[Refusal]) -> None:
    for refusal in refusals:
        refusal.told = True
    if refusals:
        raise refusals[0].error


class Triggers:
    """The triggers of all functions. The platform's and the registry's locks may be taken by what is called here.

    ``settle`` is called with an invocation of a timer that fired while the clock is advanced: it waits until that has
    ended, or waits for its next attempt.
    """

    def __init__(
        self, clock: Clock, utc_offset_hours: float, invoke: Invoke, settle: Callable[[Invocation], object]
    ) -> None:
        self._clock = clock
        self._zone = timezone(timedelta(hours=utc_offset_hours))
        self._invoke = invoke
        self._settle = settle
        self._lock = threading.Lock()
        self._armed: dict[FunctionRecord, dict[tuple[str, str, str, str], Armed]] = {}
        #: invocations of timers whose attempts may still be under way
        self._unsettled: list[Invocation] = []
        #: the latest refused calls of all triggers
        self._refusals: deque[Refusal] = deque(maxlen=_REMEMBERED)
        self._on_refusal: Callable[[Refusal], object] | None = None
        clock.after_step(self._wait_for_fired)
        clock.after_advance(self._tell_of_timers)

    # -- verbs ---------------------------------------------------------------------------------------------------

    def create(self, function: FunctionRecord, trigger: Trigger) -> Trigger:
        """Raises ResourceInUse.Trigger, LimitExceeded.Trigger and InvalidParameterValue.CosNotifyRuleConflict.

        ResourceNotFound.Function where the function has been deleted meanwhile.
        """
        now = self._clock.now()
        trigger = replace(trigger, add_time=now, mod_time=now)
        with self._lock:
            function.check_present()  # ``delete_all`` comes once it is not
            own = self._armed.setdefault(function, {})
            same = [each.trigger for each in own.values() if each.trigger.kind == trigger.kind]
            taken = trigger.key in own or (trigger.kind == "timer" and trigger.name in {each.name for each in same})
            if taken:
                raise ResourceInUseTrigger(
                    f"The function {function.name} has a {trigger.kind} trigger {trigger.name} already."
                )
            if len(same) >= facts.TRIGGERS_OF_A_KIND:
                raise LimitExceededTrigger(
                    f"The function {function.name} has {len(same)} {trigger.kind} triggers, which is the limit."
                )
            if isinstance(trigger.rule, CosRule):
                self._refuse_conflict(trigger.rule)
            armed = own[trigger.key] = Armed(function, trigger)
            self._arm_locked(armed)
        return trigger

    def update(self, function: FunctionRecord, key: tuple[str, str, str, str], **changes: Any) -> Trigger:
        """Raises ResourceNotFound.Trigger."""
        with self._lock:
            armed = self._find_locked(function, key)
            armed.trigger = replace(armed.trigger, mod_time=self._clock.now(), **changes)
            self._arm_locked(armed)
            return armed.trigger

    def delete(self, function: FunctionRecord, key: tuple[str, str, str, str]) -> None:
        """Raises ResourceNotFound.Trigger."""
        with self._lock:
            armed = self._find_locked(function, key)
            del self._armed[function][key]
            self._disarm_locked(armed)

    def delete_all(self, function: FunctionRecord) -> None:
        """Those of a function that is deleted."""
        with self._lock:
            for armed in self._armed.pop(function, {}).values():
                self._disarm_locked(armed)

    def find(self, function: FunctionRecord, key: tuple[str, str, str, str]) -> Armed:
        """Raises ResourceNotFound.Trigger."""
        with self._lock:
            return self._find_locked(function, key)

    def _find_locked(self, function: FunctionRecord, key: tuple[str, str, str, str]) -> Armed:
        found = self._armed.get(function, {}).get(key)
        if found is None:
            kind, name, qualifier, event = key
            of_event = f" for {event}" if event else ""
            raise ResourceNotFoundTrigger(
                f"The function {function.name} has no {kind} trigger {name}{of_event} with the qualifier {qualifier}."
            )
        return found

    def of(self, function: FunctionRecord) -> list[Trigger]:
        """In the order of their making."""
        with self._lock:
            return [armed.trigger for armed in self._armed.get(function, {}).values()]

    def has(self, armed: Armed) -> bool:
        """Whether a trigger has not been deleted."""
        with self._lock:
            return self._armed.get(armed.function, {}).get(armed.trigger.key) is armed

    def enabled(self, kind: str) -> list[Armed]:
        """Those of all functions."""
        with self._lock:
            every = [armed for own in self._armed.values() for armed in own.values()]
        return [armed for armed in every if armed.trigger.kind == kind and armed.trigger.enabled]

    def _refuse_conflict(self, rule: CosRule) -> None:
        """The caller holds the lock."""
        rules = [(armed, armed.trigger.rule) for own in self._armed.values() for armed in own.values()]
        of_bucket = [(armed, each) for armed, each in rules if isinstance(each, CosRule) and each.bucket == rule.bucket]
        for armed, each in of_bucket:
            if rule.conflicts(each):
                raise InvalidParameterValueCosNotifyRuleConflict(
                    f"The bucket {rule.bucket} has a rule already that fires for some of the same objects: "
                    f"{each.text}, of function {armed.function.name}."
                )
        if len(of_bucket) >= facts.COS_RULES_OF_A_BUCKET:
            raise LimitExceededTrigger(f"The bucket {rule.bucket} has {len(of_bucket)} rules, which is the limit.")

    # -- firing --------------------------------------------------------------------------------------------------

    def fire(self, armed: Armed, event: Mapping[str, Any], *, asynchronous: bool = True) -> Invocation:
        """Call the function of a trigger with an event. Raises ApiError where it is refused."""
        record = self._invoke(
            armed.function,
            json.dumps(event, ensure_ascii=False).encode(),
            asynchronous=asynchronous,
            qualifier=armed.trigger.qualifier,
            invoke_type=INVOKE_TYPES.get(armed.trigger.kind, "OTHERS"),
        )
        armed.invocations.append(record)
        return record

    def fire_also(self, fired: Fired, armed: Armed, event: Mapping[str, Any]) -> None:
        """Call a function asynchronously. Who brings the object or message does not fail by a refusal: it is noted."""
        try:
            fired.invocations.append(self.fire(armed, event))
        except ApiError as error:
            if armed.function.deleted:
                return  # at this very moment
            tell = self._on_refusal
            refusal = Refusal(armed, error, told=tell is not None)
            fired.refusals.append(refusal)
            armed.refusals.append(refusal)
            self._refusals.append(refusal)
            if tell is not None:
                tell(refusal)

    def observe_refusals(self, tell: Callable[[Refusal], object]) -> None:
        """Have ``tell`` called, in any thread, with each call that is refused from now on, of which nobody else hears.

        It may take a note, and do nothing else.
        """
        self._on_refusal = tell

    def take_untold_refusals(self) -> str:
        """What to say, once, of calls that were refused in the background, which the test has not looked at; or ""."""
        refusals = [each for each in list(self._refusals) if not each.told]
        if not refusals:
            return ""
        for refusal in refusals:
            refusal.told = True
        untold = Counter(map(str, refusals))
        lines = [text if count == 1 else f"{text} ({count} times)" for text, count in untold.items()]
        return "\n".join(["calls of triggers were refused, and nothing became of them (see trigger.refusals):", *lines])

    def refusals_of(self, function: FunctionRecord, key: tuple[str, str, str, str]) -> list[ApiError]:
        """Why calls of a trigger were refused, oldest first. Raises ResourceNotFound.Trigger."""
        refusals = list(self.find(function, key).refusals)
        for refusal in refusals:
            refusal.told = True
        return [refusal.error for refusal in refusals]

    def _arm_locked(self, armed: Armed) -> None:
        """Have a timer fire at its next moment, if it is to."""
        self._disarm_locked(armed)
        trigger = armed.trigger
        if isinstance(trigger.rule, TimerRule) and trigger.enabled:
            now = datetime.fromtimestamp(self._clock.now(), self._zone).replace(tzinfo=None)
            self._arm_after_locked(armed, trigger.rule, now)

    def _arm_after_locked(self, armed: Armed, rule: TimerRule, wall: datetime) -> None:
        following = rule.cron.next_after(wall)
        if following is None:
            return
        moment = following.replace(tzinfo=self._zone).timestamp()
        armed.due = self._clock.call_at(moment, lambda: self._fire_timer(armed, rule, following))

    def _disarm_locked(self, armed: Armed) -> None:
        due, armed.due = armed.due, None
        if due is not None:
            due.cancel()

    def _fire_timer(self, armed: Armed, rule: TimerRule, wall: datetime) -> None:
        with self._lock:
            if armed.trigger.rule is not rule or armed.due is None:
                return  # changed, or taken away, at this very moment
            self._disarm_locked(armed)  # it may have been armed anew meanwhile
            self._arm_after_locked(armed, rule, wall)
        event = trigger_events.timer(
            armed.trigger.name, message=armed.trigger.argument, time=wall.replace(tzinfo=self._zone)
        )
        fired = Fired()
        self.fire_also(fired, armed, event)
        with self._lock:
            self._unsettled = [each for each in self._unsettled if not each.final]
            self._unsettled += fired.invocations

    def _wait_for_fired(self) -> None:
        """While the clock is advanced: what a timer called ends before time goes on, whatever time that takes."""
        with self._lock:
            unsettled = [record for record in self._unsettled if not record.final]
        for record in unsettled:
            self._settle(record)

    def _tell_of_timers(self) -> None:
        """The clock has been advanced, and all that was due is done. Raises ApiError where a timer was refused."""
        refusals = list(self._refusals)
        _raise_first([each for each in refusals if each.armed.trigger.kind == "timer" and not each.told])

    def events_of(self, function: FunctionRecord, key: tuple[str, str, str, str]) -> Iterator[Invocation]:
        """What a trigger called, oldest first. Raises ResourceNotFound.Trigger."""
        yield from list(self.find(function, key).invocations)
