"""How much memory the processes of an instance hold, where the kernel does not keep the limit itself."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

_PAGE = os.sysconf("SC_PAGE_SIZE")
#: seconds between two looks at the instances that work on an event
INTERVAL = 0.05


#: how the names of mappings begin that are memory without a file; a file in a tmpfs counts as a file
_SHARED_MEMORY = (b"/dev/zero", b"/memfd:", b"/SYSV", b"/dev/shm/")
_MEMFD = "/memfd:"


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of processes: cheap to read, and an upper bound of what counts of what they have mapped."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(_read(f"/proc/{pid}/statm").split()[1]) * _PAGE
    return total


def held_bytes(pids: Iterable[int]) -> int:
    """Bytes of memory of an instance, given its processes, that count against its limit.

    Files that are mapped do not count; anonymous memory does, shared or not, in memory or swapped out, each page
    shared out among those that map it, and what memfds hold, mapped or not. 0 where it cannot be read.
    """
    total = 0
    shared: dict[tuple[int, int], int] = {}
    memfds: dict[tuple[int, int], int] = {}
    for pid in pids:
        total += _anonymous_bytes(pid, shared)
        memfds.update(_memfds(pid))
    return total + sum(max(shared.get(key, 0), memfds.get(key, 0)) for key in shared.keys() | memfds.keys())


def memfd_bytes(pids: Iterable[int]) -> int:
    """Bytes in the memfds that processes have open, each memfd counted once."""
    found: dict[tuple[int, int], int] = {}
    for pid in pids:
        found.update(_memfds(pid))
    return sum(found.values())


def shared_memory_of_the_machine() -> int:
    """Shared memory and files in memory of the whole machine, in bytes; 0 where it cannot be read."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _read("/proc/meminfo").splitlines():
            if line.startswith(b"Shmem:"):
                return int(line.split()[1]) * 1024
    return 0


def _memfds(pid: int) -> dict[tuple[int, int], int]:
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            with contextlib.suppress(OSError):
                if os.readlink(path).startswith(_MEMFD):
                    status = os.stat(path)
                    found[status.st_dev, status.st_ino] = status.st_blocks * 512
    return found


def _anonymous_bytes(pid: int, shared: dict[tuple[int, int], int]) -> int:
    """Private anonymous memory of a process; its part of shared memory is added to ``shared``, by file."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        sizes = _rollup(pid)
        if b"Pss_Anon:" in sizes:
            if sizes[b"Pss_Shmem:"]:
                _add_shared(pid, shared)
            return sizes[b"Pss_Anon:"] + sizes.get(b"SwapPss:", 0)
    # Before Linux 5.9, or of another user: pages that processes share count once for each.
    with contextlib.suppress(OSError, ValueError, IndexError):
        fields = _read(f"/proc/{pid}/statm").split()
        return (int(fields[1]) - int(fields[2])) * _PAGE
    return 0


def _rollup(pid: int) -> dict[bytes, int]:
    lines = [line.split() for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]]
    return {fields[0]: int(fields[1]) * 1024 for fields in lines}


def _add_shared(pid: int, shared: dict[tuple[int, int], int]) -> None:
    key = None
    with open(f"/proc/{pid}/smaps", "rb") as file:
        for line in file:
            fields = line.split(maxsplit=5)
            if not fields[0].endswith(b":"):
                key = None
                if len(fields) == 6 and fields[5].startswith(_SHARED_MEMORY):
                    major, minor = fields[3].split(b":")
                    key = os.makedev(int(major, 16), int(minor, 16)), int(fields[4])
            elif key is not None and fields[0] == b"Pss:":
                shared[key] = shared.get(key, 0) + int(fields[1]) * 1024


def children(pid: int) -> list[int]:
    """PIDs of the children of a process; none where that cannot be read."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError, ValueError):
                found += map(int, _read(f"/proc/{pid}/task/{thread}/children").split())
    return found


def with_descendants(roots: Iterable[int]) -> set[int]:
    """These processes and all below them."""
    found: set[int] = set()
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid not in found:
            found.add(pid)
            pending += children(pid)
    return found


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def uncounted_bytes(pid: int) -> int:
    """Resident memory of a process that does not count against a limit: files that it has mapped, its interpreter's.

    From one read: with two, memory that the process frees between them would look like files.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        sizes = _rollup(pid)
        if b"Pss_Anon:" in sizes:
            shared: dict[tuple[int, int], int] = {}
            if sizes[b"Pss_Shmem:"]:
                _add_shared(pid, shared)
            return max(0, sizes[b"Rss:"] - sizes[b"Pss_Anon:"] - sum(shared.values()))
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(_read(f"/proc/{pid}/statm").split()[2]) * _PAGE
    return 0
