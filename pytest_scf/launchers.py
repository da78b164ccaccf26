"""What a launcher is: something that runs the container of an image function, in a way of its own.

A launcher is given to ``ScfRuntime(launcher=...)``, or found by its name: under pytest through the hook
``pytest_scf_launcher`` of a plugin or a conftest.py. All that a launcher does may block, and is called in threads that
have time to wait; of one container too, in several at once.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

__all__ = ["Container", "ContainerExit", "ContainerSpec", "Launcher", "Mount"]


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A directory of this machine that a container sees: layers at /opt, or a file system."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, kw_only=True)
class ContainerSpec:
    """A container that is to be started."""

    #: of letters, digits and ``-``; no other container of this machine has it
    name: str
    #: what ``Launcher.prepare`` gave
    image: str
    #: what replaces the command of the image; None: nothing does
    command: tuple[str, ...] | None
    #: what replaces the CMD of the image, whose ENTRYPOINT stays; None: nothing does
    arguments: tuple[str, ...] | None = None
    #: what replaces the working directory of the image; None: nothing does
    cwd: str | None
    #: what is set in addition to the variables of the image
    environment: Mapping[str, str]
    #: where its server is to listen
    port: int
    #: how much memory it may hold
    memory_bytes: int
    #: the size of its /tmp
    tmp_bytes: int
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ContainerExit:
    """How the main process of a container ended: with an exit status, or by a signal."""

    status: int | None = None
    signal: int | None = None
    #: its memory limit ended it
    out_of_memory: bool = False


class Container(Protocol):
    """A container that runs."""

    @property
    def pid(self) -> int | None:
        """The main process in the numbering of the test process; None where that cannot be seen.

        Without it nobody knows whether a signal handler is registered: ``wait_for_signal_handler`` cannot be used.
        """

    def connect(self) -> socket.socket:
        """A new connection to the port of its server. Raises OSError while nothing listens there for others."""

    def output(self) -> Iterator[bytes]:
        """What its processes write, as they write it; ends when all of them have ended. Called once."""

    def signal(self, signum: int) -> bool:
        """Send a signal to the main process alone: whether there was one. A signal it does not catch has its effect.

        What it raises is in the event's diagnosis, and raised as a BackgroundError when the runtime is closed; the
        signal counts as not received.
        """

    def kill(self) -> None:
        """End every process of it, whatever they do; ``wait`` returns then. Does nothing when that has happened.

        Called again after two seconds where ``wait`` has not returned by then, such as after an error.
        """

    def wait(self) -> ContainerExit:
        """Return when no process of it is left."""

    def remove(self) -> None:
        """Remove what is left of it. Called once, after ``wait``."""


@runtime_checkable
class Launcher(Protocol):
    """Runs containers. Of one runtime, which closes it when all its containers have been removed."""

    def prepare(self, name: str, image: str | None, dockerfile: Path | None, ignored: frozenset[str]) -> str:
        """The image that function ``name`` runs: that of the name ``image``, or what ``dockerfile`` builds.

        ``ignored`` are instructions of the Dockerfile that it may do without. Raises UsageError where there is none,
        or what is needed to run it does not answer.
        """

    def start(self, spec: ContainerSpec) -> Container:
        """Start a container. What it raises is what the event fails with."""

    def close(self) -> None:
        """Let go of all that it holds."""
