"""Ending and reaping every child of this process, those of dead children included."""

from __future__ import annotations

import contextlib
import os
import signal
import time


def children(*, and_theirs: bool = False) -> list[int]:
    """PIDs of the direct children of this single-threaded process.

    ``and_theirs``: of all descendants where orphans do not come to a subreaper, so that they would escape.
    """
    pid = os.getpid()
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listing:
            return [int(child) for child in listing.read().split()]
    except OSError:  # not Linux, or a kernel built without the listing
        import psutil

        return [child.pid for child in psutil.Process().children(recursive=and_theirs)]


#: seconds that inits have to end what is below them; they need milliseconds
PATIENCE = 5.0


def wait_for_children() -> None:
    """Wait for the children, which know that they have to leave, and return when none is left or patience is at an end.

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


def kill_all_children() -> None:
    """SIGKILL every child until none is left.

    The caller is a subreaper, so the children of a killed child become its own before that child can be reaped: the
    next listing shows them. Nothing that left its session or was forked twice escapes.
    """
    while True:
        for pid in children(and_theirs=True):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


_watching: list[int] = []


def watch_children() -> int:
    """Make SIGCHLD readable on the descriptor returned; one byte may stand for several deaths."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else os.pipe()
    _watching[:] = reading, writing
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _nothing)
    return reading


def stop_watching_children() -> None:
    """In a forked child: give SIGCHLD back as a fresh process has it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while _watching:
        os.close(_watching.pop())


def ignore_termination_signals() -> None:
    """Ignore what asks a process to leave: this one leaves when its work is done, and has to do it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


def _nothing(signum: int, frame: object) -> None:
    """The wake-up descriptor does the work; a handler must exist for the signal to be seen at all."""
