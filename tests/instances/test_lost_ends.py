"""An end that is met by an error, or found out in an unusual order, is told all the same."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from held_reactor import held_up

from pytest_scf import BackgroundError, ScfRuntime, UsageError
from pytest_scf.instances import host
from pytest_scf.instances.reactor import Reactor
from pytest_scf.platform import scheduler
from pytest_scf.platform.clock import Clock

PATIENCE = 60
HANDLER = """
import time

def main_handler(event, context):
    print("runs", flush=True)
    time.sleep(60)
"""
#: the reactor is held up while the fork server dies, and a launch finds that out first
FOUND_BY_A_LAUNCH = """
import select, threading
import psutil
from pytest_scf import ScfRuntime
from pytest_scf.instances.host import HostLease

CODE = '''
import time
def main_handler(event, context):
    print("runs", flush=True)
    while event: time.sleep(60)
    return "answer"
'''

with HostLease() as held, ScfRuntime(isolation="directory") as rt:
    fn = rt.deploy(CODE, async_run=True, timeout=60)
    first = fn.invoke_async({"stay": 1})
    first.wait_for_log("runs")
    server = held.host._servers["directory"]
    held_up, go_on = threading.Event(), threading.Event()
    held.host.reactor.call_soon(lambda: (held_up.set(), go_on.wait(60)))
    held_up.wait(60)
    (zygote,) = psutil.Process(server.pid).children()
    zygote.kill()
    ended = select.poll()
    ended.register(server._control, 0)
    assert ended.poll(60_000)
    second = fn.invoke_async({})
    go_on.set()
    print(second.wait(60).return_value)
    print(first.wait(60).status_code, first.error_message)
"""


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Have the first start of a thread of this name fail, as where there can be no more; gives those that failed."""
    start = threading.Thread.start

    def fail(name: str) -> list[str]:
        failed: list[str] = []

        def start_or_fail(thread: threading.Thread) -> None:
            if thread.name == name and not failed:
                failed.append(name)
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_or_fail)
        return failed

    return fail


def test_what_a_dead_fork_server_had_is_told_of_where_a_launch_finds_it_dead_first(tmp_path: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", FOUND_BY_A_LAUNCH], capture_output=True, text=True, timeout=240, env=environ, check=False
    )
    assert done.returncode == 0, done.stderr
    answer, end = done.stdout.splitlines()
    assert answer == "answer"
    assert end.startswith("500 ")
    assert "the fork server ended unexpectedly" in end


def test_an_error_at_the_end_of_one_instance_hides_no_other_end() -> None:
    def show(name: str, request_id: str, data: bytes) -> None:
        if not data:
            raise BrokenPipeError("nobody reads it any more")

    rt = ScfRuntime(isolation="directory", on_output=show)
    fn = rt.deploy(HANDLER, async_run=True, timeout=60)
    events = [fn.invoke_async({}) for _ in range(4)]
    for event in events:
        event.wait_for_log("runs")
    inits = [psutil.Process(rt._platform.instances_of(fn._record)[n].process.init_pid or 0) for n in range(4)]
    with held_up(rt._platform._reactor):  # so that all ends are read at once
        for init in inits:
            init.send_signal(signal.SIGKILL)
        psutil.wait_procs(inits, PATIENCE)
    for event in events:
        assert event.wait(PATIENCE).status_code == 500
    with pytest.raises(BackgroundError, match="nobody reads it any more"):
        rt.close()


def test_the_stack_of_an_instance_that_is_gone_meanwhile_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: queue.Queue[Callable[[str], None]] = queue.Queue()
    monkeypatch.setattr(scheduler, "StackDump", lambda reactor, pid, send, found: asked.put(found))
    with ScfRuntime(isolation="directory") as rt:
        event = rt.deploy(HANDLER, async_run=True, timeout=1).invoke_async({})
        found = asked.get(timeout=PATIENCE)
        (instance,) = rt.instances
        os.kill(instance._record.process.init_pid or 0, signal.SIGKILL)
        assert event.wait(PATIENCE).status_code == 433
        found("")


def test_an_error_as_the_time_is_up_ends_the_event_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seconds: int) -> None:
        raise LookupError("broken on purpose")

    monkeypatch.setattr("pytest_scf.platform.outcomes.time_limit", fail)
    rt = ScfRuntime(isolation="directory")
    event = rt.deploy(HANDLER, async_run=True, timeout=1).invoke_async({})
    assert event.wait(PATIENCE).status_code == 500
    assert "broken on purpose" in event.diagnosis
    with pytest.raises(BackgroundError, match="broken on purpose"):
        rt.close()


def test_a_message_whose_start_fails_by_a_bug_of_ours_ends_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rt = ScfRuntime(isolation="directory")
    source = "import time\ndef main_handler(event, context):\n    time.sleep(3600)\n"
    fn = rt.deploy(source, max_instances=1, retry_num=0, timeout=900)

    def fail(*given: Any) -> None:
        raise LookupError("broken on purpose")

    with held_up(rt._platform._reactor):
        fn.invoke_async({})
        waiting = fn.invoke_async({})
        (instance,) = rt._platform.instances_of(fn._record)
        instance.process.kill()
        monkeypatch.setattr(rt._platform._starter, "start", fail)
    assert waiting.wait(PATIENCE).status_code == 500
    assert "no instance could be started: LookupError: broken on purpose" in waiting.diagnosis
    with pytest.raises(BackgroundError, match="broken on purpose"):
        rt.close()


def test_an_event_goes_on_where_no_thread_can_put_its_log_away(no_thread: Callable[[str], list[str]]) -> None:
    failed = no_thread("pytest-scf-logs")
    size = 8 << 20
    with ScfRuntime(isolation="directory") as rt:
        event = rt.deploy(f"def main_handler(event, context):\n    print('x' * {size})\n", timeout=60).invoke()
        assert (event.status_code, len(event.logs.user)) == (200, size + 1)
    assert failed


def test_an_instance_is_killed_where_no_thread_can_copy_its_tmp(
    tmp_path: Path, no_thread: Callable[[str], list[str]]
) -> None:
    failed = no_thread("pytest-scf-artifacts")
    with ScfRuntime(isolation="directory", keep_tmp=tmp_path) as rt:
        event = rt.deploy(HANDLER, async_run=True, timeout=1).invoke_async({})
        assert event.wait(PATIENCE).status_code == 433
    assert failed


def test_what_is_due_is_done_after_something_else_that_raised() -> None:
    reactor, done = Reactor(), threading.Event()
    reactor.start()
    clock = Clock(reactor)

    def fail() -> None:
        raise LookupError("broken on purpose")

    moment = clock.now() + 0.05
    for call in (fail, done.set):
        clock.call_at(moment, call)
    assert done.wait(PATIENCE)
    clock.close()
    reactor.close()
    assert [str(error) for error in reactor.errors] == ["broken on purpose"]


def test_each_step_of_closing_is_done_whatever_another_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    leases = host._leases
    rt = ScfRuntime(isolation="directory")
    fn = rt.deploy(HANDLER, async_run=True)
    fn.invoke_async({}).wait_for_log("runs")
    (staged,) = rt._platform.staging._made

    def fail(*arguments: object) -> None:
        raise OSError("it does not close")

    rt._closing.callback(fail)
    monkeypatch.setattr(rt._platform._log_blocks, "close", fail)
    monkeypatch.setattr(rt._platform._starter, "close", fail)
    with pytest.raises(OSError, match="it does not close"):
        rt.close()
    assert host._leases == leases
    assert not rt._platform._scheduler.instances
    assert not staged.exists()


def test_a_runtime_that_is_refused_holds_nothing() -> None:
    leases = host._leases
    wrong: Any = {"a": 5}
    with pytest.raises(UsageError, match="a"):
        ScfRuntime(images=wrong)
    assert host._leases == leases


@pytest.mark.parametrize("missing", ["Lifeline", "Reactor.start"])
def test_a_host_that_cannot_be_made_leaves_nothing(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError("too many open files")

    before = psutil.Process().num_fds()
    monkeypatch.setattr(f"pytest_scf.instances.host.{missing}", fail)
    threads = threading.active_count()
    with pytest.raises(OSError, match="too many open files"):
        host.Host()
    assert (psutil.Process().num_fds(), threading.active_count()) == (before, threads)
