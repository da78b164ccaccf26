"""The platform: functions, invocations and instances of one runtime, and what can be done with them.

It composes the parts of this room, each of which has a rule book of its own: ``registry`` of functions, ``scheduler``,
``termination``, ``waiting``, ``event_store``, ``queue``. What the cloud decides stands in ``outcomes``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pytest_scf import facts
from pytest_scf.api_errors import UnsupportedOperation
from pytest_scf.errors import BackgroundError, InstanceError, WaitTimeout
from pytest_scf.instances.host import HostLease
from pytest_scf.platform.buckets import Buckets
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.event_store import EventStore
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord, Probe
from pytest_scf.platform.images import Images, NoImages
from pytest_scf.platform.layers import Layers
from pytest_scf.platform.log_blocks import LogBlocks
from pytest_scf.platform.provisioning import Provisioning
from pytest_scf.platform.queue import FOR_AN_INSTANCE
from pytest_scf.platform.records import Attempt, InstanceRecord, Invocation
from pytest_scf.platform.registry import Registry
from pytest_scf.platform.request_ids import new_request_id
from pytest_scf.platform.scheduler import Scheduler
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.staging import StagingArea
from pytest_scf.platform.starting import InstanceServices, InstanceStarter
from pytest_scf.platform.termination import Termination
from pytest_scf.platform.topics import Topics
from pytest_scf.platform.triggers import Triggers
from pytest_scf.platform.waiting import STUCK_DEADLINE, Waits

if TYPE_CHECKING:
    import socket

    from pytest_scf.instances.containers import ContainerHost

T = TypeVar("T")


class Platform:
    """Thread-safe. Raises IsolationUnavailable where the settings ask for a level that this machine refuses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: what a function signs its own calls of the API with: id, key and token, which nobody else can know
        self.credential = (f"AKID{os.urandom(16).hex()}", os.urandom(16).hex(), os.urandom(32).hex())
        self._lease = HostLease()
        try:
            self._reactor = self._lease.host.reactor
            self._starter = InstanceStarter(settings, self._lease.host, self.credential)
        except BaseException:
            self._lease.release()
            raise
        #: the level in force
        self.isolation = self._starter.level
        self._closed = False
        self._owner = os.getpid()
        self._observer: Callable[[Invocation], None] | None = None
        #: each is called with an invocation that is about to begin
        self.arrivals: list[Callable[[Invocation], None]] = []
        #: what lets the limits go on again that were suspended all at once
        self._suspended: list[Callable[[], None]] = []
        self._log_blocks = LogBlocks()
        self.staging = StagingArea(lambda: self.base_dir)
        #: what the images run that functions are created of by name
        self.images: Images = NoImages()
        self.clock = Clock(self._reactor)
        self.functions = Registry(self.clock.now)
        self.layers = Layers(self.clock.now)
        self.events = EventStore(
            self.clock, settings.retention_hours * 3600, settings.window_hours * 3600, settings.visible_after_seconds
        )
        self._scheduler = Scheduler(settings, self.clock, self._reactor, self.events, self._starter)
        self._waits = Waits(self._scheduler.lock, self._background_errors)
        self._termination = Termination(settings, self.clock, self._reactor, self._scheduler, self._waits)
        self.triggers = Triggers(self.clock, settings.timer_utc_offset_hours, self.invoke, self._wait_for_attempt)
        self.provisioning = Provisioning(self.clock, settings.timer_utc_offset_hours, self._scheduler)
        self.buckets = Buckets(settings, self.triggers, self.clock.now)
        self.topics = Topics(settings, self.clock, self.triggers, self.wait_final)

    @property
    def refused(self) -> str:
        """Why a better isolation than the one in force was refused, where it was."""
        return self._starter.refused

    @property
    def base_dir(self) -> Path:
        """A directory of this process for what instances read."""
        return self._starter.base_dir

    @property
    def runs_containers(self) -> bool:
        """Whether image functions are images that a launcher runs, and not processes."""
        return self.settings.launcher != "process"

    @property
    def containers(self) -> ContainerHost:
        """What starts containers. Raises UsageError where the launcher cannot be had."""
        return self._starter.containers

    def provide(self, services: InstanceServices) -> None:
        """Give what instances have from the test process, beside the events: before the first of them is started."""
        self._starter.provide(services)

    def observe(self, observer: Callable[[Invocation], None]) -> None:
        """Have ``observer`` called whenever an invocation that begins from now on has written or ended.

        It is called in any thread, with the platform's lock held: it may take a note, and do nothing else.
        """
        self._observer = observer

    def when_readable(self, fd: int, call: Callable[[], object]) -> Callable[[], None]:
        """Have ``call`` called in the background while ``fd`` is readable; gives what ends that."""
        self._reactor.watch(fd, call)
        return lambda: self._reactor.unregister(fd)

    # -- functions -----------------------------------------------------------------------------------------------

    def new_staging_dir(self) -> Path:
        """A new directory for code that was not given as one, within ``staging.writing``: removed once it is unused."""
        return self.staging.new()

    def create_function(
        self,
        config: FunctionConfig,
        *,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
        make_namespace: bool = True,
    ) -> FunctionRecord:
        """Raises ResourceInUse.Function, and ResourceNotFound.Namespace where that is not to be made."""
        return self.functions.add(config, retry_num=retry_num, msg_ttl=msg_ttl, make_namespace=make_namespace)

    def update_function(self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]) -> None:
        """Change the configuration of $LATEST. What runs goes on as it began; idle instances are repossessed."""
        self.functions.update_config(function, change)
        self._clean_up_after(function)

    def equip(self, function: FunctionRecord, probe: Probe) -> None:
        """Have all instances of a function that start from now on work with a probe; idle ones are repossessed."""
        self.functions.set_probe(function, probe)
        self._clean_up_after(function)

    def suspend_limits(self, instance: InstanceRecord) -> Callable[[], None]:
        """Let no time count of what an instance works on, until what this gives is called."""
        return self._scheduler.time_limits.suspend(instance)

    def lift_limits(self, instance: InstanceRecord) -> None:
        """Let no time of an instance count any more, as long as it lives."""
        with self._scheduler.lock:
            self._scheduler.time_limits.lift_locked(instance)

    def suspend_all_limits(self) -> None:
        """Let no time count of anything that is worked on now, until ``resume_all_limits``."""
        self._suspended += [self.suspend_limits(instance) for instance in self._scheduler.instances]

    def resume_all_limits(self) -> None:
        while self._suspended:
            self._suspended.pop()()

    @property
    def signal_filters(self) -> list[Callable[[Attempt], bool]]:
        """Each is asked whether a termination signal that is about to be sent is lost."""
        return self._termination.signal_filters

    def note_fault(self, event: Invocation, what: str) -> None:
        """Have the log and the diagnosis of an invocation tell of a fault on purpose."""
        with self._scheduler.lock:
            event.attempt.note(f"a fault that the test has asked for: {what}")
            event.attempt.log.write_platform(f"[FAULT] {what}", self.clock.now())

    def break_down(self, instance: InstanceRecord, why: str) -> None:
        """Kill an instance as nobody of the cloud would; returns when it is gone."""
        with self._scheduler.lock:
            if instance.attempt is not None:
                instance.attempt.note(why)
            process = instance.process_if_alive
            if process is not None:
                process.kill()
        self._waits.gone(instance)

    def attempt_of(self, instance: InstanceRecord) -> Attempt | None:
        """What an instance works on now."""
        with self._scheduler.lock:
            return instance.attempt

    def notify(self, event: Invocation) -> None:
        """Something about an invocation has changed that is not the platform's: let those who wait look."""
        with self._scheduler.lock:
            event.notify_waiters()

    def publish_version(self, function: FunctionRecord, description: str = "") -> FunctionConfig:
        """Freeze the code and the configuration of $LATEST as the next version."""
        with self.staging.writing() as staging:
            config = function.config.frozen(self.staging, staging)
            return self.functions.publish(function, replace(config, description=description or config.description))

    def reserve_memory(self, function: FunctionRecord, memory: int | None) -> None:
        """MB that its instances may have together; None: what its ``max_instances`` may have."""
        self.functions.set_reserved_memory(function, memory)
        self._scheduler.serve_queue(function)

    def delete_version(self, function: FunctionRecord, version: str, *, force: bool = False) -> None:
        """Forget a version. What runs of it goes on; its idle instances are repossessed."""
        self.functions.delete_version(function, version, force=force)
        self.provisioning.delete(function, version)
        self._clean_up_after(function)

    def delete_layer_version(self, name: str, number: int) -> None:
        """Functions that have it keep it. Raises ResourceNotFound.Layer and ResourceNotFound.LayerVersion."""
        self.layers.delete(name, number)
        self.staging.retain(self._paths_in_use)

    def delete_function(self, function: FunctionRecord) -> None:
        """Forget a function with its versions.

        Choice: what becomes of its running events is not documented; they go on to their end.
        """
        self.functions.remove(function)
        self.events.forget_function(function)
        self.triggers.delete_all(function)
        self.provisioning.delete(function)
        self._clean_up_after(function)

    def _clean_up_after(self, function: FunctionRecord) -> None:
        """A function has changed: take back the instances, and remove the directories, that nobody needs any more."""
        for instance in self._scheduler.repossess_outdated(function):
            self._waits.gone(instance)
        self.staging.retain(self._paths_in_use)

    def _paths_in_use(self) -> list[Path]:
        """What functions, their versions, instances and invocations need of this machine's files."""
        configs = [event.attempt.config for event in self.events.running()]
        configs += [instance.config for instance in self._scheduler.instances]
        for function in self.functions.all():
            configs += [function.config, *(version.config for version in function.versions.values())]
        return [*self.layers.paths(), *(path for config in configs for path in config.paths())]

    def instances_of(self, function: FunctionRecord) -> list[InstanceRecord]:
        """Those that are alive, oldest first."""
        return self._scheduler.instances_of(function)

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
    ) -> Invocation:
        """Start one invocation with ``payload`` (JSON) and return it, RUNNING.

        ``as_request``: the payload is an HTTP request for a web function, which takes nothing else. ``connection``
        is the function's side of the WebSocket connection that it asks for, and given away unless this raises.
        ``fresh``: an idle instance does not do.

        Raises LimitExceeded.FunctionReservedConcurrencyMemory (432) when every instance that the function may have is
        busy. An asynchronous invocation of a function without asynchronous execution waits for an instance instead, and
        is tried again where it fails (see ``pytest_scf.platform.queue``); LimitExceeded.Quota when too many wait.
        ResourceNotFound.Function and .Qualifier for what has been deleted.
        """
        config = function.resolve(qualifier, routing_key)
        server = config.server
        if server is not None and server.kind.takes_requests and not as_request:
            raise UnsupportedOperation(
                f"The function {function.name} is a web function: it takes HTTP requests, and cannot be invoked."
            )
        is_message = asynchronous and not config.async_run
        event = Invocation(
            request_id or new_request_id(),
            function,
            config,
            asynchronous=asynchronous and config.async_run,
            invoke_type=invoke_type,
            qualifier=qualifier or config.version,
            start_time=self.clock.now(),
            message=payload if is_message else None,
            routing_key=routing_key if is_message else "",
            blocks=self._log_blocks,
        )
        if self._observer is not None:
            event.add_waiter(_Observed(event, self._observer))
        for act in tuple(self.arrivals):
            act(event)
        if connection is not None:
            event.bring_connection(connection)
        self._scheduler.invoke(event, payload, fresh=fresh)
        return event

    def terminate(self, event: Invocation, graceful: bool = False) -> None:
        """End an event by force, and return when no process of its instance is left; or send it the termination signal.

        Raises FailedOperation.AsyncEventStatus when the event is not RUNNING.
        """
        if graceful:
            self._termination.by_signal(event)
        else:
            self._termination.by_force(event)

    def wait_final(self, event: Invocation, timeout: float | None = None) -> bool:
        """Wait until the invocation has ended; False when ``timeout`` (seconds) came first."""
        return self._waits.final(event, timeout)

    def wait(
        self,
        event: Invocation,
        look: Callable[[Invocation], T | None],
        timeout: float | None,
        what: str = "what was waited for",
    ) -> T:
        """See ``Waits.until``."""
        return self._waits.until(event, look, timeout, what)

    def _wait_for_attempt(self, event: Invocation) -> None:
        """Wait until an invocation has ended or waits for another attempt; an asynchronous execution is not waited for.

        Choice: at most for as long as an instance may take to start and to answer, and one before it in a queue.
        """
        if not event.asynchronous:
            config = event.attempt.config
            with contextlib.suppress(WaitTimeout):
                self._waits.until(
                    event,
                    lambda found: found.final or found.waits not in ("", FOR_AN_INSTANCE),
                    2.0 * (config.timeout + config.init_timeout),
                )

    def wait_for_log(
        self, event: Invocation, search: Callable[[str], T | None], timeout: float | None, what: str = "a log line"
    ) -> T:
        """See ``Waits.log``."""
        return self._waits.log(event, search, timeout, what)

    def wait_for_signal_handler(self, event: Invocation, timeout: float | None) -> None:
        """See ``Waits.signal_handler``."""
        self._waits.signal_handler(event, timeout)

    # -- closing -------------------------------------------------------------------------------------------------

    def _background_errors(self) -> str:
        errors = [*self._scheduler.errors, *self._reactor.errors]
        return "; ".join(f"{type(error).__name__}: {error}" for error in errors)

    def close(self) -> list[Invocation]:
        """Kill every instance, wait until all are gone, and return the invocations that were still RUNNING.

        In a fork of the process that made it there is nothing to close: the instances are the parent's.
        Raises BackgroundError, when all is closed, where something of pytest-scf went wrong in the background.
        """
        if os.getpid() != self._owner or self._closed:
            return []
        self._closed = True
        errors: list[BaseException] = []
        with contextlib.ExitStack() as steps:  # each is done, whatever another raises; the last first
            steps.callback(self._lease.release)
            steps.callback(lambda: errors.extend([*self._scheduler.errors, *self._reactor.take_errors()]))
            steps.callback(self.staging.close)
            steps.callback(self._starter.close)
            steps.callback(self._log_blocks.close)
            steps.callback(self._scheduler.output.close)
            self.clock.close()
            running = self._scheduler.close()
            if left := self._scheduler.wait_all_gone(STUCK_DEADLINE):
                why = self._background_errors() or "nothing"
                text = f"not gone {STUCK_DEADLINE:g} s after being killed: {left}; in the background: {why}"
                raise InstanceError(text)
        if errors:
            raise BackgroundError(errors)
        return running


class _Observed(NamedTuple):
    """A waiter that never has enough."""

    event: Invocation
    observer: Callable[[Invocation], None]

    def set(self) -> None:
        self.observer(self.event)
