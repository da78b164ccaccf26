"""Whether the main thread of a process blocks, by how often it has given up the processor and what it does now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_scf.facade.probing.plans import Plan, Stopped
    from pytest_scf.platform.records import Invocation

_INTERVAL = 0.001
#: seconds
_TAKEN_WITHIN = 0.5
_MAIN_THREAD = "MainThread"


def let_block(invocation: Invocation, plan: Plan, stopped: Stopped, timeout: float) -> bool:
    """Let an event that is stopped go on until it blocks in that line: whether it does within the timeout."""
    pid = None if invocation.attempt.instance is None else invocation.attempt.instance.pid
    if pid is None or stopped.thread != _MAIN_THREAD:
        return False
    before = count(pid)
    plan.release()
    return wait(pid, before, timeout, lambda: invocation.final)


def wait_until_taken(invocation: Invocation, plan: Plan | None) -> Callable[[], object]:
    """What waits, once an event has been signalled, until its main thread has acted on that.

    For a stop of another thread, which would go on beside it, and perhaps be sooner. It waits half a second at most, as
    the main thread may be at work.
    """
    pid = None if invocation.attempt.instance is None else invocation.attempt.instance.pid
    if pid is None or plan is None or all(each.thread == _MAIN_THREAD for each in plan.stopped):
        return lambda: None
    before = count(pid)
    return lambda: wait(pid, before, _TAKEN_WITHIN, lambda: invocation.final)


def count(pid: int) -> int:
    """How often the main thread has blocked so far; -1 where that cannot be read."""
    return _read(pid)[0]


def wait(pid: int, before: int, timeout: float, over: Callable[[], bool]) -> bool:
    """Wait until it has gone on from where it blocked, and blocks again; False where it does not within the timeout."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and not over():
        switches, state = _read(pid)
        if switches > before and state == "S":
            return True
        time.sleep(_INTERVAL)
    return False


def _read(pid: int) -> tuple[int, str]:
    switches, state = -1, ""
    try:
        with open(f"/proc/{pid}/task/{pid}/status", encoding="ascii", errors="replace") as file:
            for line in file:
                if line.startswith("State:"):
                    state = line.split()[1]
                elif line.startswith("voluntary_ctxt_switches:"):
                    switches = int(line.split()[1])
    except OSError:
        pass
    return switches, state
