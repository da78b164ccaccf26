"""``breakpoint()`` in a handler: pdb on the terminal of the test."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

WORKER = """
def main_handler(event, context):
    value = event["n"] + 1
    print("value", value)
    breakpoint()
    value = value * 2
    return value
"""
TEST = """
import os
import threading

SLEEPER = "import time\\n\\ndef main_handler(event, context):\\n    time.sleep(3600)\\n"

def test_debugged(scf_runtime):
    fn = scf_runtime.deploy("worker", timeout=60, async_run=True)
    other = scf_runtime.deploy(SLEEPER, timeout=3, async_run=True)
    event = fn.invoke_async({"n": 20})

    def leave(seconds):
        scheduler = scf_runtime._platform._scheduler
        with scheduler.lock:
            scheduler.time_limits.set_locked(event.instance._record, seconds)

    def outlast():
        open("opened").close()
        try:
            leave(0.0)  # which ends it, if any time counts
            other.invoke_async().assert_failed(433)
            leave(60.0)
        finally:
            open("over", "w").close()

    if os.path.exists("opened"):
        threading.Thread(target=outlast).start()
    event.wait_for_log("value 21")
    event.wait(timeout=3)
    event.assert_finished(84)
"""
DEADLINE = 90


@pytest.fixture
def worker(pytester: pytest.Pytester) -> Any:
    directory = pytester.mkdir("worker")
    (directory / "index.py").write_text(WORKER)
    pytester.makepyfile(test_worker=TEST)
    return directory


class Terminal:
    """pytest in a terminal, and somebody who types."""

    def __init__(self, *arguments: str) -> None:
        self.shown = self.everything = ""
        self._fd, there = pty.openpty()
        program = [sys.executable, "-m", "pytest", *arguments]
        self.process = subprocess.Popen(program, stdin=there, stdout=there, stderr=there, start_new_session=True)
        os.close(there)

    def expect(self, text: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while text not in self.shown:
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} was not shown within {DEADLINE} s:\n{self.shown}"
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                data = b""
            assert data, f"{text!r} was not shown:\n{self.shown}"
            self.shown += data.decode("utf-8", "replace")
            self.everything += data.decode("utf-8", "replace")
        self.shown = self.shown.partition(text)[2]

    def type(self, line: str, end: str = "\n") -> None:
        os.write(self._fd, (line + end).encode())

    def close(self) -> int:
        with contextlib.suppress(OSError):
            while data := os.read(self._fd, 65536):
                self.shown += data.decode("utf-8", "replace")
        os.close(self._fd)
        return self.process.wait(DEADLINE)


@pytest.mark.parametrize("capturing", [(), ("-s",)], ids=["captured", "not captured"])
def test_pdb_is_opened_on_the_terminal(worker: Any, arguments: tuple[str, ...], capturing: tuple[str, ...]) -> None:
    if not capturing:
        os.mkfifo("opened")
        os.mkfifo("over")
    terminal = Terminal(*arguments, *capturing)
    terminal.expect("pdb in function worker, event")
    terminal.expect("(Pdb) ")
    terminal.type("p value + 1000")
    terminal.expect("1021")
    terminal.expect("(Pdb) ")
    # Neither the function's time limit nor the wait of the test counts this: for as long as the test waits, another
    # one works until it runs out of time.
    if not capturing:
        Path("opened").write_text("")
        Path("over").read_text()
    terminal.type("value = 42")
    terminal.expect("(Pdb) ")
    terminal.type("next")
    terminal.expect("(Pdb) ")
    terminal.type("continue")
    terminal.expect("1 passed")
    assert terminal.close() == 0


SEVERAL = '''
WORKERS = {
    "steps": """
import pdb

def main_handler(event, context):
    try:
        raise ValueError("bad")
    except ValueError:
        pdb.post_mortem()
    breakpoint()
    return 1 + 1
""",
    "threads": """
import os
import threading
from work import work

def main_handler(event, context):
    threads = [threading.Thread(target=work, args=(1500,)) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    child = os.fork()
    if not child:
        work("child")
        os._exit(0)
    os.waitpid(child, 0)
    work("parent")
    return "both"
""",
    "stopped": """
import pdb
import signal

class Debugger(pdb.Pdb):
    def __init__(self):
        super().__init__()
        self.prompt = "(own) "

class Stop(Exception):
    pass

def on_sigterm(*_):
    saved = 3
    breakpoint()
    raise Stop

def main_handler(event, context):
    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        Debugger().set_trace()
        print("not stopped")
    except Stop:
        return "stopped"
""",
}

def test_all(scf_runtime, tmp_path):
    off = scf_runtime.deploy(WORKERS["steps"], environment={"PYTHONBREAKPOINT": "0"}, name="steps")
    for _ in range(2):
        assert off.invoke().return_value == 2
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "work.py").write_text("def work(number):\\n    breakpoint()\\n    return number\\n")
    threads = scf_runtime.deploy(WORKERS["threads"], name="threads", layers=[layer])
    assert threads.invoke().return_value == "both"
    stopped = scf_runtime.deploy(WORKERS["stopped"], name="stopped", async_run=True)
    for graceful in (True, False):
        event = stopped.invoke_async()
        with open("opened") as opened:
            opened.read()
        event.terminate(graceful=graceful)
        event.wait()
        assert event.return_value == ("stopped" if graceful else None), event.diagnosis
    assert off.invoke().return_value == 2
'''


def test_each_thread_and_process_has_it_in_turn(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(SEVERAL)
    os.mkfifo("opened")
    terminal = Terminal(*arguments)

    def post_mortem() -> None:
        terminal.expect("pdb in function steps")
        terminal.expect('raise ValueError("bad")')
        terminal.expect("(Pdb) ")
        terminal.type("continue")

    post_mortem()
    post_mortem()
    for _ in range(2):
        terminal.expect("pdb in function threads")
        terminal.expect("(Pdb) ")
        terminal.type("p number + 1")
        terminal.expect("1501")
        terminal.expect("(Pdb) ")
        terminal.type("continue")
    terminal.expect("(Pdb) ")
    terminal.type("p number")
    terminal.expect("'child'")
    terminal.expect("(Pdb) ")
    terminal.type("import os; os.kill(os.getpid(), 9)")
    terminal.expect("(Pdb) ")
    terminal.type("p number")  # in its parent, which has the next line that is typed
    terminal.expect("'parent'")
    terminal.expect("(Pdb) ")
    # What is the user's is shown and stepped through, no more.
    terminal.type("where")
    terminal.expect("(Pdb) ")
    terminal.type("interact")
    terminal.expect(">>> ")
    terminal.type("number.upper()")
    terminal.expect("PARENT")
    terminal.type("\x04", end="")
    terminal.expect("(Pdb) ")
    for shown in ("--Return--", 'return "both"', "--Return--"):
        terminal.type("next")
        terminal.expect(shown)
        terminal.expect("(Pdb) ")
    terminal.type("next")
    terminal.expect("pdb in function stopped")
    terminal.expect("(own) ")
    # The signal comes while a line is read: what its signal handler types goes to that.
    Path("opened").write_text("")
    terminal.expect("in the middle of the line before")
    terminal.expect("(Pdb) ")
    terminal.type("p saved + 1600")
    terminal.expect("1603")
    terminal.expect("(Pdb) ")
    terminal.type("continue")
    terminal.expect("pdb in function stopped")
    terminal.expect("(own) ")
    Path("opened").write_text("")
    post_mortem()  # nobody else takes the line
    terminal.expect("1 passed")
    assert terminal.close() == 0
    assert "call_handler" not in terminal.everything


def test_where_there_is_no_terminal_it_says_so(
    worker: Any, pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    for workers in ((), ("-n", "1")):
        result = pytester.runpytest_subprocess(*arguments, *workers, timeout=DEADLINE)
        result.assert_outcomes(failed=1)
        text = result.stdout.str()
        assert "breakpoint() opens pdb on the terminal that pytest runs in, and there is none here" in text
        assert "BdbQuit" not in text


def test_a_function_says_itself_what_a_breakpoint_does(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(
        """
        SOURCE = "def main_handler(event, context):\\n    breakpoint()\\n    return 1\\n"

        def test_off(scf_runtime):
            assert scf_runtime.deploy(SOURCE, environment={"PYTHONBREAKPOINT": "0"}).invoke().return_value == 1
        """
    )
    pytester.runpytest_subprocess(*arguments, timeout=DEADLINE).assert_outcomes(passed=1)


def test_a_failing_test_is_looked_at_while_its_instance_lives(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import time

        from pytest_scf import ScfRuntime

        SOURCE = "import time\\n\\ndef main_handler(event, context):\\n    print('working')\\n    time.sleep(3600)\\n"
        OTHER = ScfRuntime()  # no fixture's, so its limits go on

        def test_failing(scf_runtime):
            event = scf_runtime.deploy(SOURCE, timeout=60, async_run=True).invoke_async()
            event.wait_for_log("working")
            scheduler = scf_runtime._platform._scheduler
            assert event.status == "FINISHED"
        """
    )
    terminal = Terminal(*arguments, "--pdb")
    terminal.expect("(Pdb) ")
    # Its time is over, if any counts, and what is invoked later runs out of its own.
    terminal.type("with scheduler.lock: scheduler.time_limits.set_locked(event.instance._record, 0.0)")
    terminal.expect("(Pdb) ")
    terminal.type("p 'code', OTHER.deploy(SOURCE, timeout=1).invoke().status_code")
    terminal.expect("('code', 433)")
    terminal.expect("(Pdb) ")
    terminal.type("p event.status + ' ' + str(event.instance.tmp.exists())")
    terminal.expect("'RUNNING True'")
    terminal.expect("(Pdb) ")
    terminal.type("continue")
    terminal.expect("1 failed")
    assert terminal.close() == 1
