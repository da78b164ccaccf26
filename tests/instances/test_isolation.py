"""What an instance keeps to itself, and what its end takes along: for every kind of instance, spawned ones too."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from kinds import only
from present import present

from pytest_scf import ApiError, ScfRuntime
from pytest_scf.instances.forkserver import mounts
from pytest_scf.instances.forkserver.zygote import SPARE_NAME

#: goes on in a child after each of: leaving the session, ignoring SIGTERM, both by way of two forks, being stopped
DESCENDANTS = """
import os, signal, time

def descend(prepare):
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        prepare()
        os.write(told, b"x")
        while True:
            signal.pause()
    os.close(told)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return child

def ignore():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)

def block():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

def daemonise():
    os.setsid()
    ignore()
    if os.fork():
        os._exit(0)

def fill():
    for prepare in (ignore, block, os.setsid):
        descend(prepare)
    os.waitpid(descend(daemonise), 0)
    for prepare in (ignore, os.setsid):
        child = descend(prepare)
        os.kill(child, signal.SIGSTOP)
        os.waitpid(child, os.WUNTRACED)

def main_handler(event, context):
    left = []
    signal.signal(signal.SIGTERM, lambda *args: left.append("told"))
    fill()
    print("filled")
    if event == "return":
        return "returned"
    if event == "exit":
        os._exit(47)
    while not left:
        time.sleep(0.01)  # a signal just before a pause would be missed by it
    if event == "raise":
        raise LookupError("on purpose")
    return left[0]
"""


def below(event) -> list[psutil.Process]:
    """All processes of an event's instance: the init, the user's process, what that forked."""
    init = present(psutil.Process(event.instance.pid).parent())
    return [init, *init.children(recursive=True)]


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if process.is_running()]


def filled(rt, event: object):
    started = rt.deploy(DESCENDANTS, async_run=True).invoke_async(event)
    started.wait_for_log("filled")
    return started


# -- termination ---------------------------------------------------------------------------------------------------


def test_a_forced_end_leaves_no_descendant_when_it_returns(each_kind: ScfRuntime) -> None:
    event = filled(each_kind, "stay")
    processes = below(event)
    assert len(processes) == 8
    tmp = event.instance.tmp
    event.terminate()
    assert running(processes) == []
    event.assert_aborted()
    assert not os.path.lexists(tmp)


def test_a_graceful_end_tells_the_users_process_alone_and_the_instance_lives_on_with_what_it_forked(
    each_kind: ScfRuntime,
) -> None:
    event = filled(each_kind, "stay")
    processes = below(event)
    event.terminate(graceful=True)
    event.wait()
    event.assert_finished("told")
    assert running(processes) == processes
    each_kind.close()
    assert running(processes) == []


def test_an_exceptional_end_after_the_signal_leaves_no_descendant(each_kind: ScfRuntime) -> None:
    event = filled(each_kind, "raise")
    processes = below(event)
    tmp = event.instance.tmp
    event.terminate(graceful=True)
    event.wait()
    event.assert_failed(430)
    event.assert_repossessed()
    assert running(processes) == []
    assert not os.path.lexists(tmp)


def test_a_process_that_exits_leaves_no_descendant(each_kind: ScfRuntime) -> None:
    fn = each_kind.deploy(DESCENDANTS, async_run=True)
    event = fn.invoke_async("exit").wait()
    event.assert_failed(439)
    event.assert_repossessed()
    assert fn.instances == []


def test_a_forced_end_catches_up_with_processes_that_keep_forking(each_kind: ScfRuntime) -> None:
    """Each lives for a moment only, in a session of its own, so no list of them is ever true."""

    def handler(event, context):
        import os
        import signal

        for _ in range(4):
            if os.fork() == 0:
                print("runs")
                while True:
                    if os.fork():
                        os._exit(0)
                    os.setsid()
        signal.pause()  # not os.wait(), which raises as soon as the first of each line has ended

    event = each_kind.deploy(handler, async_run=True).invoke_async()
    event.wait_for_log("runs")
    init = present(psutil.Process(event.instance.pid).parent())
    zygote = present(init.parent())
    event.terminate()
    event.assert_aborted()
    assert not init.is_running()
    # The zygote is a subreaper: what had got away would have come to it.
    left = []
    for child in zygote.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a spare one may go between the two looks
            left += [child] if child.name() != SPARE_NAME else []
    assert left == []


def test_terminated_twice_is_refused_and_the_next_event_has_an_instance_of_its_own(each_kind: ScfRuntime) -> None:
    fn = each_kind.deploy(DESCENDANTS, async_run=True)
    event = fn.invoke_async("stay")
    event.wait_for_log("filled")
    event.terminate()
    with pytest.raises(ApiError):
        event.terminate(graceful=True)
    other = fn.invoke_async("return").wait()
    other.assert_finished("returned")
    assert other.instance != event.instance
    assert [instance.alive for instance in (event.instance, other.instance)] == [False, True]


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def outside() -> Iterator[str]:
    """A directory of the host's with a file in it, below the /tmp that all share."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="outside-") as directory:
        with open(os.path.join(directory, "kept"), "w", encoding="ascii") as file:
            file.write("kept")
        yield directory


def test_links_that_lead_out_of_tmp_are_not_followed_when_it_is_removed(each_kind: ScfRuntime, outside: str) -> None:
    def handler(event, context):
        import os
        import tempfile

        os.symlink(event, os.path.join(tempfile.gettempdir(), "directory"))
        os.symlink(event + "/kept", os.path.join(tempfile.gettempdir(), "file"))

    fn = each_kind.deploy(handler, timeout=60)
    assert fn.invoke(outside).status_code == 200
    (instance,) = fn.instances
    tmp = instance.tmp
    each_kind.close()
    assert not os.path.lexists(tmp)
    assert os.listdir(outside) == ["kept"]


def test_a_tree_deeper_than_a_path_may_be_long_is_removed(each_kind: ScfRuntime) -> None:
    def handler(event, context):
        import os
        import tempfile

        os.chdir(tempfile.gettempdir())
        for _ in range(60):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        os.chdir("/")

    fn = each_kind.deploy(handler, timeout=60)
    assert fn.invoke().status_code == 200
    (instance,) = fn.instances
    tmp = instance.tmp
    each_kind.close()
    assert not os.path.lexists(tmp)


@only(level="namespaces")
def test_a_full_tmp_is_full_for_its_own_instance_only(open_runtime: Callable[..., ScfRuntime]) -> None:
    def handler(event, context):
        try:
            with open("/tmp/file", "wb", buffering=0) as file:
                for _ in range(event):
                    file.write(b"x" * 4096)
        except OSError as error:
            return error.errno
        return 0

    rt = open_runtime(tmp_bytes=16 * 4096)
    first, second = (rt.deploy(handler, name=name, timeout=60) for name in ("first", "second"))
    assert first.invoke(1000).return_value == errno.ENOSPC
    assert second.invoke(4).return_value == 0


@only(level="namespaces")
def test_files_of_the_shared_tmp_are_not_there(call: Callable[..., Any], outside: str) -> None:
    def handler(event, context):
        import os

        return os.path.exists(event)

    assert call(handler, outside) is False


# -- what came from the test ---------------------------------------------------------------------------------------


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process changes what a child would inherit, after the fork server was started."""
    monkeypatch.setenv("SECRET_OF_THE_TEST", "hush-hush")
    old = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGUSR2])
    with contextlib.ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGUSR1, old)
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        yield


def test_environment_signals_and_session_are_the_instances_own(hostile: None, call: Callable[..., Any]) -> None:
    def handler(event, context):
        import os

        with open("/proc/self/status") as file:
            status = dict(line.rstrip("\n").split(":\t") for line in file)
        with open("/proc/self/environ", "rb") as file:
            environ = file.read().decode()
        return {
            "masks": [int(status[name], 16) for name in ("SigBlk", "SigIgn", "SigCgt")],
            "secret": "hush" in environ or "hush" in str(os.environ),
            "session": os.getsid(0) == os.getpid() == os.getpgid(0),
        }

    found = call(handler)
    masks = found.pop("masks")
    assert found == {"secret": False, "session": True}
    # Neither what this process ignores nor what it blocks. What else an interpreter ignores or catches is its affair.
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        assert [mask >> number - 1 & 1 for mask in masks] == [0, 0, 0], number


@only(start_method="fork", pidfd=True)
def test_the_kernel_takes_an_instance_first_where_the_machine_runs_out_of_memory(call: Callable[..., Any]) -> None:
    def handler(event, context):
        with open("/proc/self/oom_score_adj") as file:
            return int(file.read())

    assert call(handler) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="mounts are of Linux")
def test_what_is_gone_before_it_can_be_shown_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    (tmp_path / "old" / "link").symlink_to("elsewhere")

    mounts._show(str(tmp_path / "old"), str(tmp_path / "new"), ["gone", "link"])

    assert os.listdir(tmp_path / "new") == ["link"]
