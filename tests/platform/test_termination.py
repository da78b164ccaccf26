"""Terminating an event, both ways: every outcome of docs/cloud-contract.md#termination on real processes."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable

import psutil
import pytest
from present import present

from pytest_scf import ApiError, EventEnded, ScfRuntime, WaitTimeout

RECEIVED = "[PLATFORM] Signal received successfully"


@pytest.fixture(params=["namespaces", "directory", "namespaces without pidfd", "directory without pidfd"])
def each_pidfd(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation, with and without pidfds."""
    level = request.param.split()[0]
    return scf_runtime_of(level, pidfd="without" not in request.param)


def waiting(after_signal: str) -> str:
    """A handler that registers a signal handler with this body, then loops until ``done`` holds a value."""
    return f"""\
        import os, signal, sys, time
        done = []
        def on_signal(*args):
            print('signal handler')
            {after_signal}
        def main_handler(event, context):
            signal.signal(signal.SIGTERM, on_signal)
            print('ready')
            while not done:
                time.sleep(0.01)
            return done[0]
    """


def signalled(rt, source: str):
    event = rt.deploy(source, async_run=True).invoke_async()
    event.wait_for_signal_handler()
    event.terminate(graceful=True)
    return event


def test_a_signal_handler_that_lets_the_code_return_finishes_the_event(each_pidfd: ScfRuntime) -> None:
    event = signalled(each_pidfd, waiting("done.append('saved')"))
    event.assert_finished("saved")
    assert event.logs.platform == [RECEIVED]
    assert event.instance.alive
    assert "caught" in event.diagnosis
    assert "index.py:7" in event.diagnosis


def test_a_signal_handler_that_raises_fails_the_event_with_430(each_pidfd: ScfRuntime) -> None:
    event = signalled(each_pidfd, waiting("raise ValueError('in the signal handler')"))
    event.assert_failed(430)
    assert "ValueError: in the signal handler" in event.error_message
    event.assert_repossessed()


@pytest.mark.parametrize(
    ("leave", "status"), [("sys.exit(0)", 0), ("sys.exit(143)", 143), ("sys.exit('why')", 1), ("os._exit(47)", 47)]
)
def test_a_signal_handler_that_exits_fails_the_event_with_439(each_pidfd: ScfRuntime, leave: str, status: int) -> None:
    event = signalled(each_pidfd, waiting(leave))
    event.assert_failed(439)
    assert "User process exit when running" in event.error_message
    assert f"exited with status {status}" in event.diagnosis
    event.assert_repossessed()


def test_without_a_signal_handler_the_process_dies_of_the_signal(each_pidfd: ScfRuntime) -> None:
    source = "import time\ndef main_handler(event, context):\n    print('ready')\n    time.sleep(600)\n"
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert "ended by signal SIGTERM" in event.diagnosis
    assert "exited" not in event.diagnosis
    assert event.logs.platform == [RECEIVED]


def test_an_event_that_goes_on_stays_running_for_a_second_signal_and_a_forced_end(each_pidfd: ScfRuntime) -> None:
    event = signalled(each_pidfd, waiting("pass"))
    event.wait_for_log("signal handler")
    assert event.status == "RUNNING"
    event.terminate(graceful=True)
    event.wait_for_log(r"signal handler[\s\S]*signal handler")
    assert event.status == "RUNNING"
    assert event.logs.platform == [RECEIVED, RECEIVED]
    event.terminate()
    event.assert_aborted()
    event.assert_repossessed()


@pytest.mark.parametrize(
    ("prepare", "word"),
    [
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "ignored"),
        ("signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])", "blocked"),
    ],
)
def test_a_signal_that_is_ignored_or_blocked_changes_nothing_and_the_diagnosis_says_so(
    each_pidfd: ScfRuntime, prepare: str, word: str
) -> None:
    source = f"""
        import signal, time
        def main_handler(event, context):
            {prepare}
            print('ready')
            time.sleep(600)
    """
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    assert event.status == "RUNNING"
    assert event.logs.platform == [RECEIVED]
    assert word in event.diagnosis
    event.terminate()
    event.assert_aborted()


def test_a_signal_while_the_instance_starts_ends_the_process(each_pidfd: ScfRuntime) -> None:
    source = "import time\nprint('starting')\ntime.sleep(600)\ndef main_handler(event, context):\n    pass\n"
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("starting")
    event.terminate(graceful=True)
    event.assert_failed(439)


def test_registering_from_a_thread_is_refused_by_python_and_stands_in_the_log(each_pidfd: ScfRuntime) -> None:
    source = """\
import signal, threading, time
def register():
    signal.signal(signal.SIGTERM, print)
def main_handler(event, context):
    thread = threading.Thread(target=register)
    thread.start()
    thread.join()
    print('ready')
    time.sleep(600)
"""
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("ready")
    assert "ValueError: signal only works in main thread" in event.logs.text
    event.terminate(graceful=True)
    event.assert_failed(439)


def test_a_signal_handler_of_asyncio_runs(each_pidfd: ScfRuntime) -> None:
    source = """\
import asyncio, signal
async def work():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    return 'stopped'
def main_handler(event, context):
    return asyncio.run(work())
"""
    signalled(each_pidfd, source).assert_finished("stopped")


def test_a_signal_handler_registered_in_c_is_seen(each_pidfd: ScfRuntime) -> None:
    source = """\
import ctypes, signal, time
libc = ctypes.CDLL(None)
caught = []
on_signal = ctypes.CFUNCTYPE(None, ctypes.c_int)(caught.append)
def main_handler(event, context):
    libc.signal(signal.SIGTERM, on_signal)
    while not caught:
        time.sleep(0.01)
    return caught[0]
"""
    signalled(each_pidfd, source).assert_finished(15)


def test_the_signal_goes_to_the_users_process_alone(each_pidfd: ScfRuntime) -> None:
    source = """\
import os, signal, time
def main_handler(event, context):
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, lambda *args: os.write(1, b'child was signalled\\n'))
        os.write(1, b'child is ready\\n')
        while True:
            time.sleep(600)
    time.sleep(600)
"""
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("child is ready")
    event.terminate(graceful=True)
    event.assert_failed(439)
    event.assert_repossessed()
    assert "child was signalled" not in event.logs.text


def test_a_forced_end_takes_every_descendant_along_before_it_returns(each_pidfd: ScfRuntime) -> None:
    source = """\
import os, signal, time
def main_handler(event, context):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
            os.write(1, b'daemon\\n')
            time.sleep(600)
        os._exit(0)
    if os.fork() == 0:
        os.write(1, b'stopped\\n')
        os.kill(os.getpid(), signal.SIGSTOP)
    print('ready')
    os.kill(os.getpid(), signal.SIGSTOP)
"""
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    for line in ("daemon", "stopped", "ready"):
        event.wait_for_log(line)
    inside = present(psutil.Process(event.instance.pid).parent()).children(recursive=True)
    assert len(inside) >= 3
    event.terminate()
    event.assert_aborted()
    assert [process for process in inside if process.is_running()] == []


def test_what_is_not_running_unknown_or_not_asynchronous_is_refused_with_the_contracts_codes(
    each_pidfd: ScfRuntime,
) -> None:
    fn = each_pidfd.deploy("def main_handler(event, context):\n    return 1\n", async_run=True)
    event = fn.invoke_async().wait()
    for graceful in (True, False):
        with pytest.raises(ApiError) as refused:
            event.terminate(graceful=graceful)
        assert refused.value.code == "FailedOperation.AsyncEventStatus"
    with pytest.raises(ApiError) as unknown:
        each_pidfd.api.call("TerminateAsyncEvent", {"FunctionName": fn.name, "InvokeRequestId": "0" * 8 + "-0" * 14})
    assert unknown.value.code == "ResourceNotFound.AsyncEvent"
    other = each_pidfd.deploy("def main_handler(event, context):\n    return 1\n", async_run=True)
    with pytest.raises(ApiError) as foreign:
        each_pidfd.api.call("TerminateAsyncEvent", {"FunctionName": other.name, "InvokeRequestId": event.request_id})
    assert foreign.value.code == "ResourceNotFound.AsyncEvent"
    plain = each_pidfd.deploy("def main_handler(event, context):\n    return 1\n")
    result = plain.invoke()
    with pytest.raises(ApiError) as synchronous:
        each_pidfd.api.call("TerminateAsyncEvent", {"FunctionName": plain.name, "InvokeRequestId": result.request_id})
    assert synchronous.value.code == "UnsupportedOperation.AsyncRunEnable"


def test_of_many_who_terminate_at_once_one_wins_and_the_others_are_told(each_pidfd: ScfRuntime) -> None:
    event = each_pidfd.deploy(waiting("pass"), async_run=True).invoke_async()
    event.wait_for_signal_handler()
    codes = []

    def end() -> None:
        try:
            event.terminate()
            codes.append("won")
        except ApiError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == ["FailedOperation.AsyncEventStatus"] * 7 + ["won"]
    event.assert_aborted()


def test_a_signal_sent_as_the_event_ends_is_told_or_refused_and_never_harms_the_next_event(
    each_pidfd: ScfRuntime,
) -> None:
    fn = each_pidfd.deploy("import os\ndef main_handler(event, context):\n    return os.getpid()\n", async_run=True)
    for _ in range(20):
        event = fn.invoke_async()
        try:
            event.terminate(graceful=True)
        except ApiError as error:
            assert error.code == "FailedOperation.AsyncEventStatus"
        event.wait()
        assert event.status_code in (200, 439)
        fn.invoke_async().assert_finished()


def test_a_wait_for_a_signal_handler_ends_with_the_event_or_in_time(each_pidfd: ScfRuntime) -> None:
    done = each_pidfd.deploy("def main_handler(event, context):\n    return 1\n", async_run=True).invoke_async()
    with pytest.raises(EventEnded):
        done.wait_for_signal_handler()
    source = "import time\ndef main_handler(event, context):\n    time.sleep(600)\n"
    never = each_pidfd.deploy(source, async_run=True).invoke_async()
    with pytest.raises(WaitTimeout, match="signal handler"):
        never.wait_for_signal_handler(timeout=0.1)
    never.terminate()


def test_the_signal_deadline_ends_by_force_what_goes_on(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory", signal_deadline=0.1)
    event = signalled(rt, waiting("pass"))
    event.assert_aborted()
    assert "signal_deadline" in event.diagnosis


def test_signals_are_fresh_in_the_handler(each_pidfd: ScfRuntime) -> None:
    source = """\
def main_handler(event, context):
    lines = open('/proc/self/status').read().splitlines()
    return dict(line.split(':\\t') for line in lines if line.startswith(('SigBlk', 'SigIgn', 'SigCgt')))
"""
    masks = {name: int(mask, 16) for name, mask in each_pidfd.deploy(source).invoke().return_value.items()}
    caught = {signum for signum in range(1, 65) if masks["SigCgt"] & 1 << signum - 1}
    ignored = {signum for signum in range(1, 65) if masks["SigIgn"] & 1 << signum - 1}
    assert masks["SigBlk"] == 0
    # An interpreter catches SIGINT, faulthandler what ends a process by a fault, and one signal asks for the stack.
    faults = {signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT, signal.SIGBUS, signal.SIGILL}
    assert caught == {signal.SIGINT, *faults, signal.SIGRTMAX}
    # glibc keeps 32 and 33 for itself, and starts some children with them ignored.
    assert ignored - {32, 33} == {signal.SIGPIPE, signal.SIGXFSZ}


def test_the_diagnosis_names_the_code_behind_a_signal_handler_of_asyncio(scf_runtime: ScfRuntime) -> None:
    source = """\
import asyncio, signal
async def work():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
def main_handler(event, context):
    asyncio.run(work())
"""
    event = signalled(scf_runtime, source)
    event.assert_finished()
    assert "the signal handler was Event.set, registered at index.py:4" in event.diagnosis


def test_exit_143_and_death_by_sigterm_are_told_apart(scf_runtime: ScfRuntime) -> None:
    exited = signalled(scf_runtime, waiting("sys.exit(143)"))
    died = signalled(scf_runtime, waiting("signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), 15)"))
    for event, how in ((exited, "exited with status 143"), (died, "ended by signal SIGTERM")):
        event.assert_failed(439)
        assert how in event.diagnosis
    assert "SIGTERM was caught when it was sent" in died.diagnosis


def test_a_signal_handler_may_stop_being_one(each_pidfd: ScfRuntime) -> None:
    source = """\
import signal, time
def main_handler(event, context):
    signal.signal(signal.SIGTERM, print)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    print('ready')
    time.sleep(600)
"""
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("ready")
    event.terminate(graceful=True)
    event.assert_failed(439)
    assert "SIGTERM was default" in event.diagnosis
    assert "ended by signal SIGTERM" in event.diagnosis


def test_a_signal_handler_registered_while_the_instance_starts_serves_every_event(each_pidfd: ScfRuntime) -> None:
    source = """\
import signal, time
told = []
signal.signal(signal.SIGTERM, lambda *args: told.append(1))
def main_handler(event, context):
    print('ready')
    while not told:
        time.sleep(0.01)
    told.clear()
"""
    fn = each_pidfd.deploy(source, async_run=True)
    for _ in range(3):
        event = fn.invoke_async()
        event.wait_for_signal_handler()
        event.wait_for_log("ready")
        event.terminate(graceful=True)
        event.assert_finished()
    assert len(fn.instances) == 1


def test_on_a_warm_instance_the_wait_is_for_the_signal_handler_of_this_event(each_pidfd: ScfRuntime) -> None:
    source = """\
import signal, time
def main_handler(event, context):
    end = time.monotonic() + event['before']
    while time.monotonic() < end:
        pass
    told = []
    signal.signal(signal.SIGTERM, lambda *args: told.append(event['number']))
    while not told:
        time.sleep(0.01)
    return told[0]
"""
    fn = each_pidfd.deploy(source, async_run=True)
    for number in range(10):
        event = fn.invoke_async({"number": number, "before": 0.02 * number})
        event.wait_for_signal_handler()
        event.terminate(graceful=True)
        event.assert_finished(number)
    assert len(fn.instances) == 1


@pytest.mark.parametrize("work", ["time.sleep(0.01)", "pass"])
def test_code_that_registers_once_for_all_is_not_waited_for_without_end(scf_runtime: ScfRuntime, work: str) -> None:
    source = f"""
        import signal, time
        told, registered = [], []
        def main_handler(event, context):
            if not registered:
                signal.signal(signal.SIGTERM, lambda *args: told.append(1))
                registered.append(1)
            while not told:
                {work}
            told.clear()
    """
    fn = scf_runtime.deploy(source, async_run=True)
    for _ in range(2):
        event = fn.invoke_async()
        event.wait_for_signal_handler()
        event.terminate(graceful=True)
        event.assert_finished()


@pytest.mark.parametrize("act", ["raise ValueError('late')", "sys.exit(3)", "os._exit(4)", "pass"])
def test_a_signal_that_comes_as_the_handler_returns_never_harms_the_next_event(
    each_pidfd: ScfRuntime, act: str
) -> None:
    """The signal handler stays registered, and may run when the event it was sent for is over."""
    source = f"""
        import os, signal, sys
        def on_signal(*args):
            {act}
        signal.signal(signal.SIGTERM, on_signal)
        def main_handler(event, context):
            return event
    """
    fn = each_pidfd.deploy(source, async_run=True)
    codes = set()
    for number in range(25):
        event = fn.invoke_async(number)
        try:
            event.terminate(graceful=True)
        except ApiError as error:
            assert error.code == "FailedOperation.AsyncEventStatus"
        event.wait()
        codes.add(int(event.status_code))
        following = fn.invoke_async("next")
        following.assert_finished("next")
    assert codes <= {200, 430, 439, 443}


def test_a_process_that_was_stopped_gets_the_signal_when_it_goes_on(each_pidfd: ScfRuntime) -> None:
    source = """\
import os, signal, time
told = []
def main_handler(event, context):
    signal.signal(signal.SIGTERM, lambda *args: told.append('told'))
    print('ready')
    os.kill(os.getpid(), signal.SIGSTOP)
    while not told:
        time.sleep(0.01)
    return told[0]
"""
    event = each_pidfd.deploy(source, async_run=True).invoke_async()
    event.wait_for_log("ready")
    process = psutil.Process(event.instance.pid)
    event.terminate(graceful=True)
    assert event.status == "RUNNING"
    while process.status() != psutil.STATUS_STOPPED:
        pass
    process.resume()
    event.assert_finished("told")


def test_a_forced_end_while_the_instance_starts_returns_when_it_is_gone(each_pidfd: ScfRuntime) -> None:
    source = "import time\nprint('starting')\ntime.sleep(600)\ndef main_handler(event, context):\n    pass\n"
    fn = each_pidfd.deploy(source, async_run=True)
    event = fn.invoke_async()
    event.wait_for_log("starting")
    event.terminate()
    event.assert_aborted()
    assert fn.instances == []


@pytest.mark.parametrize("graceful", [True, False])
def test_an_event_can_be_terminated_the_moment_it_is_invoked(each_pidfd: ScfRuntime, graceful: bool) -> None:
    fn = each_pidfd.deploy(waiting("pass"), async_run=True)
    for _ in range(15):
        event = fn.invoke_async()
        event.terminate(graceful=graceful)
        if graceful:
            # Either the process died of it, or the code had got as far as to register its signal handler, and goes on.
            try:
                event.wait_for_log("signal handler")
            except EventEnded:
                event.assert_failed(439)
                continue
            event.terminate()
        event.assert_aborted()
        event.assert_repossessed()


def test_of_many_signals_sent_at_once_each_is_told(each_pidfd: ScfRuntime) -> None:
    event = each_pidfd.deploy(waiting("pass"), async_run=True).invoke_async()
    event.wait_for_signal_handler()
    threads = [threading.Thread(target=event.terminate, kwargs={"graceful": True}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert event.logs.platform == [RECEIVED] * 8
    assert "number 8" in event.diagnosis
    assert event.status == "RUNNING"
    event.terminate()
    event.assert_aborted()


def test_who_is_refused_a_termination_finds_the_event_ended(each_pidfd: ScfRuntime) -> None:
    fn = each_pidfd.deploy(waiting("pass"), async_run=True)
    for _ in range(10):
        event = fn.invoke_async()
        event.wait_for_signal_handler()
        statuses: list[str] = []

        def end(event=event, statuses=statuses) -> None:
            with contextlib.suppress(ApiError):
                event.terminate()
            statuses.append(str(event.status))

        threads = [threading.Thread(target=end) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == ["ABORTED"] * 4


def test_a_process_that_gives_no_sign_of_life_after_a_signal_and_the_return_is_repossessed(
    scf_runtime: ScfRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_scf.platform.scheduler.SETTLE_DEADLINE", 0.05)
    source = """\
import signal, sys, time
told = []
def hold_before_it_listens_again(frame, what, argument):
    if what == 'call' and frame.f_code.co_name == 'receive':
        time.sleep(600)
def on_signal(*args):
    told.append('returned')
def main_handler(event, context):
    signal.signal(signal.SIGTERM, on_signal)
    while not told:
        time.sleep(0.01)
    sys.setprofile(hold_before_it_listens_again)
    return told[0]
"""
    event = signalled(scf_runtime, source)
    event.assert_finished("returned")
    event.assert_repossessed()
