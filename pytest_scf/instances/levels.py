"""The levels of isolation as the test process knows them: one object for each, chosen once by the public name.

What the processes of a fork server do differently stands in ``forkserver.isolation``.
"""

from __future__ import annotations

import abc
import functools
import os
import re
import signal
from collections.abc import Callable

from pytest_scf import facts
from pytest_scf.instances.launch_spec import LaunchSpec

#: a directory of the cloud's that a variable names, in a list of them or with what is below it
_PLACE = re.compile(rf"(?<![^:])(?:{facts.CODE_ROOT}|{facts.LAYERS_ROOT})(?![^:/])")


class Level(abc.ABC):
    """What the levels have in common."""

    #: as users choose it and are told of it, and as a fork server is told
    name: str
    #: whether an instance has a mount tree of its own, and in it a /tmp with a limit
    own_tree: bool
    #: whether a server has the ports of a network of its own
    own_network: bool
    #: whether a launcher runs the processes; what stands for the init is then a thread of this process
    by_launcher: bool = False

    @abc.abstractmethod
    def resolve_paths(self, spec: LaunchSpec, tmp: str) -> LaunchSpec:
        """The spec with the paths that the user's process will see.

        In ``spec``, ``keep_visible`` are all the directories that it reads, and the variables are the cloud's. ``tmp``
        is a directory of the instance's on this machine, for temporary files.
        """

    @abc.abstractmethod
    def kill(self, ask_init: Callable[[], object], signal_init: Callable[[int], object]) -> None:
        """End an instance by means of its init: ``ask_init`` has it end what is below it, and leave."""


class _Namespaces(Level):
    name = "namespaces"
    own_tree = own_network = True

    def resolve_paths(self, spec: LaunchSpec, tmp: str) -> LaunchSpec:
        places, server = spec.keep_visible, spec.server
        if server is not None and server.cwd is not None:
            own = (server.cwd, os.path.dirname(server.command[0]))
            places += tuple(place for place in own if place.startswith("/"))
        spec = spec._replace(code_root=facts.CODE_ROOT, tmp="/tmp", keep_visible=_below_covered(*places))
        return _without_code(spec)

    def kill(self, ask_init: Callable[[], object], signal_init: Callable[[int], object]) -> None:
        signal_init(signal.SIGKILL)  # which takes all that is below it along


class _Directory(Level):
    name = "directory"
    own_tree = own_network = False

    def resolve_paths(self, spec: LaunchSpec, tmp: str) -> LaunchSpec:
        environ = dict(spec.environ)
        layers_root = spec.layers_source or spec.layers_root
        places = {facts.CODE_ROOT: spec.code_source, facts.LAYERS_ROOT: layers_root}
        for name in ("TMPDIR", "TMP", "TEMP"):
            given = environ.get(name, "/tmp")
            environ[name] = tmp + given[len("/tmp") :] if f"{given}/".startswith("/tmp/") else given
        for name in ("PWD", "USER_CODE_ROOT", "PYTHONPATH", "NODE_PATH", "LD_LIBRARY_PATH"):
            if name in environ:
                environ[name] = _PLACE.sub(lambda found: places[found[0]], environ[name])
        return _without_code(
            spec._replace(
                environ=environ,
                code_root=spec.code_source,
                layers_root=layers_root,
                tmp=tmp,
                keep_visible=_by_all_names(*spec.keep_visible),
                watch_tmp=True,
            )
        )

    def kill(self, ask_init: Callable[[], object], signal_init: Callable[[int], object]) -> None:
        # The init itself has to end its descendants: its death would only orphan them.
        ask_init()
        # The user's process may have stopped its init with SIGSTOP, since they are not kept apart.
        signal_init(signal.SIGCONT)


class _Container(Level):
    name = "container"
    own_tree = own_network = by_launcher = True

    def resolve_paths(self, spec: LaunchSpec, tmp: str) -> LaunchSpec:
        return spec  # nothing of this machine is in it

    def kill(self, ask_init: Callable[[], object], signal_init: Callable[[int], object]) -> None:
        ask_init()


NAMESPACES, DIRECTORY, CONTAINER = _Namespaces(), _Directory(), _Container()
#: the levels of a fork server, by name, best first
LEVELS = {level.name: level for level in (NAMESPACES, DIRECTORY)}


def _without_code(spec: LaunchSpec) -> LaunchSpec:
    """Without the code of a server that has a directory of its own."""
    if spec.server is None or spec.server.cwd is None:
        return spec
    return spec._replace(code_source="", environ={**spec.environ, "PWD": spec.server.cwd})


@functools.cache
def _by_all_names(*places: str) -> tuple[str, ...]:
    """As they are called, and as they are: a link among their parents is not there to be followed in a new /tmp."""
    return tuple(sorted({name for place in places for name in (os.path.abspath(place), os.path.realpath(place))}))


@functools.cache
def _below_covered(*places: str) -> tuple[str, ...]:
    """Those that an empty /tmp or /opt would hide; a place inside another is left out."""
    # Of /opt itself as well: an interpreter may be installed right there.
    covered = ("/tmp/", f"{facts.LAYERS_ROOT}/")
    below = [place for place in _by_all_names(*places) if place == facts.LAYERS_ROOT or place.startswith(covered)]
    below = [place for place in below if os.path.isdir(place)]
    return tuple(place for place in below if not any(place.startswith(other + "/") for other in below))
