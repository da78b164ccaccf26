"""The stack of a process that hangs: how long it is waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from pytest_scf.instances import procstatus, stack_dump
from pytest_scf.instances.reactor import Reactor
from pytest_scf.instances.stack_dump import StackDump
from pytest_scf.runtimes import fault_dump

#: its outermost frames are as those of the runtime, behind which nothing more is waited for
PROGRAM = """
import time
from pytest_scf.runtimes import fault_dump
fault_dump.enable()
print("ready", flush=True)
exec(compile("def run():\\n    time.sleep(600)\\nrun()", "runtimes/python.py", "exec"))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a pipe is opened by way of /proc")
def test_a_process_that_the_machine_has_not_let_run_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def is_about_to_take(pid: int, signum: int) -> bool:
        looks.append(pid)
        if len(looks) == 3:  # only now it is let run
            os.kill(pid, signum)
        return True

    monkeypatch.setattr(procstatus, "is_about_to_take", is_about_to_take)
    monkeypatch.setattr(stack_dump, "DEADLINE", 0.02)
    monkeypatch.setattr(stack_dump, "BUSY_DEADLINE", 60)
    found: list[str] = []
    done = threading.Event()

    def then(dump: str) -> None:
        found.append(dump)
        done.set()

    reactor = Reactor()
    reactor.start()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            StackDump(reactor, process.pid, lambda signum: True, then)
            assert done.wait(120)
        finally:
            process.kill()
            reactor.close()
    assert found[0].startswith("Stack (most recent call first):")


def test_one_that_has_no_signal_handler_for_it_or_is_gone_is_not_about_to_take_it() -> None:
    assert not procstatus.is_about_to_take(os.getpid(), fault_dump.SIGNAL)
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not procstatus.is_about_to_take(process.pid, fault_dump.SIGNAL)
