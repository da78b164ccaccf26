"""Ending and reaping every child of this process, those of dead children included."""

from __future__ import annotations

import contextlib
import os
import signal
import time

# What signal.signal wraps; it takes plain numbers. The wrapper looks the old handler up in an enum that does not have
# it, and in a fork all that is touched for the error of that is copied, page by page.
from _signal import signal as _set_handler  # type: ignore[import-not-found]


def children() -> list[int]:
    """PIDs of the direct children of this single-threaded process."""
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listing:
            return [int(child) for child in listing.read().split()]
    except OSError:  # not Linux, or a kernel built without the listing
        import psutil

        return [child.pid for child in psutil.Process().children()]


#: seconds in which inits have to end what is below them; they need milliseconds
PATIENCE = 5.0


def wait_for_children() -> None:
    """Wait for the children, which have been told to leave, until none is left or PATIENCE seconds have passed.

    An init that is killed instead cannot end what is below it, which might then escape if this process were killed too.
    """
    if not hasattr(signal, "sigtimedwait"):  # macOS
        return
    for pid in children():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGCONT)  # the code below an init may have stopped it
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if signal.sigtimedwait([signal.SIGCHLD], max(0.0, deadline - time.monotonic())) is None:
            return


#: passes after which what is stopped is killed, though there is always more: zombies have to be reaped meanwhile
_MOST_PASSES = 20


def kill_all_children(spared: frozenset[int] = frozenset()) -> None:
    """SIGKILL every descendant until none is left, but those of the children ``spared``.

    The caller is a subreaper, so the children of a killed child become its own before that child can be reaped: the
    next listing shows them. Nothing that left its session or was forked twice escapes. All are stopped before the first
    is killed, or one that starts others anew when they die would go on for ever.
    """
    while children_left := [pid for pid in children() if pid not in spared]:
        found = _stop_all(children_left, spared)
        _signal_all(found, signal.SIGKILL)
        for pid in children_left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _stop_all(roots: list[int], spared: frozenset[int]) -> set[int]:
    """Stop processes and their descendants, and return them, when a listing shows no new ones."""
    stopped: set[int] = set()
    for _ in range(_MOST_PASSES):
        new = _with_descendants(roots) - stopped
        if not new:
            break
        _signal_all(new, signal.SIGSTOP)
        stopped |= new
        roots = [pid for pid in children() if pid not in spared]
    return stopped


def _signal_all(pids: set[int], signum: int) -> None:
    """Signal processes and their process groups: no fork gets out of a group that is signalled."""
    groups = {os.getpgrp()}
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            group = os.getpgid(pid)
            if group not in groups:
                groups.add(group)
                os.killpg(group, signum)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)


def _with_descendants(roots: list[int]) -> set[int]:
    found: set[int] = set()
    if not os.path.isdir("/proc/self/task"):
        import psutil

        for pid in roots:
            with contextlib.suppress(psutil.Error):
                found |= {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
        return found
    pending = list(roots)
    while pending:
        pid = pending.pop()
        if pid in found:
            continue
        found.add(pid)
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{thread}/children", "rb") as listing:
                    pending += map(int, listing.read().split())
    return found


_watching: list[int] = []


def watch_children() -> int:
    """Have SIGCHLD write to a pipe, whose reading end is returned; one byte may stand for several deaths.

    A flag that a Python signal handler sets would not do: a signal just before ``poll`` blocks would go unnoticed.
    """
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
    _watching[:] = reading, writing
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    _set_handler(int(signal.SIGCHLD), _nothing)
    return reading


def stop_watching_children() -> None:
    """In a forked child: give SIGCHLD back as a fresh process has it."""
    signal.set_wakeup_fd(-1)
    _set_handler(int(signal.SIGCHLD), int(signal.SIG_DFL))
    while _watching:
        os.close(_watching.pop())


def ignore_termination_signals() -> None:
    """Ignore the signals that ask a process to end: this one ends when its instances have."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        _set_handler(int(number), int(signal.SIG_IGN))


def _nothing(signum: int, frame: object) -> None:
    """The signal handler without which the wake-up descriptor is not written to."""
