"""An instance as the platform asks for it, and what that makes of its launch specification at each level."""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf.instances.forkserver.client import own_python
from pytest_scf.instances.launch_spec import CoverageSpec, LaunchSpec, ServerSpec
from pytest_scf.instances.levels import Level

if TYPE_CHECKING:
    from pytest_scf.instances.interpreters import Interpreter
    from pytest_scf.instances.probe_channel import ProbeServer

#: links to follow: more than the system does
_LINKS = 50
_PACKAGE_PARENT = str(Path(__file__).resolve().parents[2])
_PYTHON_RUNTIME = os.path.join(_PACKAGE_PARENT, "pytest_scf", "runtimes", "python.py")
_PREFIXES = ("prefix", "exec_prefix", "base_prefix", "base_exec_prefix")


@dataclass(frozen=True)
class LaunchRequest:
    """What the platform asks for: an instance, wherever and however it is started."""

    id: str
    handler: str
    code_source: Path
    environ: dict[str, str]
    context: dict[str, Any]
    tmp_bytes: int
    shm_bytes: int
    #: whether the user's process has to be a new program, not a fork of the fork server
    new_program: bool = False
    #: whether processes are signalled through pidfds, not through their parents
    pidfd: bool = True
    coverage: CoverageSpec | None = None
    server: ServerSpec | None = None
    #: directories, each as a pair of where it is and where the process sees it
    bind_mounts: tuple[tuple[str, str], ...] = ()
    #: what is seen at /opt; None: nothing
    layers: Path | None = None
    #: directories that may be written to, as pairs as well
    shared_mounts: tuple[tuple[str, str], ...] = ()
    #: None: the test's own
    interpreter: Interpreter | None = None
    #: a port of 127.0.0.1 on which the platform is reached with the cloud's API; 0: none
    api_port: int = 0
    #: choices that a runtime makes
    options: dict[str, Any] = field(default_factory=dict)
    #: None: no probe is loaded
    probe: ProbeServer | None = None


def launch_spec(
    request: LaunchRequest, level: Level, directory: Path, server_path: tuple[str, ...], fd_count: int
) -> LaunchSpec:
    """What an instance is told at a level: ``directory`` is its own on this machine, ``server_path`` where the fork
    server's interpreter looks for modules, ``fd_count`` the number of descriptors that go with it.
    """
    interpreter, coverage, server = request.interpreter, request.coverage, request.server
    command = (own_python(), "-B", _PYTHON_RUNTIME) if interpreter is None else interpreter.command
    spec = LaunchSpec(
        id=request.id,
        fd_count=fd_count,
        environ=request.environ,
        context=request.context,
        tmp_bytes=request.tmp_bytes,
        shm_bytes=request.shm_bytes,
        options=request.options,
        handler=request.handler,
        code_source=str(request.code_source),
        layers_source=str(request.layers or ""),
        keep_visible=(*_own_directories(), *server_path, *(() if interpreter is None else interpreter.directories)),
        bind_mounts=request.bind_mounts,
        shared_mounts=request.shared_mounts,
        path=server_path if interpreter is None else (),
        command=command if server is None and (request.new_program or interpreter is not None) else None,
        coverage=None if coverage is None else coverage._replace(own_tracer=interpreter is not None),
        api_port=request.api_port,
        probe=None if request.probe is None else request.probe.config,
        server=server,
    )
    return level.resolve_paths(spec, str(directory / "tmp"))


def _own_directories() -> list[str]:
    """Directories that every instance reads: the interpreter's, and those of the packages that the test has."""
    places = [getattr(sys, name) for name in _PREFIXES]
    places += [_PACKAGE_PARENT, *_directories_of(own_python())]
    places += [place for place in sys.path if place.rstrip("/").endswith(("site-packages", "dist-packages"))]
    return places


@functools.cache
def _directories_of(program: str) -> list[str]:
    """The directories of a program and of each link on the way: one virtual environment may be made from another."""
    places = [os.path.dirname(program)]
    while os.path.islink(program) and len(places) < _LINKS:
        program = os.path.join(os.path.dirname(program), os.readlink(program))
        places.append(os.path.dirname(program))
    return places
