"""The fork server and the inits are killed from outside, or by the code they run: what is said, and what is left."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest
from kinds import LEVELS, only
from present import present

from pytest_scf import IsolationUnavailable, ScfRuntime
from pytest_scf.instances.forkserver.zygote import SPARE_NAME
from pytest_scf.instances.host import Host, current
from pytest_scf.instances.levels import Level

WITNESS = str(Path(__file__).with_name("witness.py"))

DESCENDANTS_AND_ALL = """
import os, signal

def main_handler(event, context):
    if event.get("quick"):
        return "answer"
    ready, told = os.pipe()
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.write(told, b"x")
            while True:
                signal.pause()
        os._exit(0)
    os.read(ready, 1)
    os.wait()
    with open(os.environ.get("TMPDIR", "/tmp") + "/mark", "w"):
        pass
    print("stays")
    while True:
        signal.pause()
"""

KILLS = """
import json, os, signal, sys
import psutil
from pytest_scf import ScfRuntime
from pytest_scf.instances.host import HostLease

level, whom, code = sys.argv[1:]
said = {}
with HostLease() as held, ScfRuntime(isolation=level) as rt:
    fn = rt.deploy(code, async_run=True)
    assert fn.invoke_async({"quick": 1}).wait().return_value == "answer"
    event = fn.invoke_async({})
    event.wait_for_log("stays")
    other = fn.invoke_async({})
    other.wait_for_log("stays")
    instance = event.instance
    (supervisor,) = held.host.pids
    (zygote,) = psutil.Process(supervisor).children()
    for pid in {"supervisor": [supervisor], "zygote": [zygote.pid], "both": [supervisor, zygote.pid]}[whom]:
        os.kill(pid, signal.SIGKILL)
    for each in (event, other):
        each.wait()
    said["ended"] = [event.status, event.status_code, event.error_message]
    said["processes"] = [p.pid for p in psutil.Process().children(recursive=True)]
    said["alive"] = [instance.alive, instance.tmp.exists(), len(fn.instances)]
    said["again"] = fn.invoke_async({"quick": 1}).wait().return_value
    with ScfRuntime(isolation=level) as another:
        fn = another.deploy(code, timeout=60)
        said["next runtime"] = fn.invoke({"quick": 1}).return_value
print(json.dumps(said))
"""


@pytest.mark.parametrize("whom", ["supervisor", "zygote", "both"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_fork_server_that_was_killed_takes_all_along_and_is_replaced_at_the_next_launch(
    tmp_path: Path, need: Callable[[str], None], level: Any, whom: str
) -> None:
    need(level)
    cwd, temporary = tmp_path / "cwd", tmp_path / "tmp"
    cwd.mkdir()
    temporary.mkdir()
    (cwd / "kills.py").write_text(KILLS)
    case = {
        "command": [sys.executable, "kills.py", level, whom, DESCENDANTS_AND_ALL],
        "cwd": str(cwd),
        "environ": {"TMPDIR": str(temporary)},
    }
    done = subprocess.run(
        [sys.executable, WITNESS, json.dumps(case)], capture_output=True, text=True, timeout=240, check=False
    )
    output = (cwd / "output").read_text()
    assert done.returncode == 0, done.stderr + output
    seen = json.loads(done.stdout)
    assert seen == {"status": 0, "left": [], "mounts": []}, output
    said = json.loads(output)
    status, code, message = said["ended"]
    assert (status, code) == ("FAILED", 500)
    assert "the fork server ended unexpectedly" in message
    assert said["processes"] == []
    assert said["alive"] == [False, False, 0]
    assert said["again"] == "answer"
    assert said["next runtime"] == "answer"
    assert list(temporary.iterdir()) == []


@only(start_method="fork")
def test_an_init_that_was_killed_takes_its_instance_along_and_no_other(each_kind: ScfRuntime) -> None:
    fn = each_kind.deploy(DESCENDANTS_AND_ALL, async_run=True)
    event, other = fn.invoke_async({}), fn.invoke_async({})
    for each in (event, other):
        each.wait_for_log("stays")
    instance, tmp = event.instance, event.instance.tmp
    init = present(psutil.Process(instance.pid).parent())
    below = init.children(recursive=True)
    assert len(below) == 2
    init.kill()
    event.wait()
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert not any(process.is_running() for process in below)
    assert not instance.alive
    assert not os.path.lexists(tmp)
    assert other.status == "RUNNING"
    assert other.instance.alive
    other.terminate()


@only(level="directory")
def test_code_that_kills_its_init_ends_its_own_event_only(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import signal

        if event.get("quick"):
            return "answer"
        if os.fork() == 0:
            os.setsid()
            signal.pause()
        os.kill(os.getppid(), signal.SIGKILL)
        while True:
            signal.pause()

    fn = each_kind.deploy(handler, async_run=True)
    event = fn.invoke_async({}).wait()
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert fn.invoke_async({"quick": 1}).wait().return_value == "answer"


@only(level="directory")
def test_code_that_stops_its_init_is_terminated_all_the_same(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import signal

        os.kill(os.getppid(), signal.SIGSTOP)
        print("stopped it")
        while True:
            signal.pause()

    event = each_kind.deploy(handler, async_run=True).invoke_async()
    event.wait_for_log("stopped it")
    event.terminate()
    event.assert_aborted()


def test_code_that_asks_its_init_to_leave_is_not_heard(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import signal

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            os.kill(os.getppid(), number)
        return "still there"

    fn = each_kind.deploy(handler, timeout=60)
    for _ in range(2):
        assert fn.invoke().return_value == "still there"
    assert len(fn.instances) == 1


def test_many_launched_at_once_each_see_their_own_end(each_kind: ScfRuntime) -> None:
    """What is handed to one must not stay open in another that was launched at the same moment."""

    def handler(event, context):
        import os

        if event == "leave":
            os._exit(47)
        return event

    fn = each_kind.deploy(handler, async_run=True)
    events = [fn.invoke_async("leave" if number % 2 else number) for number in range(30)]
    for number, event in enumerate(events):
        event.wait()
        if number % 2:
            assert (event.status_code, event.diagnosis.count("exited with status 47")) == (439, 1)
        else:
            assert event.return_value == number


def new_spare(rt) -> tuple[psutil.Process, psutil.Process]:
    """The init and the user's process of a spare that nobody has touched: each launch is followed by one."""
    assert rt.deploy("def main_handler(event, context):\n    return 47\n", timeout=60).invoke().return_value == 47
    (zygote,) = psutil.Process(present(current()).fork_server(rt.isolation).pid).children()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for init in zygote.children():
            for process in init.children():
                if init.name() == process.name() == SPARE_NAME:
                    return init, process
    pytest.fail("no spare is made within 60 s")


@only(start_method="fork", pidfd=True)
def test_an_instance_is_the_spare_and_is_not_called_so_any_more(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        with open("/proc/self/comm", encoding="ascii") as comm:
            return comm.read().strip()

    init, process = new_spare(each_kind)
    fn = each_kind.deploy(handler, timeout=60)
    assert fn.invoke().return_value not in (SPARE_NAME, None)
    (instance,) = fn.instances
    assert [instance.pid, psutil.Process(instance.pid).ppid()] == [process.pid, init.pid]


@only(start_method="fork", pidfd=True)
def test_the_users_code_finds_nothing_of_the_warm_up(each_kind: ScfRuntime) -> None:
    source = (
        "import keyword, os, sys\n"
        "def main_handler(event, context):\n"
        "    threads = len(os.listdir('/proc/self/task'))\n"
        "    return [keyword.__spec__.name, sorted(os.environ), threads,\n"
        "            sorted(name for name in sys.modules if 'sample' in name or 'warm' in name)]\n"
    )
    for _ in range(3):  # the last one's is forked when the fork server has rehearsed it, too
        code = each_kind.deploy(source, timeout=60)
        init, process = new_spare(each_kind)
        zygote = psutil.Process(init.ppid())
        for each in (process, zygote):
            while each.status() != psutil.STATUS_SLEEPING:  # it waits for something to do then, and is warm
                assert each.is_running()
        name, variables, threads, modules = code.invoke().return_value
        assert [name, threads, modules] == ["keyword", 1, []]
        assert "SAMPLE" not in variables


@only(start_method="fork", pidfd=True)
def test_a_spare_whose_init_was_killed_is_replaced(each_kind: ScfRuntime) -> None:
    init, _process = new_spare(each_kind)
    init.kill()
    init.wait(60)
    fn = each_kind.deploy("def main_handler(event, context):\n    return 47\n", timeout=60)
    assert fn.invoke().return_value == 47


@only(start_method="fork", pidfd=True)
def test_an_event_whose_spare_process_was_killed_says_so_and_the_next_has_another(each_kind: ScfRuntime) -> None:
    _init, process = new_spare(each_kind)
    process.kill()
    fn = each_kind.deploy("def main_handler(event, context):\n    return 47\n", timeout=60)
    answer = fn.invoke()
    # The init of a spare looks at its process no sooner than it has an instance to start.
    assert "SIGKILL" in answer.diagnosis
    assert fn.invoke().return_value == 47


def test_the_fork_server_ignores_what_asks_it_to_leave(each_kind: ScfRuntime) -> None:
    """As it comes to every process when a job is cancelled: it leaves when the test process does, and not before."""
    host = current()
    assert host is not None
    for pid in host.pids:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            os.kill(pid, number)
    assert (
        each_kind.deploy("def main_handler(event, context):\n    return 47\n", timeout=60).invoke().return_value == 47
    )


def test_an_interpreter_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pytest_scf.errors import ForkServerError

    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho this python is broken >&2\nexit 47\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    host = Host()
    try:
        with pytest.raises(ForkServerError, match=r"exit status 47; it said:\nthis python is broken"):
            host.fork_server("directory")
    finally:
        host.close()


@pytest.mark.parametrize(
    ("reason", "asked"),
    [("[Errno 12] clone3: Cannot allocate memory", 2), ("[Errno 1] unshare: Operation not permitted (why)", 1)],
)
def test_only_what_the_machine_never_allows_is_refused_for_good(
    monkeypatch: pytest.MonkeyPatch, reason: str, asked: int
) -> None:
    levels: list[str] = []

    def refuse(level: Level, *given: object) -> NoReturn:
        levels.append(level.name)
        raise IsolationUnavailable(level.name, reason)

    monkeypatch.setattr("pytest_scf.instances.host.ForkServer", refuse)
    host = Host()
    for _ in range(2):
        with pytest.raises(IsolationUnavailable, match=re.escape(reason)):
            host.fork_server("namespaces")
    assert levels == ["namespaces"] * asked
    host.close()


def test_a_fork_server_that_starts_holds_up_no_launch_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host()
    running = host.fork_server("directory")
    begun, go_on = threading.Event(), threading.Event()

    def start_slowly(level: Level, *given: object) -> NoReturn:
        begun.set()
        go_on.wait(60)
        raise IsolationUnavailable(level.name, "for this test")

    monkeypatch.setattr("pytest_scf.instances.host.ForkServer", start_slowly)
    with ThreadPoolExecutor(2) as threads:
        starting = threads.submit(host.fork_server, "namespaces")
        try:
            assert begun.wait(60)
            assert threads.submit(host.fork_server, "directory").result(20) is running
        finally:
            go_on.set()
        assert isinstance(starting.exception(60), IsolationUnavailable)
    host.close()


def test_a_test_process_that_ends_slowly_leaves_no_directory() -> None:
    """The kernel closes its socket first, and its lifeline when it is scheduled again."""
    host = Host()
    try:
        server = host.fork_server("directory")
        (host.base_dir / "code").mkdir()
        server._control.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 60
        while server.base_dir.exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        host._lifeline.cut()
        server._process.wait(60)
        assert not host.base_dir.exists()
    finally:
        host.close()


@pytest.mark.parametrize("whom", ["supervisor", "zygote", "init"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_process_of_ours_that_was_stopped_holds_up_no_end(
    need: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, level: str, whom: str
) -> None:
    """Of an event, of what comes after it, and of the runtime."""
    need(level)
    monkeypatch.setattr("pytest_scf.instances.process.RESUME_INTERVAL", 0.1)
    with contextlib.closing(ScfRuntime(isolation=level)) as rt:
        fn = rt.deploy(DESCENDANTS_AND_ALL, async_run=True)
        event = fn.invoke_async({})
        event.wait_for_log("stays")
        init = present(psutil.Process(event.instance.pid).parent())
        zygote = present(init.parent())
        processes = {"supervisor": present(zygote.parent()), "zygote": zygote, "init": init}
        processes[whom].suspend()
        event.terminate()
        event.assert_aborted()
        assert not init.is_running()
        assert fn.invoke_async({"quick": 1}).wait().return_value == "answer"
        event = fn.invoke_async({})
        event.wait_for_log("stays")
        if whom == "init":
            init = present(psutil.Process(event.instance.pid).parent())
            init.suspend()
        else:
            processes[whom].suspend()
    assert not init.is_running()
