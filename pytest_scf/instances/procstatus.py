"""How a process reacts to a signal, read from the kernel, and signals that cannot reach another process."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import time
from dataclasses import dataclass

from pytest_scf.instances.sockets import poller

#: what SIGTERM would do: run a signal handler, nothing, nothing until unblocked, end the process; or not known
DISPOSITIONS = ("caught", "ignored", "blocked", "default", "unknown", "gone")


#: seconds between two checks for a process where the system has no pidfds
_LOOK_INTERVAL = 0.01
_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Activity:
    """Whether a process waits for something, and the processor time it has used so far."""

    sleeping: bool
    cpu_seconds: float


def activity(pid: int) -> Activity | None:
    """What a process does now; None where that cannot be read."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return Activity(fields[0] == b"S", (int(fields[11]) + int(fields[12])) * _TICK)


@dataclass(frozen=True)
class _Masks:
    state: str
    blocked: int
    ignored: int
    caught: int


def start_time(pid: int) -> int:
    """When a process started, in the kernel's ticks since boot. Raises OSError where there is none."""
    return int(_read_some(f"/proc/{pid}/stat").rpartition(b")")[2].split()[19])


def is_running(pid: int, started: int) -> bool:
    """Whether the process ``pid`` that started at ``started`` is there; without /proc, whether one of its number is."""
    try:
        if started:
            return start_time(pid) == started
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def open_pidfd(pid: int, started: int) -> int:
    """A pidfd of the process ``pid`` that started at ``started``.

    Raises ProcessLookupError where it has ended, another OSError where this system or its limits refuse a pidfd.
    """
    if not started or not hasattr(os, "pidfd_open"):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    fd = os.pidfd_open(pid)
    try:
        # The PID may have been reused before the descriptor was opened, but not after: check the start time now.
        if start_time(pid) != started:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
    except FileNotFoundError:
        os.close(fd)
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from None
    except OSError:
        os.close(fd)
        raise
    return fd


def send_signal(pid: int, started: int, signum: int) -> bool | None:
    """Signal the process ``pid`` that started at ``started``: False where it has ended.

    None where it cannot be done so that no other process can be hit: no pidfds, or no descriptor left for one.
    """
    try:
        fd = open_pidfd(pid, started)
        try:
            signal.pidfd_send_signal(fd, signum)
        finally:
            os.close(fd)
    except ProcessLookupError:
        return False
    except OSError:
        return None
    return True


def wait_for_end(pid: int, started: int, deadline: float) -> None:
    """Wait until a process has ended that is no child of this one, or until ``deadline`` (``time.monotonic()``)."""
    try:
        fd = open_pidfd(pid, started)
    except ProcessLookupError:
        return
    except OSError:
        while time.monotonic() < deadline and is_running(pid, started):
            time.sleep(_LOOK_INTERVAL)
        return
    try:
        poll = poller()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(fd)


def disposition(pid: int, signum: int) -> str:
    """One of ``DISPOSITIONS`` for ``signum`` in process ``pid``; "gone" when it is dead or a zombie."""
    if not os.path.isdir("/proc/self/task"):
        return "unknown"
    try:
        masks = _read(f"/proc/{pid}/status")
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    except OSError:
        return "unknown"
    bit = 1 << (signum - 1)
    if masks.state in "ZX":
        return "gone"
    if masks.ignored & bit:
        return "ignored"
    if masks.blocked & bit and _every_thread_blocks(pid, bit):
        return "blocked"
    return "caught" if masks.caught & bit else "default"


def is_pending(pid: int, signum: int) -> bool:
    """Whether a signal that was sent to a process waits to be taken by it or by its main thread."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:
            masks = [int(line.split()[1], 16) for line in file if line.startswith((b"SigPnd:", b"ShdPnd:"))]
    except OSError:
        return False
    return any(mask & 1 << (signum - 1) for mask in masks)


def is_about_to_take(pid: int, signum: int) -> bool:
    """Whether a process has a signal handler for a signal that was sent to it, and takes it once it is let run."""
    if not is_pending(pid, signum) or disposition(pid, signum) != "caught":
        return False
    with contextlib.suppress(OSError):
        return _read(f"/proc/{pid}/status").state not in "TtZX"
    return False


def _read_some(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


def _read(path: str) -> _Masks:
    text = _read_some(path)
    found = {}
    for name in (b"State", b"SigBlk", b"SigIgn", b"SigCgt"):
        at = text.index(b"\n" + name + b":") + len(name) + 2
        found[name] = text[at : text.index(b"\n", at)].strip()
    return _Masks(
        found[b"State"][:1].decode(), int(found[b"SigBlk"], 16), int(found[b"SigIgn"], 16), int(found[b"SigCgt"], 16)
    )


def _every_thread_blocks(pid: int, bit: int) -> bool:
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                if not _read(f"/proc/{pid}/task/{thread}/status").blocked & bit:
                    return False
    return True
