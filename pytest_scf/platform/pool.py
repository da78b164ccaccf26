"""The instances of one function, of all its versions."""

from __future__ import annotations

from collections.abc import Callable

from pytest_scf.platform.clock import Due
from pytest_scf.platform.functions import FunctionConfig
from pytest_scf.platform.records import InstanceRecord


class InstancePool:
    """Called with the platform's lock held, but for ``alive``."""

    def __init__(self) -> None:
        self.instances: list[InstanceRecord] = []
        #: the most recently used last, so that the others can grow old
        self.idle: list[InstanceRecord] = []
        #: when the idle ones are looked at for repossession
        self.idle_due: Due | None = None

    @property
    def alive(self) -> list[InstanceRecord]:
        """Oldest first."""
        return [each for each in list(self.instances) if each.alive]

    @property
    def working(self) -> int:
        return sum(1 for each in self.instances if each.attempt is not None)

    def add(self, instance: InstanceRecord) -> None:
        self.instances.append(instance)

    def remove(self, instance: InstanceRecord) -> None:
        for listed in (self.instances, self.idle):
            if instance in listed:
                listed.remove(instance)

    def keep_idle(self, instance: InstanceRecord) -> None:
        self.idle.append(instance)

    def take_idle(self, config: FunctionConfig) -> InstanceRecord | None:
        """The idle instance of this configuration that was used last; it is idle no more."""
        for at in range(len(self.idle) - 1, -1, -1):
            if self.idle[at].config is config:
                return self.idle.pop(at)
        return None

    def take_oldest_idle(self) -> list[InstanceRecord]:
        """None or one."""
        oldest = self.idle[:1]
        del self.idle[:1]
        return oldest

    def take_idle_where(self, condition: Callable[[InstanceRecord], bool]) -> list[InstanceRecord]:
        taken = [each for each in self.idle if condition(each)]
        self.idle = [each for each in self.idle if each not in taken]
        return taken

    def expect_idle_end(self, due: Due | None) -> None:
        self.idle_due = due
