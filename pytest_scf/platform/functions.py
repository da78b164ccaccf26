"""Functions as the platform knows them."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf.api_errors import (
    ResourceInUseFunction,
    ResourceNotFoundFunction,
    ResourceNotFoundNamespace,
    ResourceNotFoundQualifier,
)
from pytest_scf.platform.settings import Settings

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.platform.clock import Due
    from pytest_scf.platform.event_index import EventIndex
    from pytest_scf.platform.instance import InstanceRecord
    from pytest_scf.platform.spill import Spill

LATEST = "$LATEST"
#: what a function finds programs in, behind the directory of its interpreter
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
RETRY_NUM = 2
MSG_TTL = 6 * 3600


@dataclass(frozen=True, kw_only=True)
class Server:
    """What a function is that is a program of its own (contract 6): an image, web or custom runtime function."""

    #: "image": each event is a POST to /event-invoke; "web": HTTP requests pass through; "custom": the program fetches
    #: its events from the runtime API
    kind: str
    #: the main process: a program and its arguments
    command: tuple[str, ...]
    #: the working directory as the process sees it; None: the code root
    cwd: str | None = None
    port: int = 9000
    host_ports: tuple[int, ...] = ()
    #: directories, each as a pair of where it is and where the process sees it
    places: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class FunctionConfig:
    """What a function is created with; the rules for the values are the contract's, and are checked there."""

    name: str
    handler: str
    code_root: Path
    namespace: str = "default"
    runtime: str = "Python3.10"
    memory: int = 128
    timeout: int = 3
    init_timeout: int = 65
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

    def environ(self, settings: Settings) -> dict[str, str]:
        """The environment of the user's process (contract 5); nothing of the test's own is in it."""
        interpreter = sys.executable if self.interpreter is None else self.interpreter.executable
        environ = {
            **self.environment,
            "TENCENTCLOUD_RUNENV": "SCF",
            "TENCENTCLOUD_REGION": settings.region,
            "TENCENTCLOUD_APPID": settings.appid,
            "TENCENTCLOUD_UIN": settings.uin,
            "TENCENTCLOUD_TZ": "UTC",
            "SCF_RUNTIME": self.runtime,
            "SCF_FUNCTIONNAME": self.name,
            "SCF_FUNCTIONVERSION": self.version,
            "SCF_NAMESPACE": self.namespace,
            "USER_CODE_ROOT": "/var/user/",
            "TRIGGER_SRC": "",
            "_SCF_SERVER_PORT": "28902",
            "USER": "qcloud",
            "LOGNAME": "qcloud",
            "HOME": "/home/qcloud",
            "LANG": "en_US.UTF8",
            "LC_ALL": "en_US.UTF8",
            "PATH": os.pathsep.join([os.path.dirname(interpreter), *_PATH]),
            "SHELL": "/bin/bash",
            "HOSTNAME": "scf",
            "PWD": "/var/user",
            "PYTHONPATH": "/var/user:/opt",
            "PYTHONDONTWRITEBYTECODE": "x",
        }
        if self.interpreter is not None and self.interpreter.language == "node":
            for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
                del environ[name]
            environ["NODE_PATH"] = "/var/user:/var/user/node_modules:/opt:/opt/node_modules"
        if self.server is not None and self.server.kind == "image":
            # A container has a file system of its own making, and in it no code root.
            for name in ("USER_CODE_ROOT", "PYTHONPATH", "PWD"):
                del environ[name]
        if self.server is not None:
            # SILENT: what a Python server prints would otherwise wait in a buffer that dies with it.
            environ.setdefault("PYTHONUNBUFFERED", "1")
            if self.server.kind == "custom":
                environ["_HANDLER"] = self.handler
        return environ

    def context(self, settings: Settings) -> dict[str, object]:
        """The handler's ``context`` but for the request id (contract 5)."""
        pairs = [f"{name}={value}" for name, value in self.environment.items()]
        namespace = f"SCF_NAMESPACE={self.namespace}"
        return {
            "memory_limit_in_mb": self.memory,
            "time_limit_in_ms": self.timeout * 1000,
            "request_id": "",
            "environment": json.dumps({"SCF_NAMESPACE": self.namespace, **self.environment}),
            "environ": ";".join([namespace, *pairs, namespace]),
            "function_version": self.version,
            "function_name": self.name,
            "namespace": self.namespace,
            "tencentcloud_region": settings.region,
            "tencentcloud_appid": settings.appid,
            "tencentcloud_uin": settings.uin,
        }


class FunctionRecord:
    """A function, its instances, and what was asked of it."""

    def __init__(self, config: FunctionConfig) -> None:
        self.config = config
        self.instances: list[InstanceRecord] = []
        #: the most recently used last, so that the others can grow old
        self.idle: list[InstanceRecord] = []
        #: asynchronous executions as they are listed
        self.index: EventIndex | None = None
        #: how often an asynchronous invocation that failed is tried again, where it is no asynchronous execution
        self.retry_num = RETRY_NUM
        #: seconds (of the clock) that such an invocation is kept for its attempts
        self.msg_ttl = MSG_TTL
        #: when the next idle instance is looked at for repossession
        self.idle_due: Due | None = None
        #: where long logs go; without one each log makes its own
        self.spill: Spill | None = None

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def namespace(self) -> str:
        return self.config.namespace

    def __repr__(self) -> str:
        return f"<function {self.namespace}/{self.name}, {len(self.instances)} instances>"


class Registry:
    """The functions by namespace and name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[tuple[str, str], FunctionRecord] = {}
        self._namespaces = {"default"}

    def add(self, config: FunctionConfig) -> FunctionRecord:
        """Raises ResourceInUse.Function when the name is taken in its namespace. The namespace is made if need be."""
        key = (config.namespace, config.name)
        with self._lock:
            if key in self._functions:
                raise ResourceInUseFunction(
                    f"The function {config.name} exists already in namespace {config.namespace}."
                )
            self._namespaces.add(config.namespace)
            function = self._functions[key] = FunctionRecord(config)
        return function

    def get(self, namespace: str, name: str, qualifier: str = LATEST) -> FunctionRecord:
        """Raises ResourceNotFound.Namespace, .Function or .Qualifier."""
        function = self._functions.get((namespace, name))
        if function is None:
            if namespace not in self._namespaces:
                raise ResourceNotFoundNamespace(f"The namespace {namespace} does not exist.")
            raise ResourceNotFoundFunction(f"The function {name} does not exist in namespace {namespace}.")
        if qualifier != LATEST:
            raise ResourceNotFoundQualifier(f"The function {name} has no version or alias {qualifier}.")
        return function

    def all(self) -> list[FunctionRecord]:
        return list(self._functions.values())
