"""Keeping provisioned instances: started without an event, replaced when they end, and never repossessed for idleness.

Methods whose names end in ``_locked`` are called with the platform's lock held.
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from pytest_scf.errors import ScfError
from pytest_scf.platform import outcomes
from pytest_scf.platform.assignment import Assignment
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.provisions import Provisions, Start
from pytest_scf.platform.records import Attempt, InstanceRecord
from pytest_scf.platform.request_ids import new_request_id

if TYPE_CHECKING:
    from pytest_scf.instances.reactor import Reactor
    from pytest_scf.platform.clock import Clock
    from pytest_scf.platform.event_store import EventStore
    from pytest_scf.platform.settings import Settings
    from pytest_scf.platform.starting import InstanceStarter

#: an instance that ends by itself within so many seconds after it was ready, so many times in a row, is a failed start
_QUICK, _QUICK_ENDS = 1.0, 5


class WarmInstances(Assignment):
    """What of the scheduler is about provisioned instances."""

    def __init__(
        self, settings: Settings, clock: Clock, reactor: Reactor, events: EventStore, starter: InstanceStarter
    ) -> None:
        super().__init__(settings, clock, reactor, events, starter)
        self.provisions = Provisions()
        self._provisioned = threading.Condition(self.lock)

    def keep_warm(self, function: FunctionRecord) -> None:
        """Start, or let go, provisioned instances of a function until there are as many as are wanted."""
        for each in self.provisions.of(function):
            version = function.versions.get(each.version)
            if version is not None:
                with contextlib.suppress(ScfError):  # the start fails with it, too
                    self._starter.host_of(version.config)  # which takes time where it is started, so without the lock
        with self.lock:
            self._let_go_locked(function)
            self._top_up_locked(function)
            self._provisioned.notify_all()

    def most_instances(self, function: FunctionRecord) -> int:
        """How many instances a function may have."""
        return self._most_instances(function)

    def available(self, function: FunctionRecord, version: str) -> int:
        """Provisioned instances of a version that are ready, whether they work or not."""
        with self.lock:
            return sum(each.init is not None for each in self._warm_locked(function, version))

    def wait_provisioned(self, function: FunctionRecord, version: str, timeout: float) -> bool:
        """Wait until all are there, or cannot be had; False when ``timeout`` (seconds) came first."""

        def settled() -> bool:
            found = self.provisions.find(function, version)
            return found is None or bool(found.problem) or self.available(function, version) >= found.wanted

        with self._provisioned:
            return self._provisioned.wait_for(lambda: self._closed or settled(), timeout)

    def _warm_locked(self, function: FunctionRecord, number: str) -> list[InstanceRecord]:
        """The provisioned instances of a version, those that start among them."""
        version = function.versions.get(number)
        if version is None or function.deleted:
            return []
        return [each for each in self._pool_locked(function).provisioned if each.config is version.config]

    def _top_up_locked(self, function: FunctionRecord) -> None:
        if function not in self.provisions or self._closed:
            return
        for provision in self.provisions.of(function):
            version = function.versions.get(provision.version)
            while (
                version is not None
                and not function.deleted
                and not provision.problem
                and len(self._warm_locked(function, provision.version)) < provision.wanted
                and self._has_room_locked(function)
            ):
                self._provision_locked(function, version.config)

    def _provision_locked(self, function: FunctionRecord, config: FunctionConfig) -> None:
        now = self._clock.now()
        start = Start(new_request_id(), function, config, asynchronous=False, qualifier=config.version, start_time=now)
        self.provisions.began(start)
        try:
            self._launch_locked(start.attempt, b"")
        except Exception as error:
            self.fail_to_start_locked(start.attempt, error)
            return
        assert start.attempt.instance is not None
        self._pool_locked(function).provisioned.add(start.attempt.instance)

    def _let_go_locked(self, function: FunctionRecord) -> None:
        """Those that are too many: what starts and what is idle ends, what works becomes an instance like others."""
        pool = self._pool_locked(function)
        wanted = {each.version: each.wanted for each in self.provisions.of(function)}
        order = ("starting", "idle", "busy")
        found = sorted(pool.provisioned, key=lambda each: order.index(each.state) if each.state in order else 0)
        for version in {each.config.version for each in found}:
            of_version = [each for each in found if each.config.version == version]
            for instance in of_version[: max(0, len(of_version) - wanted.get(version, 0))]:
                self._let_one_go_locked(instance)

    def _let_one_go_locked(self, instance: InstanceRecord) -> None:
        pool, attempt = self._pool_locked(instance.function), instance.attempt
        pool.provisioned.discard(instance)
        if attempt is None:
            pool.take_idle_where(lambda each: each is instance)
            instance.process.kill()
        elif attempt.invocation.provisions:
            attempt.conclude(outcomes.cancelled("it is provisioned no more"), self._clock.now())
            instance.process.kill()

    def release_locked(self, instance: InstanceRecord, attempt: Attempt) -> None:
        """A provisioned instance is kept, for messages of its own version too, whatever waits for another one."""
        function = instance.function
        pool = self._pool_locked(function)
        if instance not in pool.provisioned or self._closed or not function.serves(instance.config):
            super().release_locked(instance, attempt)
        else:
            instance.become_idle(attempt.decided_at)
            pool.keep_idle(instance)
            self.publish_locked(attempt)
            self._serve_queue_locked(function)
        self._top_up_locked(function)

    def publish_locked(self, attempt: Attempt) -> None:
        """Let an outcome be seen; that of a start is its version's."""
        if not attempt.invocation.provisions:
            super().publish_locked(attempt)
            return
        attempt.publish()
        attempt.invocation.finish()
        provision, outcome = self.provisions.find(attempt.function, attempt.config.version), attempt.outcome
        if provision is not None and outcome is not None and outcome.code not in (200, 499):
            provision.problem = f"{outcome.code}: {outcome.message or outcome.cause}"
        self._provisioned.notify_all()

    def remove_locked(self, instance: InstanceRecord, attempt: Attempt | None) -> None:
        """An instance is gone: a provisioned one is replaced."""
        if attempt is None:
            self._note_end_locked(instance)
        super().remove_locked(instance, attempt)
        self._top_up_locked(instance.function)
        self._provisioned.notify_all()

    def _note_end_locked(self, instance: InstanceRecord) -> None:
        """What ends again and again as soon as it is ready, without having worked, is started no more."""
        function = instance.function
        provision = self.provisions.find(function, instance.config.version)
        is_provisioned = instance in self._pool_locked(function).provisioned
        if provision is None or instance.init is None or not is_provisioned or not function.serves(instance.config):
            return
        lived = time.monotonic() - instance.launched - instance.init.total_ms / 1000
        provision.quick_ends = provision.quick_ends + 1 if lived < _QUICK else 0
        if provision.quick_ends >= _QUICK_ENDS:
            exit = instance.process.exit
            how = "" if exit is None else f": the process {exit}"
            provision.problem = f"{_QUICK_ENDS} instances in a row ended as soon as they were ready{how}"
