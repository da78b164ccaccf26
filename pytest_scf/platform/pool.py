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
        #: those that are kept warm: started without an invocation, and replaced when they end
        self.provisioned: set[InstanceRecord] = set()
        #: when the idle ones are looked at for repossession
        self.idle_due: Due | None = None

    @property
    def alive(self) -> list[InstanceRecord]:
        """Oldest first."""
        return [each for each in list(self.instances) if each.alive]

    @property
    def occupied(self) -> int:
        """How many of what the function may have is taken: those that work, and those that are kept warm."""
        return sum(1 for each in self.instances if each.attempt is not None or each in self.provisioned)

    @property
    def elastic_idle(self) -> list[InstanceRecord]:
        """The idle ones that may be taken back, the most recently used last."""
        return [each for each in self.idle if each not in self.provisioned] if self.provisioned else self.idle

    def add(self, instance: InstanceRecord) -> None:
        self.instances.append(instance)

    def remove(self, instance: InstanceRecord) -> None:
        for listed in (self.instances, self.idle):
            if instance in listed:
                listed.remove(instance)
        self.provisioned.discard(instance)

    def keep_idle(self, instance: InstanceRecord) -> None:
        self.idle.append(instance)

    def take_idle(self, config: FunctionConfig) -> InstanceRecord | None:
        """The idle instance of this configuration that was used last, a provisioned one first; it is idle no more."""
        found = -1
        for at in range(len(self.idle) - 1, -1, -1):
            if _serves(self.idle[at], config):
                if not self.provisioned or self.idle[at] in self.provisioned:
                    return self.idle.pop(at)
                found = max(found, at)
        return None if found < 0 else self.idle.pop(found)

    def has_idle(self, config: FunctionConfig) -> bool:
        return any(_serves(each, config) for each in self.idle)

    def take_oldest_idle(self) -> list[InstanceRecord]:
        """None or one."""
        oldest = self.elastic_idle[:1]
        for each in oldest:
            self.idle.remove(each)
        return oldest

    def take_idle_where(self, condition: Callable[[InstanceRecord], bool]) -> list[InstanceRecord]:
        taken = [each for each in self.idle if condition(each)]
        self.idle = [each for each in self.idle if each not in taken]
        return taken

    def expect_idle_end(self, due: Due | None) -> None:
        self.idle_due = due


def _serves(instance: InstanceRecord, config: FunctionConfig) -> bool:
    """Not one whose process has ended, and of which not all is gone yet."""
    process = instance.process_if_alive
    return instance.config is config and process is not None and process.exit is None
