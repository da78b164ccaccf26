"""What an instance is made of: as the platform asks for it, and as it is told to the instance."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.instances.forkserver.client import own_python

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.instances.probe_channel import ProbeServer

#: more than the system itself follows
_LINKS = 50
_OUR_PLACE = str(Path(__file__).resolve().parents[2])
_PYTHON_RUNTIME = os.path.join(_OUR_PLACE, "pytest_scf", "runtimes", "python.py")
_INTERPRETER_PLACES = ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix")


@dataclass(frozen=True)
class ServerSpec:
    """A program that the user's process is: a web server, or a bootstrap. See ``runtimes.server`` and ``.custom``."""

    #: "image" or "web": whether events are passed on as they are, or are HTTP requests themselves. "custom": the
    #: process fetches its events from the runtime API, in the network of the test
    kind: str
    command: list[str]
    #: the working directory as the process sees it; None: the code root
    cwd: str | None
    port: int
    #: ports of services of the test, which the process finds on 127.0.0.1 of a network of its own
    host_ports: list[int]
    #: directories, each as a pair of where it is and where the process sees it
    bind_mounts: list[tuple[str, str]]
    #: what a launcher runs, if it is one that does
    image: str | None = None


@dataclass
class Spec:
    """What an instance is made of."""

    id: str
    handler: str
    code_source: Path
    environ: dict[str, str]
    context: dict[str, object]
    tmp_bytes: int
    shm_bytes: int
    start_method: str = "fork"
    pidfd: bool = True
    coverage: dict[str, Any] | None = None
    server: ServerSpec | None = None
    #: None: the test's own
    interpreter: Interpreter | None = None
    #: a port of 127.0.0.1 on which the platform is reached with the cloud's API; 0: none
    api_port: int = 0
    #: choices that a runtime makes
    options: dict[str, Any] = field(default_factory=dict)
    #: None where nothing works inside on the test's behalf
    probe: ProbeServer | None = None

    @property
    def executes(self) -> bool:
        """Whether the user's process is a new program, not a fork of the fork server."""
        return self.server is None and (self.start_method == "spawn" or self.interpreter is not None)


def launch_message(spec: Spec, level: str, directory: Path, server_path: Sequence[str], sockets: int) -> dict[str, Any]:
    """What an instance is told at a level: ``directory`` is its own on this machine, ``server_path`` where the fork
    server's interpreter looks for modules, ``sockets`` the number of descriptors that go with the message.
    """
    if level == "container" and spec.server is not None:
        return {
            "id": spec.id,
            "environ": spec.environ,
            "context": spec.context,
            "tmp_bytes": spec.tmp_bytes,
            "server": vars(spec.server),
        }
    path = server_path if spec.interpreter is None else []
    places = (*_interpreter_places(), *server_path)
    command = [own_python(), "-B", _PYTHON_RUNTIME]
    if spec.interpreter is not None:
        places += spec.interpreter.places
        command = list(spec.interpreter.command)
    namespaces = level == "namespaces"
    tmp = "/tmp" if namespaces else str(directory / "tmp")
    code_root = facts.CODE_ROOT if namespaces else str(spec.code_source)
    environ = dict(spec.environ)
    if not namespaces:
        for name in ("TMPDIR", "TMP", "TEMP"):
            given = environ.get(name, "/tmp")
            environ[name] = tmp + given[len("/tmp") :] if f"{given}/".startswith("/tmp/") else given
        for name in ("PWD", "USER_CODE_ROOT", "PYTHONPATH", "NODE_PATH", "LD_LIBRARY_PATH"):
            if name in environ:
                environ[name] = environ[name].replace(facts.CODE_ROOT, code_root)
    message: dict[str, Any] = {
        "id": spec.id,
        "sockets": sockets,
        "handler": spec.handler,
        "code_source": str(spec.code_source),
        "code_root": code_root,
        "environ": environ,
        "context": spec.context,
        "tmp": tmp,
        "tmp_bytes": spec.tmp_bytes,
        "shm_bytes": spec.shm_bytes,
        "keep_visible": _below_covered(*places) if namespaces else _by_all_names(*places),
        "path": path,
        "watch_tmp": not namespaces,
        "command": command if spec.executes else None,
        "pidfd": spec.pidfd,
        "coverage": None if spec.coverage is None else {**spec.coverage, "own_tracer": spec.interpreter is not None},
        "api_port": spec.api_port,
        "options": spec.options,
        "probe": None if spec.probe is None else spec.probe.config,
    }
    if spec.server is not None:
        server = spec.server
        cwd = server.cwd or code_root
        message["server"] = {**vars(server), "cwd": cwd}
        message["bind_mounts"] = server.bind_mounts
        if server.cwd is not None:
            message["code_source"] = ""
            environ.update(PWD=cwd)
            if namespaces:
                own = [place for place in (cwd, os.path.dirname(server.command[0])) if place.startswith("/")]
                message["keep_visible"] = _below_covered(*places, *own)
    return message


def _interpreter_places() -> list[str]:
    """Directories that every instance reads: the interpreter's, and those of the packages that the test has."""
    places = [getattr(sys, name) for name in _INTERPRETER_PLACES]
    places += [_OUR_PLACE, *_places_on_the_way_to(own_python())]
    places += [place for place in sys.path if place.rstrip("/").endswith(("site-packages", "dist-packages"))]
    return places


@functools.cache
def _places_on_the_way_to(program: str) -> list[str]:
    """The directories that a program is in, link by link: one environment's interpreter may lead through another's."""
    places = [os.path.dirname(program)]
    while os.path.islink(program) and len(places) < _LINKS:
        program = os.path.join(os.path.dirname(program), os.readlink(program))
        places.append(os.path.dirname(program))
    return places


@functools.cache
def _by_all_names(*places: str) -> list[str]:
    """As they are called, and as they are: a link among their parents is not there to be followed in a new /tmp."""
    return sorted({name for place in places for name in (os.path.abspath(place), os.path.realpath(place))})


@functools.cache
def _below_covered(*places: str) -> list[str]:
    """Those that an empty /tmp or /opt would hide; a place inside another is left out."""
    # Of /opt itself as well: an interpreter may be installed right there.
    covered = ("/tmp/", f"{facts.LAYERS_ROOT}/")
    below = [place for place in _by_all_names(*places) if place == facts.LAYERS_ROOT or place.startswith(covered)]
    below = [place for place in below if os.path.isdir(place)]
    return [place for place in below if not any(place.startswith(other + "/") for other in below)]
