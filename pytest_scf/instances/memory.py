"""How much memory the processes of an instance hold, where the kernel does not keep the limit itself."""

from __future__ import annotations

import contextlib
import os

_PAGE = os.sysconf("SC_PAGE_SIZE")
#: seconds between two looks at the instances that work on an event
INTERVAL = 0.05


def held_bytes(pid: int) -> int:
    """Anonymous resident memory of a process and its descendants, in bytes; 0 where it cannot be read."""
    total = 0
    pending = [pid]
    seen = set()
    while pending:
        each = pending.pop()
        if each in seen:
            continue
        seen.add(each)
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = _read(f"/proc/{each}/statm").split()
            total += (int(fields[1]) - int(fields[2])) * _PAGE
            for thread in os.listdir(f"/proc/{each}/task"):
                with contextlib.suppress(OSError):
                    pending += map(int, _read(f"/proc/{each}/task/{thread}/children").split())
    return total


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
