"""Provisioned concurrency: set, changed by the clock, and taken away. ``warm_instances`` keeps the instances."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pytest_scf.api_errors import (
    FailedOperationProvisionedExceedAvailable,
    FailedOperationProvisionedExceedReserved,
    FailedOperationProvisionedInProgress,
)
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.provisions import Provision, Provisions

if TYPE_CHECKING:
    from pytest_scf.platform.clock import Clock, Due
    from pytest_scf.triggers.cron import Cron

IN_PROGRESS, DONE, FAILED = "InProgress", "Done", "Failed"
#: seconds that the clock stands still for the instances of an action, beside the time that a start may take
_PATIENCE = 60.0


@dataclass(frozen=True)
class TimedAction:
    """A number of instances that is wanted from each moment of a schedule on."""

    name: str
    number: int
    cron: Cron


class ProvisionState(NamedTuple):
    """``status`` is "InProgress", "Done" or "Failed"; ``reason`` says why it failed."""

    version: str
    allocated: int
    available: int
    status: str
    reason: str
    actions: tuple[TimedAction, ...]


class Keeper(Protocol):
    """What keeps the instances: the scheduler."""

    @property
    def provisions(self) -> Provisions: ...
    @property
    def lock(self) -> threading.RLock: ...
    def most_instances(self, function: FunctionRecord) -> int: ...
    def available(self, function: FunctionRecord, version: str) -> int: ...
    def keep_warm(self, function: FunctionRecord) -> None: ...
    def wait_provisioned(self, function: FunctionRecord, version: str, timeout: float) -> bool: ...


class _Armed:
    """An action of a version, and when it is due next."""

    def __init__(self, function: FunctionRecord, version: str, action: TimedAction) -> None:
        self.function = function
        self.version = version
        self.action = action
        self.due: Due | None = None
        self.gone = False


class Provisioning:
    """That of all functions. Thread-safe, by the keeper's lock."""

    def __init__(self, clock: Clock, utc_offset_hours: float, keeper: Keeper) -> None:
        self._clock = clock
        self._zone = timezone(timedelta(hours=utc_offset_hours))
        self._keeper = keeper
        self._armed: dict[FunctionRecord, dict[str, list[_Armed]]] = {}
        #: what an action changed, and has not been waited for
        self._changed: list[_Armed] = []
        clock.after_step(self._wait_for_changed)

    @property
    def provisions(self) -> Provisions:
        return self._keeper.provisions

    def put(self, function: FunctionRecord, version: str, number: int, actions: Sequence[TimedAction] = ()) -> None:
        """Keep so many instances of a version warm from now on; returns at once.

        Raises FailedOperation.ProvisionedInProgress while an earlier change is under way,
        FailedOperation.ProvisionedExceedReserved and .ProvisionedExceedAvailable where the function may not have them.
        """
        with self._keeper.lock:
            function.check_present()
            if any(each.version == version and each.status == IN_PROGRESS for each in self.states(function)):
                raise FailedOperationProvisionedInProgress(
                    f"The provisioned concurrency of version {version} of function {function.name} is being changed: "
                    "wait until its Status is Done."
                )
            for wanted in (number, *(action.number for action in actions)):
                self._check_room(function, version, wanted)
            self.provisions.set(function, version, number)
            self._arm_all(function, version, actions)
        self._keeper.keep_warm(function)

    def delete(self, function: FunctionRecord, version: str | None = None) -> None:
        """Keep none of a version warm any more, or of all; does nothing where none was kept."""
        with self._keeper.lock:
            known = function in self.provisions
            self.provisions.remove(function, version)
            for number in [version] if version is not None else list(self._armed.get(function, {})):
                self._arm_all(function, number, ())
        if known:
            self._keeper.keep_warm(function)

    def states(self, function: FunctionRecord) -> list[ProvisionState]:
        """Of each version for which some are kept warm."""
        return [self._state(function, each) for each in self.provisions.of(function)]

    def unallocated(self, function: FunctionRecord) -> int:
        """How many more may be provisioned."""
        allocated = sum(each.wanted for each in self.provisions.of(function))
        return max(0, self._keeper.most_instances(function) - allocated)

    def memory(self, function: FunctionRecord) -> int:
        """MB of all that are to be kept warm."""
        versions = function.versions
        of = self.provisions.of(function)
        return sum(each.wanted * versions[each.version].config.memory for each in of if each.version in versions)

    def check_reserved(self, function: FunctionRecord, memory: int) -> None:
        """Raises FailedOperation.ProvisionedExceedReserved where less is to be reserved than is provisioned."""
        if self.memory(function) > memory:
            raise FailedOperationProvisionedExceedReserved(
                f"The provisioned concurrency of function {function.name} has {self.memory(function)} MB, more than "
                f"the {memory} MB that are to be reserved."
            )

    def wait(self, function: FunctionRecord, version: str, timeout: float) -> bool:
        """Wait until all are there, or cannot be had; False when ``timeout`` (seconds) came first."""
        return self._keeper.wait_provisioned(function, version, timeout)

    def _state(self, function: FunctionRecord, provision: Provision) -> ProvisionState:
        available = self._keeper.available(function, provision.version)
        status = FAILED if provision.problem else DONE if available >= provision.wanted else IN_PROGRESS
        actions = tuple(each.action for each in self._armed.get(function, {}).get(provision.version, ()))
        return ProvisionState(provision.version, provision.wanted, available, status, provision.problem, actions)

    def _check_room(self, function: FunctionRecord, version: str, wanted: int) -> None:
        others = sum(each.wanted for each in self.provisions.of(function) if each.version != version)
        most = self._keeper.most_instances(function)
        if wanted + others <= most:
            return
        text = f"Function {function.name} may have {most} instances, and {others} are provisioned of other versions"
        if function.reserved_memory is not None:
            raise FailedOperationProvisionedExceedReserved(f"{text}: {wanted} exceed its reserved quota.")
        raise FailedOperationProvisionedExceedAvailable(f"{text}: {wanted} exceed what is left.")

    # -- by the clock --------------------------------------------------------------------------------------------

    def _arm_all(self, function: FunctionRecord, version: str, actions: Sequence[TimedAction]) -> None:
        """The caller holds the keeper's lock."""
        armed = [_Armed(function, version, action) for action in actions]
        own = self._armed.setdefault(function, {})
        before = own.pop(version, [])
        if armed:
            own[version] = armed
        elif not own:
            del self._armed[function]
        for each in before:
            each.gone = True
            if each.due is not None:
                each.due.cancel()
        for each in armed:
            self._arm_after(each, datetime.fromtimestamp(self._clock.now(), self._zone).replace(tzinfo=None))

    def _arm_after(self, armed: _Armed, wall: datetime) -> None:
        following = armed.action.cron.next_after(wall)
        if following is not None:
            moment = following.replace(tzinfo=self._zone).timestamp()
            armed.due = self._clock.call_at(moment, lambda: self._fire(armed, following))

    def _fire(self, armed: _Armed, wall: datetime) -> None:
        with self._keeper.lock:
            if armed.gone:
                return
            self._arm_after(armed, wall)
            self.provisions.set(armed.function, armed.version, armed.action.number)
            self._changed.append(armed)
        self._keeper.keep_warm(armed.function)

    def _wait_for_changed(self) -> None:
        """While the clock is advanced: what an action wants is there before time goes on."""
        with self._keeper.lock:
            changed, self._changed = self._changed, []
        for armed in changed:
            version = armed.function.versions.get(armed.version)
            if version is not None:
                self.wait(armed.function, armed.version, version.config.init_timeout + _PATIENCE)
