"""Stops: an event held before a line, and terminated exactly there."""

from __future__ import annotations

import contextlib
import re
import textwrap
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from held_reactor import held_up
from map_workers import line_of
from present import present

from pytest_scf import EventEnded, ScfRuntime, UsageError, WaitTimeout
from pytest_scf.facade.probing.lines import source_lines

WORKER = textwrap.dedent(
    """\
    import signal
    import threading

    done = []
    ready = True


    def numbers():
        yield 0
        yield 1


    held = numbers()
    next(held)


    class Stopped(Exception):
        pass


    def on_sigterm(signum, frame):
        raise Stopped


    def helper(n):
        twice = n * 2
        return twice


    def main_handler(event, context):
        signal.signal(signal.SIGTERM, on_sigterm)
        total = 0
        try:
            for n in range(event.get("count", 3)):
                total += helper(n)
                done.append(n)
        except Stopped:
            return ["stopped", total, done]
        if event.get("held"):
            return next(held)
        if event.get("thread"):
            thread = threading.Thread(target=helper, args=(50,), name="worker")
            thread.start()
            thread.join()
        return ["whole", total]
    """
)


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    (tmp_path / "index.py").write_text(WORKER)
    return tmp_path


def at(text: str) -> str:
    return f"index.py:{line_of(WORKER, text)}"


def test_an_event_is_held_before_a_line(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async({"job": 7}, stop_at=at("twice = "))
    stop = event.wait_for_stop()
    line = line_of(WORKER, "twice = ")
    assert (stop.file, stop.line, stop.source, stop.occurrence) == ("index.py", line, "twice = n * 2", 1)
    assert stop.locals == {"n": "0"}
    assert [(entry.function, entry.line) for entry in stop.stack] == [
        ("main_handler", line_of(WORKER, "total += ")),
        ("helper", line_of(WORKER, "twice = ")),
    ]
    assert event.status == "RUNNING"
    stop.release()
    stop.release()
    event.assert_finished(["whole", 6])


def test_a_graceful_termination_acts_exactly_there(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=at("done.append") + "#2")
    stop = event.wait_for_stop()
    assert stop.occurrence == 2
    event.terminate(graceful=True)
    # The signal handler raises out of the line that is held; nobody has to let it go.
    event.assert_finished(["stopped", 2, [0]])
    # The instance serves the next event, at full speed and without stops.
    fn.invoke_async().assert_finished(["whole", 6])


def test_a_forced_termination_acts_exactly_there(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=at("done.append"))
    event.wait_for_stop()
    event.terminate()
    event.assert_aborted()
    fn.invoke_async().assert_finished(["whole", 6])


def test_module_level_code_is_held_too(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=at("ready = True"))
    stop = event.wait_for_stop()
    assert stop.locals["done"] == "[]"
    event.terminate(graceful=True)
    stop.release()
    event.assert_failed(439)


def test_several_lines_each_once(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=[at("done.append"), at("twice = ") + "#2", at("return twice")])
    found = []
    for _ in range(3):
        stop = event.wait_for_stop()
        found.append((stop.source.split()[0], stop.occurrence))
        stop.release()
    assert found == [("return", 1), ("done.append(n)", 1), ("twice", 2)]
    event.assert_finished(["whole", 6])
    with pytest.raises(EventEnded, match="ended without coming to another stop"):
        event.wait_for_stop()


def test_a_thread_of_the_handler_is_held(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async({"thread": True, "count": 0}, stop_at=at("return twice"))
    stop = event.wait_for_stop()
    assert stop.thread == "worker"
    assert stop.locals == {"n": "50", "twice": "100"}
    stop.release()
    event.assert_finished(["whole", 0])


def test_limits_stand_still_meanwhile_and_go_on_afterwards(
    scf_runtime_of: Callable[..., ScfRuntime], time_is_up: Callable[..., None]
) -> None:
    source = """\
import signal, time
def main_handler(event, context):
    signal.signal(signal.SIGTERM, lambda *_: next(iter([])))
    try:
        time.sleep(0)
    except StopIteration: return
    time.sleep(event)
"""
    runtime = scf_runtime_of("directory")
    fn = runtime.deploy(source, async_run=True, timeout=60)
    before = fn.invoke_async(0, stop_at="index.py:5")
    left_behind = before.wait_for_stop()  # by an instance that is at work on the next event then
    before.terminate(graceful=True)
    before.assert_finished()
    held = fn.invoke_async(3600, stop_at="index.py:5")
    stop = held.wait_for_stop()
    assert held.instance == before.instance
    left_behind.release()
    runtime.suspend_limits()  # as in pdb, on a test that fails meanwhile
    runtime.resume_limits()
    time_is_up(runtime, held)
    # Of two whose time is over the one that is let go reaches its limit, and the one that is held does not.
    later = fn.invoke_async(3600, stop_at="index.py:5")
    let_go = later.wait_for_stop()
    time_is_up(runtime, later)
    let_go.release()
    later.assert_failed(433)
    assert held.status == "RUNNING"
    stop.release()
    held.assert_failed(433)


def test_what_was_written_before_a_stop_is_known_at_it(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    source = "def act(): pass\ndef main_handler(event, context):\n    print('written')\n    act()\n    return 1\n"
    runtime = scf_runtime_of("directory")
    fn = runtime.deploy(source, async_run=True, timeout=60)
    stub = fn.stub("index.act")
    before = fn.invoke_async(stop_at="index.py:4")
    before.wait_for_stop().release()
    before.assert_finished(1)
    with stub.held() as call:
        with held_up(runtime._platform._reactor):
            event = fn.invoke_async(stop_at="index.py:4")
            with pytest.raises(WaitTimeout):
                event.wait_for_stop(0.1)
        stop = event.wait_for_stop()
        assert "written" in event.logs.user
        with held_up(runtime._platform._reactor):
            stop.release()
            with pytest.raises(WaitTimeout):
                call.wait(0.1)
        call.wait()


def test_a_line_that_is_not_reached(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=at('return ["stopped"'))
    with pytest.raises(EventEnded, match=r"ended without coming to index\.py:\d+"):
        event.wait_for_stop()
    event = fn.invoke_async(stop_at=at("done.append"))
    event.wait_for_stop()
    held = f"it is stopped at {at('done.append')}, until stop.release() is called"
    with pytest.raises(WaitTimeout, match=f"did not come to a stop within 0 s: .*{re.escape(held)}"):
        event.wait_for_stop(timeout=0)
    event.terminate()
    plain = fn.invoke_async()
    with pytest.raises(UsageError, match="is to be stopped nowhere"):
        plain.wait_for_stop()
    plain.wait()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("index.py:3", r"index\.py:3 is not a line at which code can be stopped; the nearest that can is index\.py:2"),
        ("index.py:999", r"index\.py has 4\d lines; the nearest that can is index\.py:4\d"),
        ("inde.py:3", r"the function has no file inde\.py; did you mean index\.py"),
        ("/etc/passwd:1", "the function has no file /etc/passwd"),
        ("../index.py:1", r"the function has no file \.\./index\.py"),
        ("index.py", "takes lines such as"),
        ("index.py:1#0", "counts the times of a line from 1"),
        ("", "takes lines such as"),
        ([], "takes lines such as"),
        (7, "takes lines such as"),
        (["index.py:1", 7], "takes lines such as"),
    ],
)
def test_what_cannot_be_stopped_at_is_refused_at_once(
    scf_runtime_of: Callable[..., ScfRuntime], worker: Path, given: object, said: str
) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(worker, async_run=True)
    with pytest.raises(UsageError, match=said):
        fn.invoke_async(stop_at=given)  # type: ignore[arg-type]
    assert not rt.invocations()


def in_the_test(event, context):
    first = event["n"] + 1
    return first + 0


def test_a_function_of_the_test_is_stopped_by_its_lines_here(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(in_the_test, async_run=True)
    line = in_the_test.__code__.co_firstlineno + 2
    event = fn.invoke_async({"n": 1}, stop_at=f"test_stops.py:{line}")
    stop = event.wait_for_stop()
    assert stop.file == __file__
    assert stop.source == "return first + 0"
    assert stop.locals["first"] == "2"
    stop.release()
    event.assert_finished(2)


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.12", "3.13"])
def test_with_other_pythons(scf_runtime_of: Callable[..., ScfRuntime], worker: Path, version: str) -> None:
    rt = scf_runtime_of("directory")
    try:
        fn = rt.deploy(worker, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    event = fn.invoke_async(stop_at=at("done.append") + "#2")
    stop = event.wait_for_stop()
    assert stop.locals["n"] == "1"
    event.terminate(graceful=True)
    event.assert_finished(["stopped", 2, [0]])
    event = fn.invoke_async({"thread": True}, stop_at=[at("return twice") + "#4", at("done.append") + "#3"])
    for _ in range(2):
        event.wait_for_stop().release()
    event.assert_finished(["whole", 6])
    event = fn.invoke_async(stop_at=at("ready = True"))
    with pytest.raises(EventEnded):
        event.wait_for_stop()  # the instance was there already
    event = fn.invoke_async({"held": True}, stop_at=at("yield 1"))  # of a generator that has begun
    event.wait_for_stop().release()
    event.assert_finished(1)


@pytest.mark.parametrize("version", ["3.10", "3.12"])
def test_a_stop_after_a_signal_handler_has_raised_out_of_one(
    scf_runtime_of: Callable[..., ScfRuntime], worker: Path, version: str
) -> None:
    try:
        fn = scf_runtime_of("directory").deploy(worker, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    event = fn.invoke_async(stop_at=[at("done.append"), at('return ["stopped"')])
    event.wait_for_stop()
    event.terminate(graceful=True)
    if version == "3.10":
        with pytest.raises(EventEnded, match="stopped no more once a signal handler has raised out of a stop"):
            event.wait_for_stop()
    else:
        event.wait_for_stop().release()
    event.assert_finished(["stopped", 0, []])


def test_each_attempt_stops_for_itself(scf_runtime_of: Callable[..., ScfRuntime], worker: Path) -> None:
    rt = scf_runtime_of("directory", retry_seconds=0)
    fn = rt.deploy("def main_handler(event, context):\n    return 1 / 0\n", retry_num=2)
    event = fn.invoke_async(stop_at="index.py:2")
    for _ in range(3):
        event.wait_for_stop().release()
    event.assert_failed(430)


def test_an_instance_that_has_started_without_an_event_stops_too(
    scf_runtime_of: Callable[..., ScfRuntime], worker: Path
) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(worker, async_run=True, provisioned=1)
    first = fn.invoke_async(stop_at=at("done.append"))
    first.wait_for_stop()
    first.terminate()
    first.wait()
    assert rt._platform.provisioning.wait(fn._record, "1", 30)  # its instances look for lines from now on
    (warm,) = fn.instances
    event = fn.invoke_async(stop_at=at("done.append"))
    event.wait_for_stop().release()
    event.assert_finished(["whole", 6])
    assert event.instance == warm


CELLS = textwrap.dedent(
    """\
    import signal
    import threading


    def main_handler(event, context):
        signals = threads = 0

        def count():
            nonlocal threads
            threads += 1

        def on_sigterm(signum, frame):
            nonlocal signals
            signals += 1
            thread = threading.Thread(target=count)
            thread.start()
            thread.join()

        signal.signal(signal.SIGTERM, on_sigterm)
        ready = True
        return signals, threads, ready
    """
)


@pytest.mark.parametrize("version", [None, "3.10", "3.12"])
def test_what_is_written_to_a_stopped_frames_variables_is_kept(
    scf_runtime_of: Callable[..., ScfRuntime], version: str | None
) -> None:
    try:
        fn = scf_runtime_of("directory").deploy(CELLS, python=version, async_run=True)
    except UsageError as error:
        pytest.skip(str(error))
    place = f"index.py:{CELLS.splitlines().index('    ready = True') + 1}"
    event = fn.invoke_async(stop_at=place)
    stop = event.wait_for_stop()
    event.terminate(graceful=True)
    stop.release()
    event.assert_finished([1, 1, True])
    (moment,) = fn.termination_map({}, only=place).moments
    assert moment.event is not None
    moment.event.assert_finished([1, 1, True])


def test_lines_are_those_that_python_counts(tmp_path: Path) -> None:
    file = tmp_path / "index.py"
    second = 'b = "\x1c\x85\u2028\xe9"'
    for data, lines in [
        (f"a = 1\x0c\r\n{second}\rc = 3\n".encode(), ["a = 1\x0c", second, "c = 3"]),
        ("# coding: latin-1\nb = '\xe9'".encode("latin-1"), ["# coding: latin-1", "b = '\xe9'"]),
        (b"# \xff\n\n", ["# \ufffd", ""]),
        (b"# coding: nothing\n", ["# coding: nothing"]),
        (b"", []),
    ]:
        file.write_bytes(data)
        assert source_lines(file) == lines
    assert source_lines(tmp_path) == []


def test_threads_that_are_the_first_to_stop_a_function(
    scf_runtime_of: Callable[..., ScfRuntime], worker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = scf_runtime_of("directory")
    fn = runtime.deploy(worker, async_run=True)
    equip, both = runtime._platform.equip, threading.Barrier(2)

    def equip_late(*given: Any) -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.2)
        equip(*given)

    def stop() -> int:
        stopped = fn.invoke_async({}, stop_at=at("twice = ")).wait_for_stop()
        stopped.release()
        return stopped.line

    monkeypatch.setattr(runtime._platform, "equip", equip_late)
    with ThreadPoolExecutor(2) as threads:
        assert [each.result() for each in [threads.submit(stop) for _ in range(2)]] == [line_of(WORKER, "twice = ")] * 2


def test_closing_a_runtime_that_is_stopped(each_way: ScfRuntime, worker: Path) -> None:
    fn = each_way.deploy(worker, async_run=True)
    fn.invoke_async(stop_at=at("done.append")).wait_for_stop()
    each_way.close()


def test_a_traceback_shows_the_users_frames_alone(each_way: ScfRuntime, worker: Path) -> None:
    (worker / "index.py").write_text(WORKER.replace("except Stopped", "except OSError"))
    fn = each_way.deploy(worker, async_run=True)
    event = fn.invoke_async(stop_at=at("return twice"))
    event.wait_for_stop()
    event.terminate(graceful=True)
    event.assert_failed(430)
    stack = present(event.error)["stackTrace"]
    assert [line.split(" in ")[1].strip() for line in stack.splitlines() if line.startswith("  File ")] == [
        "main_handler",
        "helper",
        "on_sigterm",
    ]


def trace_everything() -> None:
    import sys

    def marker(*args: object) -> None:
        pass

    sys.settrace(marker)


def test_what_traced_before_goes_on_afterwards(each_way: ScfRuntime) -> None:
    """Coverage, for example."""
    source = "import sys\n\ndef main_handler(event, context):\n    return str(sys.gettrace())\n"
    fn = each_way.deploy(source, async_run=True, setup=trace_everything)
    event = fn.invoke_async(stop_at="index.py:4")
    event.wait_for_stop().release()
    event.assert_finished()
    later = fn.invoke_async().wait()
    assert later.instance == event.instance
    assert "marker" in later.return_value


def test_a_coroutine_waits_for_it_while_the_loop_goes_on(
    scf_runtime_of: Callable[..., ScfRuntime], worker: Path
) -> None:
    import asyncio

    fn = scf_runtime_of("directory").deploy(worker, async_run=True)

    async def run() -> int:
        event = fn.invoke_async(stop_at=at("done.append"))
        stop, _ = await asyncio.gather(event.aio.wait_for_stop(), asyncio.sleep(0))
        stop.release()
        await event
        return int(event.status_code)

    assert asyncio.run(run()) == 200
