"""What a test could leave behind in its process: descendants, open files, mounts, files in the temporary directory.

``Snapshot.take()`` before and after, and ``after.more_than(before)`` says in lines what is new.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_scf.instances.forkserver.zygote import SPARE_NAME
from pytest_scf.instances.host import current

_NUMBER = re.compile(r"\[\d+\]$")
#: where instances have mounts of their own; see pytest_scf/instances/forkserver/mounts.py
_PLACES = {"/", "/dev", "/dev/pts", "/dev/shm", "/opt", "/proc", "/tmp", "/var", "/var/lang", "/var/user"}


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


def let_the_reactor_come_round() -> None:
    """Return when it has ended the callback that it is in; on a busy machine it may stand still in the midst of one."""
    host = current()
    if host is not None:
        idle = threading.Event()
        host.reactor.call_soon(idle.set)
        idle.wait(60)


def count_descriptors() -> int:
    """Those that stay open: a background thread has a file of /proc open for a moment."""
    counts = []
    for _ in range(3):
        let_the_reactor_come_round()
        counts.append(sum(_fds().values()))
    return min(counts)


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
    """Those that could be an instance's, outside of its namespace: where instances have them, or in our directory.

    What else comes and goes is mounted by others on this machine: container engines, other workers of this run.
    """
    file, own = Path("/proc/self/mounts"), f"{tempfile.gettempdir()}/"
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    return Counter(line for line in lines for place in line.split()[1:2] if place in _PLACES or place.startswith(own))


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
