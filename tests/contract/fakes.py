"""The platform's real memory without its processes: for what the contract decides by itself.

The registry, the records and the store are the platform's own; only the running of a function is made up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_scf.api_errors import FailedOperationAsyncEventStatus
from pytest_scf.errors import EventEnded
from pytest_scf.instances.levels import DIRECTORY, Level
from pytest_scf.platform.buckets import Buckets
from pytest_scf.platform.clock import Due
from pytest_scf.platform.event_store import EventStore
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.images import NoImages
from pytest_scf.platform.layers import Layers
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.provisioning import Provisioning
from pytest_scf.platform.provisions import Provisions
from pytest_scf.platform.records import Attempt, InstanceRecord, Invocation
from pytest_scf.platform.registry import Registry
from pytest_scf.platform.request_ids import new_request_id
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.staging import StagingArea
from pytest_scf.platform.status import FAILED, FINISHED
from pytest_scf.platform.triggers import Triggers

if TYPE_CHECKING:
    import socket

    from pytest_scf.contract.operations import Operations
    from pytest_scf.platform.functions import FunctionConfig, FunctionRecord, Probe
    from pytest_scf.platform.platform import Platform

    def _implement_them(fake: FakePlatform, platform: Platform) -> list[Operations]:
        """For mypy: both are what the contract works with."""
        return [fake, platform]


T = TypeVar("T")

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC
HOUR = 3600.0


@dataclass
class StoppedClock:
    time: float = START

    has_jumped: bool = False

    def now(self) -> float:
        return self.time

    def shown(self, moment: float) -> float:
        return moment

    def call_at(self, moment: float, call: Callable[[], object]) -> Due:
        return Due(moment, call)

    def after_step(self, call: Callable[[], object]) -> None:
        """It is never advanced."""

    def after_advance(self, call: Callable[[], object]) -> None:
        """Nor here."""


class Keeper:
    """Keeps no instances: whatever is provisioned is in progress."""

    def __init__(self) -> None:
        self.provisions = Provisions()
        self.lock = threading.RLock()

    def most_instances(self, function: FunctionRecord) -> int:
        return 100

    def available(self, function: FunctionRecord, version: str) -> int:
        return 0

    def keep_warm(self, function: FunctionRecord) -> None:
        pass

    def wait_provisioned(self, function: FunctionRecord, version: str, timeout: float) -> bool:
        return False


class FakePlatform:
    """``outcome`` is done to each event when it is waited for. Nothing is run, so waits end with that."""

    isolation: Level = DIRECTORY

    def __init__(self, staging: Path = Path("nowhere"), **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.clock = StoppedClock()
        self.functions = Registry(self.clock.now)
        self.layers = Layers(self.clock.now)
        self.base_dir = staging
        self.triggers = Triggers(cast(Any, self.clock), 8.0, self.invoke, self.wait_final)
        self.provisioning = Provisioning(cast(Any, self.clock), 8.0, Keeper())
        self.buckets = Buckets(self.settings, self.triggers, self.clock.now)
        self.images = NoImages()
        self.staging = StagingArea(lambda: staging)
        retention, window = self.settings.retention_hours * HOUR, self.settings.window_hours * HOUR
        hidden = self.settings.visible_after_seconds
        self.events = EventStore(self.clock, retention, window, hidden)
        self.outcome: Callable[[Invocation], object] = finish
        self.payloads: dict[str, bytes] = {}
        self.terminated: list[tuple[Invocation, bool]] = []

    def deploy(self, name: str, **config: Any) -> FunctionRecord:
        config = {"handler": "index.main_handler", "code_root": Path("nowhere"), **config}
        return self.create_function(FunctionConfig(name=name, **config))

    def create_function(
        self, config: FunctionConfig, *, retry_num: int = 2, msg_ttl: int = 21600, make_namespace: bool = True
    ) -> FunctionRecord:
        return self.functions.add(config, retry_num=retry_num, msg_ttl=msg_ttl, make_namespace=make_namespace)

    def update_function(self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]) -> None:
        self.functions.update_config(function, change)

    def publish_version(self, function: FunctionRecord, description: str = "") -> FunctionConfig:
        return self.functions.publish(function, replace(function.config, description=description))

    def delete_version(self, function: FunctionRecord, version: str, *, force: bool = False) -> None:
        self.functions.delete_version(function, version, force=force)

    def delete_function(self, function: FunctionRecord) -> None:
        self.functions.remove(function)

    def delete_layer_version(self, name: str, number: int) -> None:
        self.layers.delete(name, number)

    def reserve_memory(self, function: FunctionRecord, memory: int | None) -> None:
        self.functions.set_reserved_memory(function, memory)

    def instances_of(self, function: FunctionRecord) -> list[InstanceRecord]:
        return []

    def equip(self, function: FunctionRecord, probe: Probe) -> None:
        self.functions.set_probe(function, probe)

    def lift_limits(self, instance: InstanceRecord) -> None:
        pass

    def suspend_limits(self, instance: InstanceRecord) -> Callable[[], None]:
        return lambda: None

    def attempt_of(self, instance: InstanceRecord) -> Attempt | None:
        return instance.attempt

    def notify(self, event: Invocation) -> None:
        pass

    def invoke(
        self,
        function: FunctionRecord,
        payload: bytes,
        *,
        asynchronous: bool,
        qualifier: str | None = None,
        invoke_type: str = "OTHERS",
        routing_key: str = "",
        request_id: str | None = None,
        as_request: bool = False,
        connection: socket.socket | None = None,
        fresh: bool = False,
    ) -> Invocation:
        request_id = request_id or new_request_id()
        self.payloads[request_id] = payload
        is_event = asynchronous and function.config.async_run
        version = function.resolve(qualifier, routing_key).version
        return self.add(
            function, request_id, asynchronous=is_event, qualifier=qualifier or version, invoke_type=invoke_type
        )

    def add(
        self,
        function: FunctionRecord,
        request_id: str,
        *,
        asynchronous: bool = True,
        qualifier: str = "$LATEST",
        invoke_type: str = "OTHERS",
        start_time: float | None = None,
    ) -> Invocation:
        event = Invocation(
            request_id,
            function,
            asynchronous=asynchronous,
            invoke_type=invoke_type,
            qualifier=qualifier,
            start_time=self.clock.now() if start_time is None else start_time,
        )
        self.events.add(event)
        return event

    def wait_final(self, event: Invocation, timeout: float | None = None) -> bool:
        assert timeout is None
        self.end(event)
        return event.final

    def end(self, event: Invocation) -> None:
        """Let the event end as ``outcome`` says."""
        self.outcome(event)
        if event.attempt.decided:
            event.attempt.publish()
            self.events.finish(event)

    def wait(
        self, event: Invocation, look: Callable[[Invocation], T | None], timeout: float | None, what: str = "a log line"
    ) -> T:
        found = look(event)
        assert found is not None
        return found

    def wait_for_log(
        self, event: Invocation, search: Callable[[str], T | None], timeout: float | None, what: str = "a log line"
    ) -> T:
        return self.wait(event, lambda record: search(record.attempt.log.text()), timeout, what)

    def wait_for_signal_handler(self, event: Invocation, timeout: float | None) -> None:
        raise EventEnded(f"{event.request_id} has no process")

    def terminate(self, event: Invocation, graceful: bool = False) -> None:
        if event.final:
            raise FailedOperationAsyncEventStatus(f"{event.request_id} is {event.status}")
        self.terminated.append((event, graceful))


def end(platform: FakePlatform, event: Invocation, status: str, code: int, time: float) -> None:
    assert event.attempt.conclude(Outcome(status, code, "the test says so"), time)
    event.attempt.publish()
    platform.events.finish(event)


def finish(event: Invocation) -> None:
    event.attempt.answer('"END"')
    event.attempt.measure(0.0015, 4)
    assert event.attempt.conclude(Outcome(FINISHED, 200, "it returned"), START + 1)


def fail(event: Invocation) -> None:
    assert event.attempt.conclude(Outcome(FAILED, 430, "it raised", "I failed!"), START + 1)
