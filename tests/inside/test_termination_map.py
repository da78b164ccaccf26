"""The termination map: an event terminated at each of its moments."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from map_workers import FAULTY, MENDED, line_of
from present import present

from pytest_scf import ScfRuntime, UsageError
from pytest_scf.facade.termination_map import runner
from pytest_scf.facade.termination_map.options import Options


def test_it_finds_the_moments_that_nobody_saw(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(FAULTY, async_run=True)
    found = fn.termination_map({"count": 3})
    wrong = {moment.name: moment.outcome for moment in found.failures}
    before, after = line_of(FAULTY, "done = []"), line_of(FAULTY, "return len(done)")
    assert wrong == {
        f"index.py:{line_of(FAULTY, 'def main_handler')}": "FAILED 443",
        f"index.py:{before}": "FAILED 430",
        f"index.py:{before + 1}": "FAILED 430",
        f"index.py:{after}": "FAILED 430",
    }
    # In the loop each time of each line is a moment of its own.
    loop = found.by_line["index.py", line_of(FAULTY, "done.append")]
    assert [(moment.occurrence, moment.outcome, present(moment.event).return_value) for moment in loop] == [
        (1, "FINISHED 200", 0),
        (2, "FINISHED 200", 1),
        (3, "FINISHED 200", 2),
    ]
    assert {moment.phase for moment in loop} == {"handler"}
    assert found.moments[0].phase == "init"
    assert all(moment.reached for moment in found.moments)
    # Before the handler was registered nothing could be done.
    assert {moment.outcome for moment in found.unregistered} == {"FAILED 439"}
    with pytest.raises(AssertionError) as error:
        found.assert_finished()
    text = str(error.value)
    assert f"4 of {len(found.moments)} moments did not" in text
    assert f"only='index.py:{after}'" in text
    assert ">" in text
    assert "1x430" in text
    again = fn.termination_map({"count": 3}, only=f"index.py:{after}")
    assert [moment.outcome for moment in again.moments] == ["FAILED 430"]
    with pytest.raises(AssertionError):
        found.assert_finished(strict=True)


def test_a_function_that_is_ready_at_every_moment(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("namespaces").deploy(MENDED, async_run=True)
    found = fn.termination_map({"count": 3})
    found.assert_finished()
    found.assert_all()
    assert not found.failures
    assert "no failures" in found.summary
    with pytest.raises(AssertionError, match="moments did not"):
        found.assert_finished(strict=True)
    before = str(found)
    with pytest.raises(AssertionError, match="the condition does not hold"):
        found.assert_all(lambda moment: present(moment.event).return_value == 3)
    with pytest.raises(AssertionError, match=r"the condition raised Failed at test_termination_map\.py:\d+: no good"):
        found.assert_all(lambda moment: pytest.fail("no good"))
    with pytest.raises(KeyboardInterrupt):
        found.assert_all(interrupt)
    found.assert_all(lambda moment: True)
    found.assert_all()
    assert str(found) == before


def interrupt(moment):
    raise KeyboardInterrupt


CHECKPOINTS = textwrap.dedent(
    """\
    import json
    import store


    def main_handler(event, context):
        state = json.loads(store.load() or "[]")
        for n in event["items"]:
            if n in state:
                continue
            store.process(n)
            state.append(n)
            store.save(json.dumps(state))
        return state
    """
)
STORE = "def load():\n    pass\n\ndef save(text):\n    pass\n\ndef process(n):\n    pass\n"


def test_by_force_what_is_invoked_again_is_compared(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    """Each item is processed once, wherever the first run was killed: which it is not, between two of its lines."""
    (tmp_path / "index.py").write_text(CHECKPOINTS)
    (tmp_path / "store.py").write_text(STORE)
    fn = scf_runtime_of("namespaces").deploy(tmp_path, async_run=True)
    saved: list[str] = []
    processed: list[int] = []
    fn.stub("store.load").side_effect = lambda: saved[-1] if saved else None
    fn.stub("store.save").side_effect = saved.append
    fn.stub("store.process").side_effect = processed.append

    def prepare(moment):
        saved.clear()
        processed.clear()

    def check(event, resumed, moment):
        assert event.status == "ABORTED"
        resumed.assert_finished([1, 2])
        assert processed == [1, 2]

    found = fn.termination_map({"items": [1, 2]}, graceful=False, resume=True, prepare=prepare, check=check)
    lines = sorted({moment.line for moment in found.failures})
    append = line_of(CHECKPOINTS, "state.append")
    assert lines == [append, append + 1]
    assert all("AssertionError" in moment.problem for moment in found.failures)
    assert all(moment.resumed is not None for moment in found.moments)
    with pytest.raises(AssertionError, match="4 of 19 moments did not"):
        found.assert_all()
    assert "resume=True, check=check, prepare=prepare, only=" in str(found)


SLEEPER = textwrap.dedent(
    """\
    import signal
    import time

    stop_asked = False


    def on_sigterm(signum, frame):
        global stop_asked
        stop_asked = True


    signal.signal(signal.SIGTERM, on_sigterm)


    def main_handler(event, context):
        global stop_asked
        if event.get("forget"):
            stop_asked = False
        while not stop_asked:
            time.sleep(0.3)
        stop_asked = False
        return "END"
    """
)


def test_a_function_that_runs_for_ever_and_the_moments_in_which_it_blocks(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    fn = scf_runtime_of("namespaces").deploy(SLEEPER, async_run=True)
    found = fn.termination_map({}, record_for=1.5, occurrences="ends")
    blocked = [moment for moment in found.moments if moment.blocked]
    assert {moment.source for moment in blocked} == {"time.sleep(0.3)"}
    assert {moment.outcome for moment in blocked} == {"FINISHED 200"}
    assert all(moment.name.endswith(" blocked") for moment in blocked)
    assert any("does not end within 1.5 s" in note for note in found.notes)
    # The signal that comes before the flag is cleared is forgotten: it runs on.
    clears = f"index.py:{line_of(SLEEPER, '        stop_asked = False')}"
    (ran_on,) = fn.termination_map({"forget": True}, only=clears, timeout=0.3, record_for=30).moments
    assert ran_on.outcome == "RUNNING"
    assert "it went on after the signal" in ran_on.unfinished
    assert "graceful=True, timeout=0.3, record_for=30, only=" in ran_on.example
    again = fn.termination_map({}, only=blocked[0].name)
    assert [moment.outcome for moment in again.moments] == ["FINISHED 200"]


def test_a_line_blocks_where_the_main_thread_is(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """Not where another thread has come to meanwhile, nor in what the line has called before."""
    source = textwrap.dedent(
        """\
        import signal
        import threading
        import time


        class Stopped(Exception):
            pass


        def stop(signum, frame):
            raise Stopped


        def seconds(n):
            return n


        def main_handler(event, context):
            signal.signal(signal.SIGTERM, stop)
            try:
                time.sleep(seconds(0.3))
                thread = threading.Thread(target=lambda: time.sleep(seconds(0.4)))
                thread.start()
                thread.join()
            except Stopped:
                return "saved"
        """
    )
    fn = scf_runtime_of("directory").deploy(source, async_run=True)
    moments, _total = fn._map_runner({}, Options()).moments()
    # On a busy machine the start of a thread takes a while, too.
    blocked = [moment.name for moment in moments if moment.blocked and moment.source != "thread.start()"]
    lines = [line_of(source, "time.sleep(seconds(0.3))"), line_of(source, "thread.join")]
    assert blocked == [f"index.py:{line} blocked" for line in lines]
    found = fn.termination_map({}, only=blocked)
    assert [moment.outcome for moment in found.moments] == ["FINISHED 200"] * 2


def test_a_thread_that_is_stopped_goes_on_after_the_signal_handler(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """The signal handler runs in the main thread, beside it, and may have been later."""
    source = textwrap.dedent(
        """\
        import os
        import signal
        import threading

        signal.signal(signal.SIGTERM, lambda *args: os._exit(0))


        def work():
            for n in range(8):
                print(n, flush=True)


        def main_handler(event, context):
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
        """
    )
    fn = scf_runtime_of("directory").deploy(source, async_run=True)
    place = f"index.py:{line_of(source, 'print(n')}"
    found = fn.termination_map({}, only=[place, *(f"{place}#{n}" for n in range(2, 9))])
    assert {moment.outcome for moment in found.moments} == {"FAILED 439"}
    written = [present(moment.event).logs.user.split() for moment in found.moments]
    assert written == [[str(n) for n in range(count)] for count in range(8)]


def test_instances_that_served_one_moment_change_nothing_for_the_next(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    """What an earlier event left behind, a registration and a flag, must not make a moment pass."""
    source = textwrap.dedent(
        """\
        import signal

        known = []


        def main_handler(event, context):
            first = 1
            signal.signal(signal.SIGTERM, lambda *args: known.append(1))
            second = 2
            if len(known) > 1:
                third = 3
            return [first, second]
        """
    )
    fn = scf_runtime_of("directory").deploy(source, async_run=True)
    outcomes = []
    for fresh in (False, True):
        found = fn.termination_map({}, fresh=fresh, parallel=1)
        outcomes.append([(moment.name, moment.outcome) for moment in found.moments])
    assert outcomes[0] == outcomes[1]
    assert dict(outcomes[0])["index.py:7"] == "FAILED 439"
    assert dict(outcomes[0])["index.py:9"] == "FINISHED 200"


@pytest.mark.parametrize("state", ["a file", "a variable"])
def test_what_an_earlier_event_left_behind_makes_no_moment_pass(
    scf_runtime_of: Callable[..., ScfRuntime], state: str
) -> None:
    """What is saved is there in an instance that has served others, and not yet in a fresh one."""
    save, load = {
        "a file": ("open('/tmp/saved', 'w').close()", "open('/tmp/saved').close()"),
        "a variable": ("saved.append(1)", "saved[0]"),
    }[state]
    source = textwrap.dedent(
        f"""\
        import signal

        saved = []
        stop_asked = False


        def stop(signum, frame):
            global stop_asked
            stop_asked = True


        signal.signal(signal.SIGTERM, stop)


        def main_handler(event, context):
            for n in range(3):
                if stop_asked:
                    {load}
                    break
                {save}
        """
    )
    fn = scf_runtime_of("namespaces").deploy(source, async_run=True)
    found = fn.termination_map({})
    first = line_of(source, "for n in")
    assert [moment.name for moment in found.failures] == [f"index.py:{line}" for line in (first - 1, first, first + 1)]


def test_what_an_instance_is_given_back_is_told_as_its_code_registered_it(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    fn = scf_runtime_of("directory").deploy(MENDED, async_run=True)
    found = fn.termination_map({"count": 1}, parallel=1)
    told = {present(moment.event).diagnosis for moment in found.moments}
    assert any("registered at index.py:" in each for each in told)
    assert not any("inside.py" in each for each in told)


def test_a_signal_handler_that_was_taken_back_is_no_excuse(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    source = textwrap.dedent(
        """\
        import asyncio
        import signal


        async def work():
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, int)


        def main_handler(event, context):
            asyncio.run(work())
            return 1
        """
    )
    (failure,) = scf_runtime_of("directory").deploy(source, async_run=True).termination_map({}).failures
    assert (failure.source, failure.outcome) == ("return 1", "FAILED 439")
    runs = line_of(source, "asyncio.run")
    assert f"no signal handler was registered any more since index.py:{runs}, so the process" in failure.describe()


def in_the_test(event, context):
    return 1


def test_moments_of_a_function_of_the_test_are_called_by_their_lines_here(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    fn = scf_runtime_of("directory").deploy(in_the_test, async_run=True)
    line = in_the_test.__code__.co_firstlineno
    found = fn.termination_map({}, graceful=False)
    assert [moment.name for moment in found.moments[-2:]] == [f"test_termination_map.py:{line + n}" for n in (0, 1)]
    again = fn.termination_map({}, graceful=False, only=found.moments[-1].name)
    assert [moment.name for moment in again.moments] == [found.moments[-1].name]
    assert ("index.py", line + 1) in found.by_line


def test_a_moment_that_is_not_reached_again_is_no_success(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(CHOOSER, async_run=True)
    choose = fn.stub("index.choose")
    first = [1]
    choose.side_effect = lambda: first.pop() if first else 0
    found = fn.termination_map({})
    (missed,) = [moment for moment in found.moments if not moment.reached]
    assert missed.outcome == "not reached"
    assert missed in found.failures
    with pytest.raises(AssertionError, match="it was not reached again"):
        found.assert_all()


def test_a_stand_in_that_answers_late_makes_no_moment(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    """How soon the test's own process answers is a matter of what else the machine does."""
    fn = scf_runtime_of("directory").deploy(CHOOSER, async_run=True)
    delays = [0.08]  # a few looks, and far from the half second that makes one
    fn.stub("index.choose").side_effect = lambda: time.sleep(delays.pop() if delays else 0)
    found = fn.termination_map({}, graceful=False)
    assert not delays
    assert [moment.name for moment in found.moments if moment.blocked] == []


def test_a_recording_writes_nothing_into_the_functions_log(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy("def main_handler(event, context):\n    print('hello')\n", async_run=True)
    fn.termination_map({}, graceful=False, only="index.py:2")
    fn.termination_map({}, graceful=False)
    assert [event.logs.user for event in rt.events() if event.status == "FINISHED"] == ["hello\n"]


def test_occurrences_and_limit_bound_the_moments(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("namespaces").deploy(MENDED, async_run=True)
    ends = fn.termination_map({"count": 20}, occurrences="ends")
    line = line_of(MENDED, "done.append")
    assert [moment.occurrence for moment in ends.by_line["index.py", line]] == [1, 20]
    assert "limit=1000" in ends.notes[-1]
    few = fn.termination_map({"count": 20}, limit=20)
    assert len(few.moments) == 20
    assert few.total > 60
    assert {moment.line for moment in few.moments} == {moment.line for moment in ends.moments}
    assert f"20 of {few.total} moments" in str(few)
    # Fewer than there are lines: not the first of them alone, which nothing could act on.
    fewest = fn.termination_map({"count": 20}, limit=4)
    assert len(fewest.moments) == 4
    assert {moment.phase for moment in fewest.moments} == {"init", "handler"}


def test_a_recording_that_is_cut_says_so(
    scf_runtime_of: Callable[..., ScfRuntime], monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = scf_runtime_of("directory").deploy(CHOOSER, async_run=True)
    assert not any("no more than" in note for note in fn.termination_map({}, limit=1).notes)
    monkeypatch.setattr(runner, "LINES_LIMIT", 5)
    cut = fn.termination_map({}, limit=1)
    assert "no more than the first 5 lines that run are recorded: the moments end there" in cut.notes


#: the event names a file, which says after which line it waits for its end
STEPS = """
import time

def main_handler(event, context):
    for n in range(3):
        print("step", n)
        with open(event) as file:
            if file.read() == f"step {n}":
                time.sleep(3600)
"""
CHOOSER = """
def choose():
    return 1

def main_handler(event, context):
    if choose():
        a = 1
"""


def test_where_no_signal_handler_is_registered_nothing_is_excused(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(CHOOSER, async_run=True)
    found = fn.termination_map({})
    assert found.failures == found.unregistered == found.moments
    with pytest.raises(AssertionError, match="no signal handler for SIGTERM was registered at any of these moments"):
        found.assert_finished()
    fn.termination_map({}, only=found.moments[0].name).assert_finished()
    with pytest.raises(AssertionError, match=r"1 of 1 moments did not[^$]*; 1 failures") as error:
        eval(found.failures[0].example, {"fn": fn})  # what it says to run again fails again
    assert f"run it again: {found.failures[0].example}\n" in str(error.value)
    checked = fn.termination_map({}, check=lambda event, moment: event.assert_failed(439))
    checked.assert_all()
    checked.subtests(Subtests())  # where there is a check it decides, too
    with pytest.raises(AssertionError, match="it ended FAILED 439"):
        found.subtests(Subtests())


class Subtests:
    """As pytest's own, but for what fails."""

    def test(self, moment: str) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@pytest.fixture
def held(tmp_path: Path) -> Path:
    """A file that names the line after which a function waits for its end; none until something is written."""
    (tmp_path / "held").touch()
    return tmp_path / "held"


def test_it_can_be_by_log_lines(scf_runtime_of: Callable[..., ScfRuntime], held: Path) -> None:
    fn = scf_runtime_of("directory").deploy(STEPS, async_run=True)
    found = fn.termination_map(str(held), moments="log", prepare=lambda moment: held.write_text(moment.source))
    assert [moment.source for moment in found.moments] == ["step 0", "step 1", "step 2"]
    assert {moment.outcome for moment in found.moments} == {"FAILED 439"}
    assert found.failures
    assert "moments='log', only='log:2')" in str(found)
    held.write_text("step 1")
    one = fn.termination_map(str(held), moments="log", only="log:2")
    assert [(moment.name, moment.outcome) for moment in one.moments] == [("log:2", "FAILED 439")]
    assert "1x439-    2 | step 1" in str(one)
    assert "1 |" not in str(one)  # what it says is not known


SERVER = """
import signal
from http.server import BaseHTTPRequestHandler, HTTPServer

class Stopped(Exception):
    pass

def on_sigterm(signum, frame):
    raise Stopped

class App(BaseHTTPRequestHandler):
    def do_POST(self):
        done = 0
        try:
            for n in range(2):
                print("step", n)
                done += 1
        except Stopped:
            print("stopped after", done)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *args):
        pass

signal.signal(signal.SIGTERM, on_sigterm)
HTTPServer(("", 9000), App).serve_forever()
"""


def test_a_server_in_python_by_its_lines(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    rt = scf_runtime_of("namespaces")
    (tmp_path / "app.py").write_text(SERVER)
    fn = rt.deploy_image([sys.executable, "app.py"], cwd=tmp_path, async_run=True, environment={"PYTHONPATH": "/opt"})
    found = fn.termination_map({})
    steps = [moment for moment in found.moments if moment.source == "done += 1"]
    assert [(moment.occurrence, moment.outcome) for moment in steps] == [(n, "FINISHED 200") for n in (1, 2)]
    assert [present(moment.event).logs.user.splitlines()[-1] for moment in steps] == [
        f"stopped after {n}" for n in range(2)
    ]
    assert {moment.phase for moment in steps} == {"handler"}
    # Out of the try it ends the answer.
    assert not next(moment for moment in found.moments if moment.source == "done = 0").ok
    forced = fn.termination_map({}, graceful=False, only=[steps[0].name, steps[1].name])
    assert {moment.outcome for moment in forced.moments} == {"ABORTED 499"}
    # It sees nothing of the probe.
    shown = "repr((sorted(__import__('os').environ), __import__('sys').path)).encode()"
    (tmp_path / "app.py").write_text(SERVER.replace('b"done"', shown))
    other = rt.deploy_image(
        [sys.executable, "app.py"], cwd=tmp_path, async_run=True, environment={"PYTHONPATH": "/opt"}
    )
    other.termination_map({}, only=steps[0].name, graceful=False)
    told = other.invoke({}).return_value
    assert "_SCF_PROBE" not in told
    assert "PYTHONPATH" in told
    assert "probe" not in told


def test_other_functions_by_their_log(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, held: Path) -> None:
    rt = scf_runtime_of("namespaces")
    waits = f"__import__('time').sleep(3600 if open({str(held)!r}).read() == f'step {{n}}' else 0)"
    (tmp_path / "app.py").write_text(SERVER.replace("done += 1", waits))
    (tmp_path / "run").write_text(f"#!/bin/sh\nexec {sys.executable} app.py\n")
    (tmp_path / "run").chmod(0o755)
    fn = rt.deploy_image([tmp_path / "run"], cwd=tmp_path, async_run=True)
    with pytest.raises(UsageError, match="ask for moments='log'"):
        fn.termination_map({})
    found = fn.termination_map({}, moments="log", graceful=False, prepare=lambda moment: held.write_text(moment.source))
    assert [moment.source for moment in found.moments] == ["step 0", "step 1"]
    assert {moment.outcome for moment in found.moments} == {"ABORTED 499"}


def test_what_is_invoked_again_after_a_forced_end_finds_no_tmp_of_others(
    scf_runtime_of: Callable[..., ScfRuntime],
) -> None:
    source = textwrap.dedent(
        """\
        import os

        def main_handler(event, context):
            place = os.path.join(os.environ.get("TMPDIR", "/tmp"), "done")
            with open(place, "a") as file:
                file.write("1")
            return os.path.getsize(place)
        """
    )
    fn = scf_runtime_of("directory").deploy(source, async_run=True)
    found = fn.termination_map({}, graceful=False, resume=True)
    assert {moment.resumed and moment.resumed.return_value for moment in found.moments} == {1}


@pytest.mark.usefixtures("interruptible")
def test_whoever_ends_it_waits_for_no_moment(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    fifo = tmp_path / "signalled"
    os.mkfifo(fifo)
    waits = f"    open({str(fifo)!r}, 'w').close()\n    __import__('time').sleep(3600)"
    source = MENDED.replace("    stop_asked = True", waits)
    fn = scf_runtime_of("directory").deploy(source, async_run=True)

    def end_it() -> None:
        fifo.read_text()  # once the signal handler runs
        signal.pthread_kill(present(threading.main_thread().ident), signal.SIGINT)

    thread = threading.Thread(target=end_it)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        fn.termination_map({"count": 1}, only=f"index.py:{line_of(source, 'done.append')}", timeout=1000)
    thread.join()


def test_what_prepare_raises_is_the_moments_failure(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(MENDED, async_run=True)

    def prepare(moment):
        assert threading.current_thread() is not threading.main_thread()
        if moment.line == line_of(MENDED, "done.append"):
            raise LookupError("not ready")

    found = fn.termination_map({"count": 1}, prepare=prepare)
    (failure,) = found.failures
    raised = next(n for n, text in enumerate(Path(__file__).read_text().splitlines(), 1) if "LookupError(" in text)
    assert failure.problem == f"prepare raised LookupError at {Path(__file__).name}:{raised}: not ready"
    assert isinstance(failure.error, LookupError)


def test_pytests_own_outcomes_are_the_moments_failures(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    fn = scf_runtime_of("directory").deploy(MENDED, async_run=True)
    places = [f"index.py:{line_of(MENDED, text)}" for text in ("done.append", "def main_handler")]

    def prepare(moment):
        if moment.name == places[0]:
            pytest.skip("not now")

    def check(event, moment):
        pytest.fail("no good\nat all")

    found = fn.termination_map({"count": 1, "more": "x" * 1000}, prepare=prepare, check=check, only=places)
    skipped, failed = (re.sub(r"test_termination_map\.py:\d+", "HERE", moment.describe()) for moment in found.moments)
    assert "\n  prepare raised Skipped at HERE: not now\n" in skipped
    again = f"fn.termination_map(event, graceful=True, check=check, prepare=prepare, only={places[1]!r})"
    assert failed.splitlines()[1:] == ["  check raised Failed at HERE: no good", "  at all", f"  run it again: {again}"]
    assert "event {'count': 1, 'more': 'xxx" in found.title
    assert len(found.title) < 600
    # What a failed assertion tells of the event is told once.
    faulty = scf_runtime_of("directory").deploy(FAULTY, async_run=True)
    place = f"index.py:{line_of(FAULTY, 'return len(done)')}"
    found = faulty.termination_map({"count": 1}, check=lambda event, moment: event.assert_finished(), only=place)
    assert found.moments[0].describe().count("the handler raised index.Stopped") == 1


def test_a_page_shows_it(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    fn = scf_runtime_of("namespaces").deploy(FAULTY.replace('"saved"', '"<saved>"'), async_run=True)
    found = fn.termination_map({"count": 2})
    text = found.write_html(tmp_path / "map.html").read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "&lt;saved&gt;" in text
    assert 'class="good"' in text
    assert 'class="bad"' in text
    assert "http" not in text.replace("http-equiv", "")


def test_bad_input_is_refused_at_once(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(MENDED, async_run=True)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"occurrences": "some"}, "occurrences is one of"),
        ({"limit": 0}, "limit is a number of moments"),
        ({"moments": "words"}, "moments is 'lines' or 'log'"),
        ({"check": 7}, "check is a function"),
        ({"check": lambda event: None}, r"check is called with \(event, moment\); it takes \(event\)"),
        ({"check": lambda event, moment: None, "resume": True}, r"\(event, resumed, moment\), since resume is True"),
        ({"prepare": lambda: None}, r"prepare is called with \(moment\)"),
        ({"timeout": 0}, "timeout is a number of seconds above 0"),
        ({"record_for": float("inf")}, "record_for is a number of seconds above 0, and at most 31536000, not inf"),
        ({"parallel": 0}, "parallel is a number of moments"),
        ({"graceful": 1}, "graceful must be True or False"),
        ({"only": "index.py:2"}, "the nearest that can is"),
        ({"only": ["log:1", "index.py:1"], "moments": "log"}, "with moments='log' only takes lines of the log such as"),
        ({"only": ["index.py:1", "log:1"]}, "names lines of the log: ask for moments='log'"),
        ({"only": 3}, "only takes moments such as"),
        ({"only": []}, "only takes moments such as"),
        ({"only": [3]}, "only takes lines such as"),
    ]
    for arguments, said in refused:
        with pytest.raises(UsageError, match=said):
            fn.termination_map({}, **arguments)
    with pytest.raises(UsageError, match="deploy it with async_run=True"):
        rt.deploy(MENDED).termination_map({})
    with pytest.raises(UsageError, match="JSON"):
        fn.termination_map({1, 2})
