"""Starting an instance: what it is made of, and what makes it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.errors import IsolationUnavailable
from pytest_scf.facts import MIB
from pytest_scf.instances.forkserver.client import ForkServer
from pytest_scf.instances.host import Host
from pytest_scf.instances.launch_request import LaunchRequest
from pytest_scf.instances.launch_spec import CoverageSpec, ServerSpec
from pytest_scf.instances.levels import DIRECTORY, NAMESPACES, Level
from pytest_scf.instances.observer import Observer
from pytest_scf.instances.process import InstanceProcess
from pytest_scf.platform.environment import context_of, environ_of, needs_new_program, with_buckets
from pytest_scf.platform.functions import FunctionConfig
from pytest_scf.platform.records import Attempt, InstanceRecord
from pytest_scf.platform.settings import Settings
from pytest_scf.runtimes import launch_keys

if TYPE_CHECKING:
    from pytest_scf.instances.containers import ContainerHost


#: a variable of ours, for functions that the official Python SDK's hook is not in: where the API is reached, HOST:PORT
API_ENDPOINT = "PYTEST_SCF_API_ENDPOINT"


@dataclass(frozen=True)
class InstanceServices:
    """What instances have from the test process, beside the events."""

    #: a port of 127.0.0.1 on which the API is reached from inside; 0: none
    api_port: Callable[[], int] = lambda: 0
    #: a port of 127.0.0.1 on which the buckets of COS are reached; 0: none
    cos_port: Callable[[], int] = lambda: 0
    #: how coverage is counted; None: it is not
    coverage: CoverageSpec | None = None
    #: called in the reactor's thread with what an instance has counted
    on_coverage: Callable[[InstanceRecord, dict[str, Any]], None] | None = None
    #: called with what the user's processes write during an attempt, as it comes, and with b"" when that has ended;
    #: it must not wait for anything
    on_output: Callable[[Attempt, bytes], object] | None = None
    #: called before an instance is killed that may have served somebody, with what kills it: to be called soon
    before_kill: Callable[[InstanceRecord, Callable[[], None]], None] | None = None


class InstanceStarter:
    """Thread-safe. Raises IsolationUnavailable where the settings ask for a level that this machine refuses."""

    def __init__(self, settings: Settings, host: Host, credential: tuple[str, str, str]) -> None:
        self._settings = settings
        self._host = host
        self._credential = credential
        self._lock = threading.Lock()
        self._containers: ContainerHost | None = None
        self._services = InstanceServices()
        #: why a better isolation than the one in force was refused, where it was
        self.refused = ""
        #: the level in force
        self.level = self._choose_level(settings.isolation)
        #: for what instances read; it outlives each fork server
        self.base_dir: Path = host.base_dir

    def _choose_level(self, wanted: str) -> Level:
        if wanted == "auto":
            try:
                return self._host.fork_server(NAMESPACES.name).level
            except IsolationUnavailable as error:
                self.refused, wanted = error.reason, DIRECTORY.name
        return self._host.fork_server(wanted).level

    def provide(self, services: InstanceServices) -> None:
        """For the instances that are started from now on."""
        self._services = services

    @property
    def services(self) -> InstanceServices:
        return self._services

    @property
    def counts_coverage(self) -> bool:
        return self._services.coverage is not None

    @property
    def containers(self) -> ContainerHost:
        """What starts containers. Raises UsageError where the launcher cannot be had, which may take its time."""
        with self._lock:
            if self._containers is None:
                from pytest_scf.instances.containers import ContainerHost

                self._containers = ContainerHost(self._settings.launcher, self._host.reactor, self.base_dir)
            return self._containers

    def host_of(self, config: FunctionConfig) -> ForkServer | ContainerHost:
        """What starts instances of this configuration: a fork server is started anew where it has died."""
        if config.server is not None and config.server.image is not None:
            return self.containers
        return self._host.fork_server(self.level.name)

    def start(self, instance: InstanceRecord, observer: Observer, source: str = "") -> InstanceProcess:
        """Have the processes of an instance started; returns at once. Raises ForkServerError, InstanceError.

        ``source`` is what TRIGGER_SRC says.
        """
        config, settings, services = instance.config, self._settings, self._services
        in_container = config.server is not None and config.server.image is not None
        api_port = 0 if in_container else services.api_port()
        cos_port = 0 if in_container else services.cos_port()
        request = LaunchRequest(
            id=f"{os.getpid()}-{id(self):x}-{instance.id}",
            handler=config.handler,
            code_source=config.code_root,
            environ={
                **with_buckets(environ_of(config, settings, source), cos_port, is_program=config.server is not None),
                **self._credential_variables(),
                **_endpoint_variable(api_port),
            },
            context=context_of(config, settings),
            tmp_bytes=settings.tmp_bytes,
            shm_bytes=config.memory * MIB,
            new_program=settings.start_method == "spawn" or needs_new_program(config),
            pidfd=settings.pidfd,
            coverage=services.coverage if config.is_python else None,
            server=_server_spec(config, tuple(port for port in (api_port, cos_port) if port)),
            bind_mounts=() if config.server is None else config.server.places,
            layers=config.layers.root,
            shared_mounts=tuple((str(each.directory), each.local) for each in config.file_systems),
            interpreter=config.interpreter,
            options={launch_keys.NODE_CALLBACK_WAITS: settings.node_callback_waits},
            api_port=api_port if config.server is None else 0,
            probe=None if config.probe is None else config.probe.server(instance),
        )
        process = InstanceProcess(request, self.host_of(config), self._host.reactor, observer)
        report = services.on_coverage
        if report is not None:
            process.on_coverage = lambda found: report(instance, found)
        process.launch()
        return process

    def _credential_variables(self) -> dict[str, str]:
        names = ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN")
        return dict(zip(names, self._credential, strict=True))

    def close(self) -> None:
        launcher = self._settings.launcher if self._containers is None else self._containers.launcher
        if not isinstance(launcher, str):
            launcher.close()


def _endpoint_variable(api_port: int) -> dict[str, str]:
    return {API_ENDPOINT: f"127.0.0.1:{api_port}"} if api_port else {}


def _server_spec(config: FunctionConfig, own_ports: tuple[int, ...]) -> ServerSpec | None:
    server = config.server
    if server is None:
        return None
    return ServerSpec(
        kind=server.kind,
        command=server.command,
        cwd=server.cwd,
        port=server.port,
        host_ports=(*server.host_ports, *own_ports),
        image=server.image,
        arguments=server.arguments,
    )
