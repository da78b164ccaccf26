"""The platform: assigns events to instances, decides how each event ends, and repossesses instances.

One lock guards all of it. It is held for moments only: never while a process is waited for.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_scf import facts
from pytest_scf.api_errors import (
    FailedOperationAsyncEventStatus,
    LimitExceededFunctionReservedConcurrencyMemory,
    UnsupportedOperation,
)
from pytest_scf.errors import EventEnded, InstanceError, IsolationUnavailable, ScfError, WaitTimeout
from pytest_scf.instances import memory
from pytest_scf.instances.host import HostLease
from pytest_scf.instances.process import STUCK_DEADLINE, InstanceProcess, ServerSpec, Spec
from pytest_scf.platform import status
from pytest_scf.platform.clock import Clock
from pytest_scf.platform.diagnosis import diagnose
from pytest_scf.platform.events import EventRecord, EventStore, Registration, SignalNote, Waiter, new_request_id
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord
from pytest_scf.platform.instance import InitReport, InstanceRecord
from pytest_scf.platform.queue import Queue
from pytest_scf.platform.registry import Registry
from pytest_scf.platform.renewal import LOOK_INTERVAL, Renewal
from pytest_scf.platform.settings import Settings
from pytest_scf.platform.spill import Spill
from pytest_scf.platform.staging import StagingArea
from pytest_scf.runtimes import wire

if TYPE_CHECKING:
    from pytest_scf.instances.containers import ContainerHost

T = TypeVar("T")

#: seconds that the runtime is given to hand out its coverage before the process is killed or signalled
COVERAGE_DEADLINE = 2.0
#: seconds that a signal handler is given to end when the event it was meant for has ended already
SETTLE_DEADLINE = 5.0
#: bytes of a log up to which a wait searches all of it anew, so that what is searched may span lines; then by lines
SEARCHED_WHOLE = 1 << 18

#: what each kind of answer means
_ANSWERS = {
    wire.RETURNED: "the handler returned",
    wire.RETURNED_TEXT: "the server answered",
    wire.RESPONDED: "the server answered",
}
_CONTAINER_FAILURES = {"container": status.CONTAINER_INIT_ERROR, "port": status.PORT_BINDING_FAILED}

RECEIVED = "[PLATFORM] Signal received successfully"
NOT_RECEIVED = "[PLATFORM] Signal reception failed"


class Platform:
    """Raises IsolationUnavailable where the settings ask for a level that this machine refuses."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        #: why a better isolation than the one in force was refused, where it was
        self.refused = ""
        self._lease = HostLease()
        try:
            self._reactor = self._lease.host.reactor
            self._server = self._choose_server()
        except BaseException:
            self._lease.release()
            raise
        self._lock = threading.RLock()
        self._closed = False
        self._owner = os.getpid()
        self._watching_memory = False
        self.staging = StagingArea(lambda: self.base_dir)
        self._containers: ContainerHost | None = None
        self._all_gone = threading.Condition(self._lock)
        self._starting_or_alive: set[InstanceRecord] = set()
        self.clock = Clock(self._reactor)
        self.functions = Registry(self.clock.now)
        self._queue = Queue(self.clock, settings, self._try_again, self._waited_too_long)
        self._spill = Spill()
        self.events = EventStore(
            self.clock, settings.retention_hours * 3600, settings.window_hours * 3600, settings.visible_after_seconds
        )
        #: what a function signs its own calls of the API with: id, key and token, which nobody else can know
        self.credential = (f"AKID{os.urandom(16).hex()}", os.urandom(16).hex(), os.urandom(32).hex())
        #: a port of 127.0.0.1 on which the API is reached from inside; 0: none
        self.api_port: Callable[[], int] = lambda: 0
        #: coverage of what runs in the instances; see ``pytest_scf.facade.coverage``
        self.coverage: dict[str, Any] | None = None
        self.on_coverage: Callable[[InstanceRecord, dict[str, Any]], None] | None = None

    def _choose_server(self) -> Any:
        wanted = self.settings.isolation
        if wanted != "auto":
            return self._lease.host.fork_server(wanted)
        try:
            return self._lease.host.fork_server("namespaces")
        except IsolationUnavailable as error:
            self.refused = error.reason
            return self._lease.host.fork_server("directory")

    @property
    def isolation(self) -> str:
        """The level in force: "namespaces" or "directory"."""
        level: str = self._server.level
        return level

    @property
    def base_dir(self) -> Path:
        """The directory of this process's fork server; it goes with that."""
        directory: Path = self._server.base_dir
        return directory

    @property
    def runs_containers(self) -> bool:
        """Whether image functions are images that a launcher runs, and not processes."""
        return self.settings.launcher != "process"

    @property
    def containers(self) -> ContainerHost:
        """What starts containers. Raises UsageError where the launcher cannot be had."""
        with self._lock:
            if self._containers is None:
                from pytest_scf.instances.containers import ContainerHost

                self._containers = ContainerHost(self.settings.launcher, self._reactor, self.base_dir)
            return self._containers

    def new_staging_dir(self) -> Path:
        """A new directory for code that was not given as a directory; it goes when the platform closes."""
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
        function = self.functions.add(config, retry_num=retry_num, msg_ttl=msg_ttl, make_namespace=make_namespace)
        function.spill = self._spill
        return function

    def update_function(self, function: FunctionRecord, change: Callable[[FunctionConfig], FunctionConfig]) -> None:
        """Change the configuration of $LATEST. What runs goes on as it began; idle instances are repossessed."""
        with self._lock:
            self.functions.update_config(function, change)
            outdated = self._repossess_outdated(function)
        self._wait_all_gone(outdated)
        self.staging.retain(self._paths_in_use)

    def publish_version(self, function: FunctionRecord, description: str = "") -> FunctionConfig:
        """Freeze the code and the configuration of $LATEST as the next version."""
        config = function.config
        code_root = config.code_root
        with self.staging.writing() as staging:
            if config.server is None or config.server.cwd is None:
                code_root = staging.new() / "code"
                shutil.copytree(config.code_root, code_root, symlinks=True, copy_function=staging.copy)
            return self.functions.publish(
                function, replace(config, code_root=code_root, description=description or config.description)
            )

    def reserve_memory(self, function: FunctionRecord, memory: int | None) -> None:
        """MB that its instances may have together; None: what its ``max_instances`` may have."""
        self.functions.set_reserved_memory(function, memory)
        self.serve_queue(function)

    def delete_version(self, function: FunctionRecord, version: str, *, force: bool = False) -> None:
        """Forget a version. What runs of it goes on; its idle instances are repossessed."""
        with self._lock:
            self.functions.delete_version(function, version, force=force)
            outdated = self._repossess_outdated(function)
        self._wait_all_gone(outdated)
        self.staging.retain(self._paths_in_use)

    def delete_function(self, function: FunctionRecord) -> None:
        """Forget a function with its versions. SILENT what becomes of its running events: they go on to their end."""
        with self._lock:
            self.functions.remove(function)
            outdated = self._repossess_outdated(function)
            while self._queue.has(function):
                self._serve(self._queue.next(function))
        self._wait_all_gone(outdated)
        self.staging.retain(self._paths_in_use)

    def _paths_in_use(self) -> list[Path]:
        """What functions, their versions, instances and events need of this machine's files."""
        with self._lock:
            configs = [event.config for event in self.events.running()]
            configs += [instance.config for instance in self._starting_or_alive]
            for function in self.functions.all():
                configs += [function.config, *(version.config for version in function.versions.values())]
        return [path for config in configs for path in config.paths()]

    def _repossess_outdated(self, function: FunctionRecord) -> list[InstanceRecord]:
        outdated = [each for each in function.idle if not function.serves(each.config)]
        for instance in outdated:
            function.idle.remove(instance)
            instance.process.kill()
        return outdated

    def _wait_all_gone(self, instances: list[InstanceRecord]) -> None:
        for instance in instances:
            self._wait_gone(instance)

    # -- invoking ------------------------------------------------------------------------------------------------

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
    ) -> EventRecord:
        """Start one invocation with ``payload`` (JSON) and return its record, RUNNING.

        ``as_request``: the payload is an HTTP request for a web function, which takes nothing else.

        Raises LimitExceeded.FunctionReservedConcurrencyMemory (432) when every instance that the function may have is
        busy. An asynchronous invocation of a function without asynchronous execution waits for an instance instead, and
        is tried again where it fails (see ``pytest_scf.platform.queue``); LimitExceeded.Quota when too many wait.
        """
        config = function.resolve(qualifier, routing_key)
        event = EventRecord(
            request_id or new_request_id(),
            function,
            config,
            asynchronous=asynchronous and config.async_run,
            invoke_type=invoke_type,
            qualifier=qualifier or config.version,
            start_time=self.clock.now(),
        )
        server = config.server
        if server is not None and server.kind == "web" and not as_request:
            raise UnsupportedOperation(
                f"The function {function.name} is a web function: it takes HTTP requests, and cannot be invoked."
            )
        with self._lock:
            if self._closed:
                raise ScfError("this runtime is closed: its functions cannot be invoked any more")
            is_message = asynchronous and not event.asynchronous
            if is_message:
                event.message = payload
                event.routing_key = routing_key
            instance = function.take_idle(config)
            if instance is not None:
                self.events.add(event)
                self._assign(instance, event, payload)
            elif self._has_room(function):
                self._launch(function, event, payload)
                self.events.add(event)
            elif is_message:
                self._queue.refuse_when_full(function)
                self.events.add(event)
                self._queue.put(event)
            else:
                raise LimitExceededFunctionReservedConcurrencyMemory(self._exceeded(function))
        return event

    def _exceeded(self, function: FunctionRecord) -> str:
        quota = function.reserved_memory
        if quota is None:
            quota = self._most_instances(function) * function.config.memory
        return f"Function [ {function.name} ] concurrency exceeded reserved quota {quota}MB"

    def _most_instances(self, function: FunctionRecord) -> int:
        if function.reserved_memory is not None:
            return function.reserved_memory // function.config.memory
        return function.config.max_instances or self.settings.max_instances

    def _has_room(self, function: FunctionRecord) -> bool:
        """Whether another instance may be started; it takes the place of one that is idle, of another version."""
        working = sum(1 for instance in function.instances if instance.event is not None)
        return working < self._most_instances(function)

    def _assign(self, instance: InstanceRecord, event: EventRecord, payload: bytes) -> None:
        instance.event = event
        event.instance = instance
        if instance.state == "idle":
            instance.state = "busy"
            instance.process.resume_output()
            self._begin(instance)
        instance.process.send_event(event.request_id, payload)

    def _credential_variables(self) -> dict[str, str]:
        names = ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN")
        return dict(zip(names, self.credential, strict=True))

    def when_readable(self, fd: int, call: Callable[[], object]) -> Callable[[], None]:
        """Have ``call`` called in the background while ``fd`` is readable; gives what ends that."""
        self._reactor.watch(fd, call)
        return lambda: self._reactor.unregister(fd)

    def _begin(self, instance: InstanceRecord) -> None:
        """The handler is about to run: its time limit counts from here."""
        self._limit(instance, instance.config.timeout)
        if not self._watching_memory:
            self._watching_memory = True
            self._reactor.call_at(time.monotonic() + memory.INTERVAL, self._watch_memory)

    def _launch(self, function: FunctionRecord, event: EventRecord, payload: bytes) -> None:
        config = event.config
        instance = InstanceRecord(self, function, config)
        spec = Spec(
            id=f"{os.getpid()}-{id(self):x}-{instance.id}",
            handler=config.handler,
            code_source=config.code_root,
            environ={**config.environ(self.settings), **self._credential_variables()},
            context=config.context(self.settings),
            tmp_bytes=self.settings.tmp_bytes,
            start_method=self.settings.start_method,
            pidfd=self.settings.pidfd,
            coverage=self.coverage if config.is_python else None,
            server=_server_spec(config),
            interpreter=config.interpreter,
            api_port=self.api_port() if config.server is None else 0,
        )
        process = instance.process = InstanceProcess(spec, self._host_of(config), self._reactor, instance)
        if self.on_coverage is not None:
            report = self.on_coverage
            process.on_coverage = lambda found: report(instance, found)
        event.cold = True
        event.instance = instance
        instance.event = event
        process.launch()
        if len(function.instances) >= self._most_instances(function) and function.idle:
            function.idle.pop(0).process.kill()
        function.instances.append(instance)
        self._starting_or_alive.add(instance)
        event.payload = payload
        # What a launcher needs to start a container is none of the function's time.
        starting = STUCK_DEADLINE if process.level == "container" else 0.0
        self._limit(instance, config.init_timeout + starting)

    def _host_of(self, config: FunctionConfig) -> Any:
        return self._server if config.server is None or config.server.image is None else self.containers

    # -- what instances tell (reactor's thread) ------------------------------------------------------------------

    def on_message(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        with self._lock:
            if kind in _ANSWERS:
                self._answered(instance, kind, payload)
            elif kind == wire.READY:
                self._ready(instance, payload)
            elif kind == wire.INIT_STARTED:
                self._limit(instance, instance.config.init_timeout)
            elif kind == wire.PONG:
                self._lives(instance)
            elif kind == wire.SIGNAL_HANDLER:
                self._registered(instance, json.loads(payload))
            elif kind == wire.UNCAUGHT:
                instance.uncaught = json.loads(payload)
            elif kind == wire.SHARED_TMP:
                facts = json.loads(payload)
                self._notice(instance, f"the handler touched the shared {facts['path']} ({facts['operation']})")
            else:
                self._failed(instance, kind, payload)

    def on_output(self, instance: InstanceRecord) -> None:
        with self._lock:
            if self._take_output(instance) and instance.event is not None:
                instance.event.touch()

    def _take_output(self, instance: InstanceRecord) -> bool:
        event = instance.event
        if event is None and instance.state != "gone":
            # Written by what the last request left running: it waits, and shows in the log of the next one.
            instance.process.pause_output()
            return False
        data = instance.process.drain()
        if data and event is not None:
            event.log.write(data, self.clock.now())
        return bool(data)

    def _ready(self, instance: InstanceRecord, payload: bytes) -> None:
        self._take_output(instance)
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        total = (time.monotonic() - instance.launched) * 1000
        instance.init = InitReport(self.clock.now(), total, seconds * 1000, peak_kib * 1024)
        instance.state = "busy"
        event = instance.event
        assert event is not None
        event.log.end_init()
        if event.decided or self._peak_was_too_high(instance, peak_kib):
            return
        self._begin(instance)
        # Sent only now, so that what the handler writes can be told from what the init phase wrote.
        instance.process.send_event(event.request_id, event.payload)
        event.payload = b""
        event.touch()

    def _registered(self, instance: InstanceRecord, facts: dict[str, Any]) -> None:
        event = instance.event if instance.init is not None else None
        instance.registration = Registration(facts["disposition"], facts["name"], facts["file"], facts["line"], event)
        if instance.event is not None:
            self._explain_signal(instance.event, instance.registration)
            instance.event.touch()

    def _explain_signal(self, event: EventRecord, registration: Registration) -> None:
        """A signal handler is there a moment before it is told of: the signal may have been sent in between."""
        if event.signals and event.signals[-1].disposition == "caught" and event.signals[-1].registration is None:
            event.signals = (*event.signals[:-1], replace(event.signals[-1], registration=registration))

    def _notice(self, instance: InstanceRecord, text: str) -> None:
        if instance.event is not None:
            instance.event.notices += (text,)

    def _answered(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        event = instance.event
        if event is None:
            return
        self._take_output(instance)
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        if self._peak_was_too_high(instance, peak_kib):
            return
        if not event.decide(status.FINISHED, status.SUCCESS, _ANSWERS[kind], self.clock.now()):
            return
        event.duration_ms = seconds * 1000
        event.memory_bytes = peak_kib * 1024
        body = payload[wire.MEASURE.size :]
        if kind == wire.RESPONDED:
            event.response = body
        else:
            event.ret_msg = body.decode("utf-8", "backslashreplace")
            event.is_text = kind == wire.RETURNED_TEXT
        self._settle(instance, event)

    def _failed(self, instance: InstanceRecord, kind: int, payload: bytes) -> None:
        event = instance.event
        if event is None:
            return
        body = payload[wire.MEASURE.size :]
        if kind == wire.TOO_LARGE:
            message = f"{status.RESPONSE_TOO_LARGE.text}: it has {int(body)} bytes"
            self._exceptional(
                instance, event, status.RESPONSE_TOO_LARGE, "the response was too large", message, payload
            )
            return
        facts = json.loads(body)
        if kind == wire.ERROR_ANSWER or (kind == wire.LOAD_FAILED and facts["reason"] in _CONTAINER_FAILURES):
            code = _CONTAINER_FAILURES.get(facts.get("reason"), status.USER_CODE_ERROR)
            message = f"{code.text}: {facts['message']}"
            self._exceptional(instance, event, code, facts["message"], message, payload)
            if kind == wire.LOAD_FAILED:
                instance.process.kill()
            return
        what = f"{facts['type']}: {facts['message']}" if facts["message"] else facts["type"]
        if kind == wire.RAISED:
            message = f"{status.USER_CODE_EXCEPTION.text}: {what}"
            cause = f"the handler raised {what}"
            self._exceptional(instance, event, status.USER_CODE_EXCEPTION, cause, message, payload, facts["stack"])
        elif facts["reason"] == "handler":
            message = f"{status.HANDLER_NOT_FOUND.text}: {facts['message']}"
            cause = f"the handler could not be loaded: {facts['message']}"
            self._exceptional(instance, event, status.HANDLER_NOT_FOUND, cause, message, payload, facts["stack"])
        else:
            message = f"{status.USER_CODE_ERROR.text}: {what}"
            cause = f"the code failed while the instance started: {what}"
            self._exceptional(instance, event, status.USER_CODE_ERROR, cause, message, payload, facts["stack"])
        if kind == wire.LOAD_FAILED:
            instance.process.kill()

    def _exceptional(
        self,
        instance: InstanceRecord,
        event: EventRecord,
        code: status.StatusCode,
        cause: str,
        message: str,
        payload: bytes,
        stack: str = "",
    ) -> None:
        self._take_output(instance)
        seconds, peak_kib = wire.MEASURE.unpack_from(payload)
        if self._peak_was_too_high(instance, peak_kib):
            return
        if not event.decide(status.FAILED, code, cause, self.clock.now()):
            return
        event.duration_ms = seconds * 1000
        event.memory_bytes = peak_kib * 1024
        event.fail(message, stack)
        self._settle(instance, event)

    def _settle(self, instance: InstanceRecord, event: EventRecord) -> None:
        """The runtime has answered and waits for more: keep the instance, or repossess it and publish then."""
        process = instance.process
        failed = event.outcome.status != status.FINISHED
        if process.exit is not None:
            return  # it answered and died, and is about to be gone
        if (failed and event.asynchronous) or instance.init is None:
            process.kill()
        elif instance.signals_under_way:
            pass  # done again when they have been sent
        elif any(note.delivered for note in event.signals):
            self._settle_after_signal(instance, event)
        else:
            self._free(instance, event)

    def _settle_after_signal(self, instance: InstanceRecord, event: EventRecord) -> None:
        """The event may have ended just as the signal came: let that take effect, so that it spares the next event.

        What was signalled before it is asked for a sign of life has died, or run its signal handler, when that comes.
        """
        if any(note.disposition == "blocked" for note in event.signals):
            instance.process.kill()  # the signal waits for the moment in which it is unblocked
            return
        instance.settling = True
        self._limit(instance, SETTLE_DEADLINE)
        instance.process.ping()

    def _lives(self, instance: InstanceRecord) -> None:
        event = instance.event
        if instance.settling and event is not None:
            instance.settling = False
            self._take_output(instance)
            self._free(instance, event)

    def _free(self, instance: InstanceRecord, event: EventRecord) -> None:
        instance.event = None
        function = instance.function
        if not function.serves(instance.config) or self._queue.has(function) or self._closed:
            self._publish(event)
            self._next_for(instance)
            return
        instance.state = "idle"
        instance.idle_since = event.outcome.time
        function.idle.append(instance)
        self._expect_idle_end(function)
        self._publish(event)

    def _publish(self, event: EventRecord) -> None:
        """Let an outcome be seen; but that of an attempt which is to be followed by another."""
        if event.message is not None and not self._closed and self._queue.retry(event):
            return
        event.message = None
        event.publish()

    def _next_for(self, instance: InstanceRecord) -> None:
        """Give an instance that has become free the next waiting event, or take it back."""
        function = instance.function
        if self._closed or not function.serves(instance.config):
            instance.state = "idle"
            instance.process.kill()
        elif self._queue.has(function):
            instance.state = "idle"
            self._serve(self._queue.next(function), instance)

    # -- messages that waited; see ``pytest_scf.platform.queue`` -------------------------------------------------

    def serve_queue(self, function: FunctionRecord) -> None:
        """Begin with the messages that wait, as far as the function may have instances."""
        with self._lock:
            while self._queue.has(function) and not self._closed and self._has_room(function):
                self._serve(self._queue.next(function))

    def _serve(self, event: EventRecord, instance: InstanceRecord | None = None) -> None:
        """Begin an attempt at a message, in an idle instance or a new one."""
        assert event.message is not None
        function = event.function
        event.assigned = self.clock.now()
        try:
            event.config = function.resolve(event.qualifier, event.routing_key)
            if instance is not None and instance.config is not event.config:
                instance.process.kill()
                instance = None
            instance = instance or function.take_idle(event.config)
            if instance is None:
                self._launch(function, event, event.message)
                return
        except ScfError as error:
            cause = f"no instance could be started: {error}"
            event.decide(status.FAILED, status.INTERNAL_ERROR, cause, self.clock.now())
            event.fail(f"{status.INTERNAL_ERROR.text}: {error}")
            self._publish(event)
            return
        self._assign(instance, event, event.message)
        event.touch()

    def _try_again(self, event: EventRecord) -> None:
        with self._lock:
            if not self._queue.take(event):
                return
            if self._has_room(event.function):
                self._serve(event)
            else:
                self._queue.put(event)

    def _waited_too_long(self, event: EventRecord) -> None:
        with self._lock:
            if not self._queue.take(event):
                return
            cause = f"no instance became free within the {event.function.msg_ttl} s that a message is kept (MsgTTL)"
            event.decide(status.FAILED, status.RESOURCE_LIMIT_REACHED, cause, self.clock.now())
            event.fail(f"{self._exceeded(event.function)}: {cause}")
            event.publish()

    def on_gone(self, instance: InstanceRecord, error: str) -> None:
        """Every process of the instance has ended, and what it had said before has been heard."""
        with self._lock:
            instance.state = "gone"
            if instance.timer is not None:
                instance.timer.cancel()
            function = instance.function
            event = instance.event
            if event is not None:
                while self._take_output(instance):
                    pass
            instance.gone_error = error
            if instance in function.instances:
                function.instances.remove(instance)
            if instance in function.idle:
                function.idle.remove(instance)
            instance.gone.set()
            self._starting_or_alive.discard(instance)
            if event is not None:
                self._lost_under(instance, event, error)
                self._publish(event)
                if not event.final:
                    instance.event = None
            self._all_gone.notify_all()
            self.serve_queue(function)

    def _lost_under(self, instance: InstanceRecord, event: EventRecord, error: str) -> None:
        """The instance of an event is gone. Unless its outcome stands, that is the outcome."""
        event.exit = instance.process.exit
        now = self.clock.now()
        started = event.began if instance.init is None else max(instance.init.time, event.began)
        if event.exit is None:
            cause = f"the instance could not be run: {error}" if error else "the instance was killed from outside"
            if event.decide(status.FAILED, status.INTERNAL_ERROR, cause, now):
                event.fail(f"{status.INTERNAL_ERROR.text}: {cause}")
        else:
            when = "" if instance.init is not None else " while the instance started"
            if instance.uncaught is not None:
                facts = instance.uncaught
                what = f"{facts['type']}: {facts['message']}" if facts["message"] else facts["type"]
                if event.decide(status.FAILED, status.USER_CODE_ERROR, f"nothing caught {what}{when}", now):
                    event.fail(f"{status.USER_CODE_ERROR.text}: {what}", facts["stack"])
            server = instance.config.server
            is_container = server is not None and server.kind != "custom" and instance.init is None
            code = status.CONTAINER_STATE_EXITED if is_container else status.USER_PROCESS_EXIT
            cause = f"the process {event.exit}{when}"
            if event.exit.out_of_memory:
                code, cause = status.MEMORY_LIMIT, f"the container held more than its {instance.config.memory} MB{when}"
            if event.decide(status.FAILED, code, cause, now):
                event.fail(code.text)
            event.memory_bytes = event.memory_bytes or event.exit.peak_bytes
        if not event.memory_bytes and instance.init is not None:
            event.memory_bytes = instance.init.memory_bytes
        if not event.duration_ms:
            event.duration_ms = max(0.0, event.outcome.time - started) * 1000

    # -- limits (reactor's thread) -------------------------------------------------------------------------------

    def _limit(self, instance: InstanceRecord, seconds: float) -> None:
        """Set how long the instance may work on its event from now.

        One timer serves all events of an instance: when it fires it looks whether the limit has moved on.
        """
        instance.deadline = time.monotonic() + seconds
        if instance.timer is None or instance.timer.due > instance.deadline:
            if instance.timer is not None:
                instance.timer.cancel()
            instance.timer = self._reactor.call_at(instance.deadline, lambda: self._look_at_limit(instance))

    def _look_at_limit(self, instance: InstanceRecord) -> None:
        with self._lock:
            instance.timer = None
            if instance.event is None or (instance.event.decided and not instance.settling):
                return
            if time.monotonic() < instance.deadline:
                instance.timer = self._reactor.call_at(instance.deadline, lambda: self._look_at_limit(instance))
                return
            if instance.settling:
                instance.settling = False
                instance.process.kill()
                return
            self._time_is_up(instance, instance.event)

    def _time_is_up(self, instance: InstanceRecord, event: EventRecord) -> None:
        self._take_output(instance)
        server = instance.config.server
        if instance.init is None and server is not None and server.kind != "custom" and instance.pid is not None:
            seconds, code = instance.config.init_timeout, status.PORT_BINDING_FAILED.code
            from pytest_scf.instances import netstat

            found = netstat.explain(instance.pid, server.port, own_network=instance.isolation != "directory")
            cause = f"no connection to port {server.port} within the InitTimeout of {seconds} s: {found}"
            message = f"{status.PORT_BINDING_FAILED.text} within {seconds} seconds: {found}"
        elif instance.init is None:
            seconds, code = instance.config.init_timeout, self.settings.init_timeout_code
            message = f"{status.INIT_TIMEOUT.text} after {seconds} seconds"
            cause = f"the instance was not ready within its InitTimeout of {seconds} s"
            if server is not None:
                cause += ": its bootstrap did not POST /runtime/init/ready"
        else:
            seconds, code = instance.config.timeout, status.TIME_LIMIT.code
            message = f"{status.TIME_LIMIT.text} after {seconds} seconds (time out)"
            cause = f"the handler did not end within its Timeout of {seconds} s"
        event.decide(status.FAILED, code, cause, self.clock.now())
        event.fail(message)
        self._end(instance)

    def _watch_memory(self) -> None:
        with self._lock:
            busy = [instance for instance in self._starting_or_alive if instance.state in ("busy", "starting")]
            self._watching_memory = bool(busy) and not self._closed
        for instance in busy:
            pid = instance.pid
            if pid is None:
                continue
            held = memory.held_bytes(pid)
            if held > instance.config.memory * 1024 * 1024:
                self._memory_is_up(instance, held)
        if self._watching_memory:
            self._reactor.call_at(time.monotonic() + memory.INTERVAL, self._watch_memory)

    def _memory_is_up(self, instance: InstanceRecord, held: int) -> None:
        with self._lock:
            event = instance.event
            if event is None or event.decided:
                return
            self._take_output(instance)
            limit, used = instance.config.memory, held / 1048576
            cause = f"the processes held {used:.0f} MB of memory, more than the limit of {limit} MB"
            event.decide(status.FAILED, status.MEMORY_LIMIT, cause, self.clock.now())
            event.memory_bytes = held
            event.fail(f"{status.MEMORY_LIMIT.text}: {used:.0f} MB used of {limit} MB")
            instance.process.kill()

    def _peak_was_too_high(self, instance: InstanceRecord, peak_kib: int) -> bool:
        """Whether the user's process held too much between two looks at it: it says so itself in the end."""
        peak = peak_kib * 1024
        if peak <= instance.config.memory * 1024 * 1024 or instance.pid is None:
            return False
        peak -= memory.shared_bytes(instance.pid)
        if peak <= instance.config.memory * 1024 * 1024:
            return False
        self._memory_is_up(instance, peak)
        return True

    def _end(self, instance: InstanceRecord) -> None:
        """Kill an instance whose event is decided, after its coverage is saved where that is counted."""
        instance.process.save_coverage_then(instance.process.kill, COVERAGE_DEADLINE)

    def _expect_idle_end(self, function: FunctionRecord) -> None:
        if function.idle_due is None:
            moment = self.clock.now() + self.settings.idle_seconds
            function.idle_due = self.clock.call_at(moment, lambda: self._repossess_idle(function))

    def _repossess_idle(self, function: FunctionRecord) -> None:
        """Take back the instances that have been idle long enough; look again when the next will have been."""
        with self._lock:
            function.idle_due = None
            limit = self.clock.now() - self.settings.idle_seconds + 1e-6
            old = [instance for instance in function.idle if instance.idle_since <= limit]
            for instance in old:
                function.idle.remove(instance)
                instance.process.kill()
            if function.idle:
                moment = min(instance.idle_since for instance in function.idle) + self.settings.idle_seconds
                function.idle_due = self.clock.call_at(moment, lambda: self._repossess_idle(function))
        if not self._reactor.is_current_thread:
            for instance in old:
                self._wait_gone(instance)

    # -- terminating ---------------------------------------------------------------------------------------------

    def terminate(self, event: EventRecord, graceful: bool = False) -> None:
        """End an event by force, and return when no process of its instance is left; or send it the termination signal.

        Raises FailedOperation.AsyncEventStatus when the event is not RUNNING.
        """
        if graceful:
            self._send_signal(event)
            return
        with self._lock:
            instance = event.instance
            won = event.decide(status.ABORTED, status.CANCELLED, "the user terminated the event", self.clock.now())
            if won:
                event.fail(status.CANCELLED.text)
                if instance is not None:
                    self._end(instance)
                else:
                    self._queue.take(event)
                    event.publish()
        if not won:
            raise self._not_running(event)
        if instance is not None:
            self._wait_gone(instance)
        self._wait_published(event)

    def _not_running(self, event: EventRecord) -> FailedOperationAsyncEventStatus:
        self._wait_published(event)  # so that nobody is refused and then finds it RUNNING
        return FailedOperationAsyncEventStatus(
            f"The event {event.request_id} of function {event.function.name} is {event.status}, not RUNNING: "
            "only a RUNNING event can be terminated."
        )

    def _wait_gone(self, instance: InstanceRecord) -> None:
        if not instance.gone.wait(STUCK_DEADLINE):
            raise InstanceError(f"{instance!r} is not gone {STUCK_DEADLINE:g} s after it was killed")

    def _wait_published(self, event: EventRecord) -> None:
        """An outcome that stands is seen once what it entails has happened, which takes a moment."""
        if not self.wait_final(event, STUCK_DEADLINE):
            raise InstanceError(f"{event!r} is decided, and not ended {STUCK_DEADLINE:g} s later")

    def _send_signal(self, event: EventRecord) -> None:
        instance = event.instance
        if event.decided or instance is None:
            raise self._not_running(event)
        process = instance.process
        process.wait_for_user_process(STUCK_DEADLINE)
        if process.disposition(signal.SIGTERM) in ("default", "unknown"):
            # It may die of the signal. One that goes on hands its counts out itself, and misses none then: to take them
            # from beside code that runs can lose what is counted in that moment.
            process.save_coverage(COVERAGE_DEADLINE)
        with self._lock:
            too_late = event.decided
            if not too_late:
                # What was written before the signal stands before the platform's line, what comes after it, after.
                self._take_output(instance)
                now = self.clock.now()
                found = process.disposition(signal.SIGTERM)
                registration = instance.registration
                if found == "unknown" and registration is not None:
                    found = registration.disposition
                delivered = process.signal_now(signal.SIGTERM) if found != "gone" else False
                if delivered is not None:
                    self._signalled(event, SignalNote(now, delivered, found, registration))
                    return
                instance.signals_under_way += 1
                process.pause_output()
        if too_late:
            raise self._not_running(event)
        # Without a pidfd the init sends the signal: it is asked without the lock, which its answer may have to pass.
        delivered = False
        try:
            delivered = process.signal_through_init(signal.SIGTERM)
        finally:
            with self._lock:
                instance.signals_under_way -= 1
                self._signalled(event, SignalNote(now, delivered, found, registration))
                process.resume_output()
                if event.decided and not event.final and not instance.signals_under_way:
                    self._settle(instance, event)

    def _signalled(self, event: EventRecord, note: SignalNote) -> None:
        event.signals += (note,)
        event.log.write_platform(RECEIVED if note.delivered else NOT_RECEIVED, note.time)
        event.touch()
        deadline = self.settings.signal_deadline
        if deadline is not None and len(event.signals) == 1:
            self._reactor.call_at(time.monotonic() + deadline, lambda: self._signal_deadline(event, deadline))

    def _signal_deadline(self, event: EventRecord, deadline: float) -> None:
        with self._lock:
            cause = f"the event still ran {deadline:g} s after the termination signal (signal_deadline)"
            if event.instance is not None and event.decide(status.ABORTED, status.CANCELLED, cause, self.clock.now()):
                event.fail(status.CANCELLED.text)
                self._end(event.instance)

    # -- waiting -------------------------------------------------------------------------------------------------

    def wait_final(self, event: EventRecord, timeout: float | None = None) -> bool:
        """Wait until the event has ended; False when ``timeout`` (seconds) came first."""
        if not event.done.acquire(timeout=-1 if timeout is None else timeout):
            return event.final
        event.done.release()
        return True

    def wait(
        self, event: EventRecord, predicate: Callable[[EventRecord], T | None], timeout: float | None, what: str = ""
    ) -> T:
        """Wait until ``predicate`` gives something other than None or False, and return that.

        It is asked with the platform's lock held, each time something about the event has changed.
        Raises WaitTimeout after ``timeout`` seconds.
        """
        waiter = Waiter(predicate)
        with self._lock:
            found = predicate(event)
            if found is not None and found is not False:
                return found
            event.waiters += (waiter,)
        if waiter.latch.acquire(timeout=-1 if timeout is None else max(0.0, timeout)):
            return cast(T, waiter.result)
        with self._lock:
            if waiter in event.waiters:
                event.forget(waiter)
            elif waiter.result is not None:
                return cast(T, waiter.result)
        raise WaitTimeout(
            f"event {event.request_id} of function {event.function.name}: {what or 'what was waited for'} "
            f"did not happen within {timeout:g} s; {diagnose(event)}"
        )

    def wait_for_log(
        self, event: EventRecord, search: Callable[[str], T | None], timeout: float | None, what: str = ""
    ) -> T:
        """Wait until ``search`` finds something in the log's output and platform lines.

        Raises EventEnded when the event ended without it, WaitTimeout after ``timeout`` seconds.
        """
        searched, log = 0, event.log

        def look(record: EventRecord) -> T | Exception | None:
            nonlocal searched, log
            if log is not record.log:  # another attempt has one of its own
                searched, log = 0, record.log
            final = record.final
            start = record.log.line_start()
            found = search(record.log.since(searched))
            if found is not None:
                return found
            if record.log.size > SEARCHED_WHOLE:
                searched = max(searched, start)
            return _ended(record, what or "a log line") if final else None

        return self._wait_or_ended(event, look, timeout, what or "a log line")

    def wait_for_signal_handler(self, event: EventRecord, timeout: float | None) -> None:
        """Wait until the event's process catches SIGTERM.

        Code that registered its signal handler while it worked on an earlier event of the same instance is given some
        time to do so again (``Renewal``), since the handler of that earlier event would not serve this one.
        Raises EventEnded when the event ended before that, WaitTimeout after ``timeout`` seconds.
        """
        renewal = Renewal()

        def look(record: EventRecord) -> bool | Exception | None:
            instance = record.instance
            if record.decided or instance is None:
                return _ended(record, "a signal handler for SIGTERM") if record.final else None
            registration = instance.registration
            if registration is not None and registration.disposition == "caught":
                if registration.event is record:
                    return True
                if registration.event is not None and not renewal.is_overdue:
                    return None
            if instance.init is None and registration is None:
                return None
            return instance.process.disposition(signal.SIGTERM) == "caught" or None

        over = False

        def look_again() -> None:
            with self._lock:
                if over or event.final:
                    return
                if event.instance is not None and event.instance.pid is not None:
                    renewal.look(event.instance.pid)
                event.touch()
                self._reactor.call_at(time.monotonic() + LOOK_INTERVAL, look_again)

        self._reactor.call_at(time.monotonic() + LOOK_INTERVAL, look_again)
        try:
            self._wait_or_ended(event, look, timeout, "a signal handler for SIGTERM")
        finally:
            over = True

    def _wait_or_ended(
        self, event: EventRecord, look: Callable[[EventRecord], T | Exception | None], timeout: float | None, what: str
    ) -> T:
        found = self.wait(event, look, timeout, what)
        if isinstance(found, EventEnded):
            raise found
        return cast(T, found)

    # -- closing -------------------------------------------------------------------------------------------------

    def close(self) -> list[EventRecord]:
        """Kill every instance, wait until all are gone, and return the events that were still RUNNING.

        In a fork of the process that made it there is nothing to close: the instances are the parent's.
        """
        if os.getpid() != self._owner:
            return []
        with self._lock:
            if self._closed:
                return []
            self._closed = True
            running = [event for event in self.events.running() if not event.decided]
            now = self.clock.now()
            self._queue.clear()
            for event in running:
                event.decide(status.ABORTED, status.CANCELLED, "the runtime was closed while the event ran", now)
                event.fail(status.CANCELLED.text)
                if event.instance is None:
                    event.publish()
            for instance in list(self._starting_or_alive):
                if instance.event is not None and self.coverage is not None:
                    self._end(instance)
                else:
                    instance.process.kill()
            self.clock.close()
        try:
            with self._all_gone:
                if not self._all_gone.wait_for(lambda: not self._starting_or_alive, STUCK_DEADLINE):
                    raise InstanceError(f"not gone {STUCK_DEADLINE:g} s after being killed: {self._starting_or_alive}")
        finally:
            self._spill.close()
            launcher = self.settings.launcher if self._containers is None else self._containers.launcher
            if not isinstance(launcher, str):
                launcher.close()
            self.staging.close()
            self._lease.release()
        return running


def _server_spec(config: FunctionConfig) -> ServerSpec | None:
    server = config.server
    if server is None:
        return None
    return ServerSpec(
        kind=server.kind,
        command=list(server.command),
        cwd=server.cwd,
        port=server.port,
        host_ports=list(server.host_ports),
        bind_mounts=list(server.places),
        image=server.image,
    )


def _ended(event: EventRecord, what: str) -> EventEnded:
    return EventEnded(
        f"event {event.request_id} of function {event.function.name} ended {event.status} {event.status_code} "
        f"before {what} was seen; {diagnose(event)}"
    )
