"""What can be done with functions and their invocations, as typed values: the one way in.

The API's actions, the handles of a test and ``serve`` all come through here. Whatever implements it runs functions: the
platform of this process, and a test's fake. What an operation is refused for, it raises as the API's error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from pytest_scf import facts

if TYPE_CHECKING:
    import socket

    from pytest_scf.instances.levels import Level
    from pytest_scf.platform.buckets import Buckets
    from pytest_scf.platform.event_store import EventStore
    from pytest_scf.platform.functions import FunctionConfig, FunctionRecord, Probe
    from pytest_scf.platform.images import Images
    from pytest_scf.platform.layers import Layers
    from pytest_scf.platform.provisioning import Provisioning
    from pytest_scf.platform.records import Attempt, InstanceRecord, Invocation
    from pytest_scf.platform.registry import Registry
    from pytest_scf.platform.settings import Settings
    from pytest_scf.platform.staging import StagingArea
    from pytest_scf.platform.triggers import Triggers

T = TypeVar("T")


class Now(Protocol):
    @property
    def has_jumped(self) -> bool: ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def shown(self, moment: float) -> float:
        """What is told of a moment, where the clock has jumped."""
        ...


class Operations(Protocol):
    """All of it may be called from any thread."""

    @property
    def settings(self) -> Settings: ...

    @property
    def clock(self) -> Now: ...

    @property
    def functions(self) -> Registry:
        """The functions, their aliases and the namespaces, with the verbs that change these."""
        ...

    @property
    def events(self) -> EventStore:
        """What is remembered of invocations."""
        ...

    @property
    def triggers(self) -> Triggers:
        """What calls functions by itself."""
        ...

    @property
    def provisioning(self) -> Provisioning:
        """How many instances of which versions are kept warm."""
        ...

    @property
    def buckets(self) -> Buckets:
        """Objects in memory, which triggers of COS are told of."""
        ...

    @property
    def images(self) -> Images:
        """What the images run that functions are created of by name."""
        ...

    @property
    def layers(self) -> Layers:
        """The layers that are published."""
        ...

    @property
    def staging(self) -> StagingArea:
        """Where code is put that does not come as a directory."""
        ...

    @property
    def base_dir(self) -> Path:
        """Code that is staged lies below it."""
        ...

    @property
    def isolation(self) -> Level:
        """The level of isolation in force."""
        ...

    # -- functions -----------------------------------------------------------------------------------------------

    def create_function(
        self,
        config: FunctionConfig,
        *,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        make_namespace: bool = True,
    ) -> FunctionRecord: ...

    def update_function(self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]) -> None: ...

    def publish_version(self, function: FunctionRecord, description: str = "") -> FunctionConfig: ...

    def delete_version(self, function: FunctionRecord, version: str, *, force: bool = False) -> None: ...

    def delete_layer_version(self, name: str, number: int) -> None: ...

    def delete_function(self, function: FunctionRecord) -> None: ...

    def reserve_memory(self, function: FunctionRecord, memory: int | None) -> None: ...

    def instances_of(self, function: FunctionRecord) -> list[InstanceRecord]:
        """Those that are alive, oldest first."""
        ...

    # -- invocations ---------------------------------------------------------------------------------------------

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
    ) -> Invocation: ...

    def terminate(self, event: Invocation, graceful: bool = False) -> None: ...

    def wait_final(self, event: Invocation, timeout: float | None = None) -> bool: ...

    def wait(
        self,
        event: Invocation,
        look: Callable[[Invocation], T | None],
        timeout: float | None,
        what: str = "what was waited for",
    ) -> T: ...

    def wait_for_log(
        self, event: Invocation, search: Callable[[str], T | None], timeout: float | None, what: str = "a log line"
    ) -> T: ...

    def wait_for_signal_handler(self, event: Invocation, timeout: float | None) -> None: ...

    # -- instances of this machine -------------------------------------------------------------------------------

    def equip(self, function: FunctionRecord, probe: Probe) -> None:
        """Have all instances of a function that start from now on work with a probe."""
        ...

    def lift_limits(self, instance: InstanceRecord) -> None: ...

    def suspend_limits(self, instance: InstanceRecord) -> Callable[[], None]:
        """Let no time count of what an instance works on, until what this gives is called."""
        ...

    def attempt_of(self, instance: InstanceRecord) -> Attempt | None:
        """What an instance works on now."""
        ...

    def notify(self, event: Invocation) -> None:
        """Something about an invocation has changed that is not the platform's: let those who wait look."""
        ...
