"""What a test could leave behind in its process: descendants, open files, mounts, files in the temporary directory.

``Snapshot.take()`` before and after, and ``after.more_than(before)`` says in lines what is new.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_scf.instances.forkserver.zygote import SPARE_NAME
from pytest_scf.instances.host import current

_NUMBER = re.compile(r"\[\d+\]$")


@dataclass(frozen=True)
class Snapshot:
    descendants: frozenset[psutil.Process]
    #: what the open descriptors lead to; sockets and pipes by kind, so that a fork server started anew is no news
    fds: Counter[str]
    mounts: Counter[str]
    files: frozenset[str]

    @classmethod
    def take(cls) -> Snapshot:
        return cls(_descendants(), _fds(), _mounts(), _files())

    def more_than(self, before: Snapshot) -> list[str]:
        return [
            *(f"process {_name(process)}" for process in self.descendants - before.descendants),
            *(f"descriptor {fd} (x{count})" for fd, count in (self.fds - before.fds).items()),
            *(f"mount {mount}" for mount in self.mounts - before.mounts),
            *(f"file {file}" for file in sorted(self.files - before.files)),
        ]

    def end_descendants_since(self, before: Snapshot) -> None:
        """Judged already: what leaked must not run on beside the next tests."""
        for process in self.descendants - before.descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()


def _descendants() -> frozenset[psutil.Process]:
    """All but the fork servers of this process, which stay warm: each a supervisor, a zygote below it, and a spare."""
    found = set(psutil.Process().children(recursive=True))
    host = current()
    for pid in host.pids if host else ():
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(pid)
            zygotes = supervisor.children()
            found -= {supervisor, *zygotes}
            for zygote in zygotes:
                found -= {spare for spare in zygote.children(recursive=True) if _is_spare(spare)}
    return frozenset(found)


def _is_spare(process: psutil.Process) -> bool:
    try:
        return process.name() == SPARE_NAME
    except psutil.NoSuchProcess:
        return True


def _fds() -> Counter[str]:
    found: Counter[str] = Counter()
    directory = "/proc/self/fd"
    if not os.path.isdir(directory):
        return found
    for fd in os.listdir(directory):
        # The descriptor that lists the directory is in the list, and gone by now.
        with contextlib.suppress(FileNotFoundError):
            found[_NUMBER.sub("", os.readlink(f"{directory}/{fd}"))] += 1
    return found


def _mounts() -> Counter[str]:
    mounts = Path("/proc/self/mounts")
    lines = mounts.read_text(errors="replace").splitlines() if mounts.exists() else []
    # Those of namespaces are a container engine's that runs on this machine; instances have none.
    return Counter(line for line in lines if not line.startswith("nsfs "))


def _files() -> frozenset[str]:
    """What stands in the temporary directory, which the suite has for itself (see conftest.py)."""
    return frozenset(
        os.path.join(directory, name)
        for directory, directories, files in os.walk(tempfile.gettempdir())
        for name in [*directories, *files]
    )


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.pid} ({process.status()}): {' '.join(process.cmdline()) or process.name()}"
    except psutil.Error:
        return f"{process.pid} (ended by now)"
