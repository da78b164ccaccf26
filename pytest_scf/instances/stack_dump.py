"""The stack of a Python process that hangs, asked for just before it is killed. See ``runtimes.fault_dump``."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable

from pytest_scf.instances import procstatus
from pytest_scf.instances.reactor import Reactor, Timer
from pytest_scf.runtimes import fault_dump

#: seconds after which a process that does not answer is killed without a stack
DEADLINE = 0.25
#: the same for one that has had no processor time to answer: the machine is busy
BUSY_DEADLINE = 10.0
#: frames that faulthandler writes of one stack; what is left out is marked up to Python 3.13 only
_MOST_FRAMES = 100


class StackDump:
    """Asks once, and calls ``then`` with what faulthandler wrote: in the reactor's thread, or at once where it cannot.

    ``send`` sends a signal to the process, and says whether it did.
    """

    def __init__(
        self, reactor: Reactor, pid: int | None, send: Callable[[int], bool | None], then: Callable[[str], None]
    ) -> None:
        self._reactor = reactor
        self._then = then
        self._data = bytearray()
        self._seen = 0
        self._timer: Timer | None = None
        self._pid = pid
        self._fd = _open(pid)
        if self._fd == -1:
            then("")
            return
        self._end = time.monotonic() + BUSY_DEADLINE
        self._timer = reactor.call_at(time.monotonic() + DEADLINE, self._time_is_up)
        reactor.watch(self._fd, self._readable)
        if not send(fault_dump.SIGNAL):
            reactor.call_at(0.0, self._finish)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:
            data = b""
        self._data += data
        # Behind the outermost frame, or the last one of a stack that is too deep, nothing of the user's comes: in a
        # fork the frames of the fork server do.
        lines = self._data.decode("utf-8", "replace").split("\n")[:-1]
        if not data or _count_frames(lines) >= _MOST_FRAMES or any(map(_is_outermost, lines)):
            self._finish()

    def _time_is_up(self) -> None:
        now = time.monotonic()
        goes_on = len(self._data) > self._seen or (
            self._pid is not None and procstatus.is_about_to_take(self._pid, fault_dump.SIGNAL)
        )
        self._seen = len(self._data)
        if goes_on and now < self._end:
            self._timer = self._reactor.call_at(now + DEADLINE, self._time_is_up)
        else:
            self._finish()

    def _finish(self) -> None:
        if self._timer is None:
            return
        self._timer.cancel()
        self._timer = None
        self._reactor.unregister(self._fd)
        os.close(self._fd)
        self._then(self._data.decode("utf-8", "replace"))


def _count_frames(lines: list[str]) -> int:
    return sum(1 for line in lines if line.startswith("  File "))


def _is_outermost(line: str) -> bool:
    file, function = fault_dump.OUTERMOST
    return file in line and line.endswith(function)


def _open(pid: int | None) -> int:
    """The pipe into which the process writes its stack; -1 where there is none."""
    if pid is None or not fault_dump.SIGNAL:
        return -1
    try:
        fd = os.open(f"/proc/{pid}/fd/{fault_dump.FD}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return -1
    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return -1
