"""How much memory the processes of an instance hold, where the kernel does not keep the limit itself."""

from __future__ import annotations

import contextlib
import os

_PAGE = os.sysconf("SC_PAGE_SIZE")
#: seconds between two looks at the instances that work on an event
INTERVAL = 0.05


#: what counts in ``smaps_rollup``: memory without a file behind it, each page shared out among those that map it
_COUNTED = (b"Pss_Anon:", b"Pss_Shmem:")


def held_bytes(roots: list[int], limit: int) -> int:
    """Memory of processes and their descendants in bytes, once each; 0 where it cannot be read.

    Files that are mapped do not count, anonymous memory does, shared or not. Resident memory, which is quickly read,
    is never less: only where it is above ``limit`` is it looked at which of it counts, and how many share it.
    """
    pids = _with_descendants(roots)
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    return total if total <= limit else sum(map(_counted_bytes, pids))


def children(pid: int) -> list[int]:
    """PIDs of the children of a process; none where that cannot be read."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError, ValueError):
                found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def _with_descendants(roots: list[int]) -> set[int]:
    found: set[int] = set()
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.add(pid)
            pending += children(pid)
    return found


def _counted_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = [line.split() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()]
        found = [int(fields[1]) * 1024 for fields in lines if fields[0] in _COUNTED]
        if found:
            return sum(found)
    # Before Linux 5.9, or of another user: pages that processes share count once for each.
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = _read(f"/proc/{pid}/statm").split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    return 0


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def shared_bytes(pid: int) -> int:
    """Resident memory of a process that is not its own: files, such as the interpreter's; 0 where it cannot be read."""
    try:
        return int(_read(f"/proc/{pid}/statm").split()[2]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0
