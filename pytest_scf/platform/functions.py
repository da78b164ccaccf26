"""Functions as the platform knows them."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_scf import facts
from pytest_scf.api_errors import ResourceNotFoundFunction, ResourceNotFoundQualifier
from pytest_scf.facts import LATEST
from pytest_scf.instances.server_kind import ServerKind
from pytest_scf.platform.file_systems import FileSystem
from pytest_scf.platform.layers import BoundLayers
from pytest_scf.platform.routing import Alias

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.instances.probe_channel import ProbeServer
    from pytest_scf.platform.staging import Staging, StagingArea


@dataclass(frozen=True, kw_only=True)
class Server:
    """A function that is a program of its own: an image function, a web function or a custom runtime."""

    kind: ServerKind
    #: the main process: a program and its arguments
    command: tuple[str, ...]
    #: the working directory as the process sees it; None: the code root
    cwd: str | None = None
    port: int = facts.SERVER_PORT
    host_ports: tuple[int, ...] = ()
    #: directories, each as a pair of where it is and where the process sees it
    places: tuple[tuple[str, str], ...] = ()
    #: the image that a launcher runs, whose command and directory are its own unless they are given; None: a process
    image: str | None = None
    #: what takes the place of that image's CMD, its ENTRYPOINT kept; None: nothing
    arguments: tuple[str, ...] | None = None
    #: the variables that an image sets
    variables: tuple[tuple[str, str], ...] = ()
    #: seconds without a byte after which a WebSocket connection is ended; None: it takes none
    websocket_idle: int | None = None
    #: what a diagnosis says besides, such as which interpreter stood in for another
    notes: tuple[str, ...] = ()

    @property
    def is_container(self) -> bool:
        """Whether it has a file system of its own making, and in it no code root."""
        return self.cwd is not None or self.image is not None

    @property
    def root(self) -> Path:
        """What stands for the code root of a container."""
        return Path(self.places[0][0] if self.places else self.cwd or os.curdir)


class Probe(Protocol):
    """What works in the instances of a function on the test's behalf; see docs/inside.md."""

    def server(self, instance: Any) -> ProbeServer:
        """What serves an instance that is about to be started. Called with the platform's lock held.

        ``instance`` is its ``InstanceRecord``, whose module imports this one.
        """


@dataclass(frozen=True, kw_only=True)
class FunctionConfig:
    """What a function is created with; the rules for the values are the contract's, and are checked there."""

    name: str
    handler: str
    code_root: Path
    namespace: str = facts.DEFAULT_NAMESPACE
    runtime: str = "Python3.10"
    memory: int = facts.MEMORY_DEFAULT
    timeout: int = facts.TIMEOUT_DEFAULT
    init_timeout: int = facts.INIT_TIMEOUT_DEFAULT
    environment: Mapping[str, str] = field(default_factory=dict)
    async_run: bool = False
    trace: bool = True
    version: str = LATEST
    description: str = ""
    #: overrides the runtime's setting for this function
    max_instances: int | None = None
    #: None for a function whose handler is called
    server: Server | None = None
    #: None: the test's own
    interpreter: Interpreter | None = None
    file_systems: tuple[FileSystem, ...] = ()
    layers: BoundLayers = field(default_factory=BoundLayers)
    #: what was said of it that has no effect here, by the API's names
    remembered: Mapping[str, object] = field(default_factory=dict)
    #: what works in its instances on the test's behalf; None: nothing
    probe: Probe | None = None

    @property
    def type(self) -> str:
        """The API's Type: "HTTP" for a web function."""
        return "HTTP" if self.server is not None and self.server.kind.takes_requests else "Event"

    def paths(self) -> list[Path]:
        """The directories of this machine that an instance needs."""
        own = [self.code_root, *self.layers.paths()]
        if self.server is None:
            return own
        cwd = () if self.server.cwd is None else (Path(self.server.cwd),)
        return [*own, *cwd, *(Path(outside) for outside, _ in self.server.places)]

    def frozen(self, area: StagingArea, staging: Staging) -> FunctionConfig:
        """The same with code and layers that nobody changes."""
        code_root = self.code_root
        if self.server is None or not self.server.is_container:
            code_root = staging.new() / "code"
            shutil.copytree(self.code_root, code_root, symlinks=True, copy_function=staging.copy)
        return replace(self, code_root=code_root, layers=self.layers.frozen(area, staging))

    @property
    def is_python(self) -> bool:
        """Whether it is a handler in Python, which counts its lines where coverage is measured."""
        return self.server is None and (self.interpreter is None or self.interpreter.language == "python")


@dataclass(frozen=True)
class Version:
    """What was published of a function, frozen: its ``config`` with the number of the version, and when."""

    config: FunctionConfig
    time: float


class FunctionRecord:
    """A function, its versions and aliases.

    ``Registry`` alone changes it, under its lock. The dictionaries are replaced as a
    whole and never changed, so that anybody may read them without it.
    """

    def __init__(
        self,
        config: FunctionConfig,
        now: float = 0.0,
        retry_num: int = facts.RETRY_NUM_DEFAULT,
        msg_ttl: int = facts.MSG_TTL_DEFAULT,
    ) -> None:
        #: of $LATEST
        self.config: FunctionConfig = config
        self.id = f"lam-{secrets.token_hex(4)}"
        self.add_time = self.mod_time = now
        self.deleted = False
        self.versions: Mapping[str, Version] = {}
        self.published = 0
        self.aliases: Mapping[str, Alias] = {facts.DEFAULT_ALIAS: Alias.default(now)}
        #: MB that the instances of the function may have together; None: what its ``max_instances`` may have
        self.reserved_memory: int | None = None
        #: how often an asynchronous invocation that failed is tried again, where it is no asynchronous execution
        self.retry_num = retry_num
        #: seconds (of the clock) that such an invocation is kept for its attempts
        self.msg_ttl = msg_ttl

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def namespace(self) -> str:
        return self.config.namespace

    def resolve(self, qualifier: str | None = None, routing_key: str = "") -> FunctionConfig:
        """What a call with a qualifier (a version or an alias) runs; without one it goes to the alias $DEFAULT.

        Raises ResourceNotFound.Qualifier, and ResourceNotFound.Function once the function is deleted.
        """
        self.check_present()
        if qualifier == LATEST:
            return self.config
        alias = self.aliases.get(qualifier or facts.DEFAULT_ALIAS)
        number = qualifier if alias is None else alias.choose(routing_key)
        if number == LATEST:
            return self.config
        version = None if number is None else self.versions.get(number)
        if version is None:
            raise ResourceNotFoundQualifier(
                f"The function {self.name} has no version or alias {qualifier or facts.DEFAULT_ALIAS}."
            )
        return version.config

    def check_present(self) -> None:
        """Raises ResourceNotFound.Function once the function is deleted."""
        if self.deleted:
            raise ResourceNotFoundFunction(f"The function {self.name} has been deleted.")

    def serves(self, config: FunctionConfig) -> bool:
        """Whether calls may still come for instances of this configuration."""
        if self.deleted:
            return False
        return config is self.config or any(version.config is config for version in self.versions.values())

    def __repr__(self) -> str:
        return f"<function {self.namespace}/{self.name}>"
