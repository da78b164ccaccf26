"""Nothing outlives the test process, however that ends: no process, no mount, no directory.

To our processes the ends of pytest are two: it closes the runtime, or is gone at once. Both are tried at both levels;
the many ways in which pytest comes to one of them at the harder, where no kernel takes all processes along.
"""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kinds import LEVELS
from test_fork_bombs import BOMBS

WITNESS = str(Path(__file__).with_name("witness.py"))
DEADLINE = 240

Seen = dict[str, Any]


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest, need: Callable[[str], None]) -> str:
    level: str = request.param
    need(level)
    return level


#: the level at which most is ours to do
HARDER = pytest.mark.parametrize("level", ["directory"], indirect=True)


@pytest.fixture
def outlives(tmp_path: Path) -> Callable[..., Seen]:
    """Run a command under a witness, end it as the keywords say, and see that nothing is left."""
    cwd, temporary = tmp_path / "cwd", tmp_path / "tmp"
    cwd.mkdir()
    temporary.mkdir()

    def outlives(program: str, *command: str, **case: Any) -> Seen:
        (cwd / "test_it.py").write_text(textwrap.dedent(program))
        environ = {"TMPDIR": str(temporary), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        case |= {"command": [sys.executable, *command], "cwd": str(cwd), "environ": environ}
        done = subprocess.run(
            [sys.executable, WITNESS, json.dumps(case)], capture_output=True, text=True, timeout=DEADLINE, check=False
        )
        output = (cwd / "output").read_text(errors="replace")
        assert done.returncode == 0, done.stderr + output
        seen: Seen = json.loads(done.stdout)
        assert seen["left"] == [], output
        assert seen["mounts"] == []
        assert [path.name for path in temporary.rglob("*") if not is_probe(path)] == []
        return {**seen, "output": output, "cwd": cwd}

    return outlives


def is_probe(path: Path) -> bool:
    """The standard library tries a temporary directory by writing to it, once; killed right then, it leaves this."""
    return bool(re.fullmatch(r"[a-z0-9_]{8}", path.name)) and path.is_file() and path.read_bytes() in (b"", b"blat")


def pytest_command(level: str, *more: str) -> tuple[str, ...]:
    # Others that are installed take most of the time that pytest needs to start.
    plugins = (f"-p{name}" for name in ("no:cacheprovider", "scf", "timeout", "xdist"))
    return ("-m", "pytest", *plugins, f"--scf-isolation={level}", "--basetemp=../basetemp", *more, "test_it.py")


#: a runtime whose instances are in every state, and one of them full of processes that are hard to end
IN_EVERY_STATE = """
    import os, time
    import pytest

    BUSY = '''
    import os, signal

    def main_handler(event, context):
        if not event.get("stay"):
            return "idle from now on"
        ready, told = os.pipe()
        if os.fork() == 0:
            child = os.fork()
            if child == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                signal.signal(signal.SIGHUP, signal.SIG_IGN)
                if os.fork() == 0:
                    while True:
                        signal.pause()  # an orphan that would go on for ever
                os.kill(os.getpid(), signal.SIGSTOP)
            os.waitpid(child, os.WUNTRACED)
            os.write(told, b"x")
            os._exit(0)
        os.read(ready, 1)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("stays")
        while True:
            signal.pause()
    '''
    STARTING = '''
    import signal
    print("starts")
    while True:
        signal.pause()
    '''

    def fill(runtime):
        import textwrap
        idle, busy, starting = (
            runtime.deploy(textwrap.dedent(code), async_run=True, init_timeout=300, name=name)
            for name, code in (("idle", BUSY), ("busy", BUSY), ("starting", STARTING))
        )
        idle.invoke_async({}).wait()
        busy.invoke_async({"stay": True}).wait_for_log("stays")
        starting.invoke_async({}).wait_for_log("starts")
        assert [i.state for i in runtime.instances] == ["idle", "busy", "starting"]

    def tell(pid):
        with open(os.environ.get("TOLD", "told"), "w") as fifo:
            fifo.write(str(pid))

    def block():
        while True:
            time.sleep(3600)
"""
BLOCKED = (
    IN_EVERY_STATE
    + """
    def test_blocked(scf_runtime):
        fill(scf_runtime)
        tell(os.getpid())
        block()
    """
)


@pytest.mark.parametrize(
    ("level", "whom"),
    [("namespaces", "all"), *(("directory", whom) for whom in ("supervisor", "zygote", "init", "all"))],
    indirect=["level"],
)
def test_nothing_outlives_a_pytest_that_was_killed_while_a_process_of_ours_is_stopped(
    outlives: Callable[..., Seen], level: str, whom: str
) -> None:
    program = (
        IN_EVERY_STATE
        + f"""
    def test_blocked(scf_runtime):
        import psutil, signal
        fill(scf_runtime)
        init = psutil.Process(scf_runtime.instances[0].pid).parent()
        zygote = init.parent()
        found = {{"supervisor": zygote.parent(), "zygote": zygote, "init": init}}
        for name, process in found.items():
            if {whom!r} in (name, "all"):
                process.suspend()
        tell(os.getpid())
        block()
    """
    )
    seen = outlives(program, *pytest_command(level), told="told", signal=signal.SIGKILL)
    assert seen["status"] == -signal.SIGKILL


def test_no_process_of_a_fork_bomb_outlives_a_pytest_that_was_killed(outlives: Callable[..., Seen], level: str) -> None:
    program = f"""
    import os
    import time

    BOMBS = {BOMBS!r}

    def test_blocked(scf_runtime):
        fn = scf_runtime.deploy(BOMBS, async_run=True, memory=3072, timeout=600)
        fn.invoke_async({{"chains": 4, "workers": 20}}).wait_for_log("forks")
        with open("told", "w") as fifo:
            fifo.write(str(os.getpid()))
        while True:
            time.sleep(3600)
    """
    seen = outlives(program, *pytest_command(level), told="told", signal=signal.SIGKILL)
    assert seen["status"] == -signal.SIGKILL


def test_nothing_outlives_a_pytest_that_was_killed(outlives: Callable[..., Seen], level: str) -> None:
    seen = outlives(BLOCKED, *pytest_command(level), told="told", signal=signal.SIGKILL)
    assert seen["status"] == -signal.SIGKILL


@HARDER
def test_nothing_outlives_a_pytest_ended_by_ctrl_c(outlives: Callable[..., Seen], level: str) -> None:
    seen = outlives(BLOCKED, *pytest_command(level), told="told", signal=signal.SIGINT)
    assert seen["status"] == pytest.ExitCode.INTERRUPTED
    assert seen["output"].count("begun in") == 0
    assert "events left RUNNING" in seen["output"]


@HARDER
def test_nothing_outlives_a_worker_that_was_killed_nor_the_one_in_its_place(
    outlives: Callable[..., Seen], level: str
) -> None:
    seen = outlives(BLOCKED, *pytest_command(level, "-n", "1"), told="told", signal=signal.SIGKILL, to="told")
    assert seen["status"] == pytest.ExitCode.TESTS_FAILED
    assert "worker 'gw0' crashed" in seen["output"]


@HARDER
def test_nothing_outlives_a_controller_that_was_killed(outlives: Callable[..., Seen], level: str) -> None:
    seen = outlives(BLOCKED, *pytest_command(level, "-n", "1"), told="told", signal=signal.SIGKILL)
    assert seen["status"] == -signal.SIGKILL


@HARDER
@pytest.mark.parametrize("method", ["signal", "thread"])
def test_nothing_outlives_a_timeout_by(outlives: Callable[..., Seen], level: str, method: str) -> None:
    program = (
        IN_EVERY_STATE
        + f"""
    @pytest.fixture
    def filled(scf_runtime):
        fill(scf_runtime)

    @pytest.mark.timeout(0.2, method={method!r}, func_only=True)
    def test_blocked(filled):
        block()
    """
    )
    seen = outlives(program, *pytest_command(level))
    assert seen["status"] == pytest.ExitCode.TESTS_FAILED
    assert "Timeout" in seen["output"]


def test_nothing_outlives_an_error_in_a_later_fixtures_setup(outlives: Callable[..., Seen], level: str) -> None:
    program = (
        IN_EVERY_STATE
        + """
    @pytest.fixture
    def filled(scf_runtime):
        fill(scf_runtime)

    @pytest.fixture
    def later(filled):
        raise LookupError("in a later fixture")

    def test_never_run(later): pass
    """
    )
    seen = outlives(program, *pytest_command(level))
    assert seen["status"] == pytest.ExitCode.TESTS_FAILED
    assert "LookupError: in a later fixture" in seen["output"]
    assert "1 error" in seen["output"]


@HARDER
def test_nothing_outlives_a_process_that_leaves_without_any_clean_up(outlives: Callable[..., Seen], level: str) -> None:
    program = (
        IN_EVERY_STATE
        + """
    def test_leaves(scf_runtime):
        fill(scf_runtime)
        os._exit(47)
    """
    )
    assert outlives(program, *pytest_command(level))["status"] == 47


@HARDER
def test_a_forked_child_of_the_test_process_does_not_keep_instances_alive(
    outlives: Callable[..., Seen], level: str
) -> None:
    program = (
        IN_EVERY_STATE
        + """
    def test_blocked(scf_runtime):
        os.environ["TOLD"] = os.path.abspath("told")
        fill(scf_runtime)
        child = os.fork()
        if child == 0:
            open("spared").close()  # waits for the witness to see that all others are gone
            os._exit(0)
        tell(child)
        block()
    """
    )
    seen = outlives(program, *pytest_command(level), told="told", spared="spared", signal=signal.SIGKILL)
    assert seen["status"] == -signal.SIGKILL


def test_a_forked_child_that_goes_through_the_tests_end_does_no_harm(outlives: Callable[..., Seen], level: str) -> None:
    program = (
        IN_EVERY_STATE
        + """
    def test_forks(scf_runtime):
        fill(scf_runtime)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                scf_runtime.close()
                status = 47
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 47
        assert [i.state for i in scf_runtime.instances] == ["idle", "busy", "starting"]
    """
    )
    assert outlives(program, *pytest_command(level))["status"] == pytest.ExitCode.OK


STARTS_UP = """
    import os, signal, sys, tempfile
    from pytest_scf import ScfRuntime
    # Finding the temporary directory writes a file into it for a moment, which is the interpreter's doing and not ours.
    tempfile.gettempdir()
    with open("told", "w") as fifo:
        fifo.write(str(os.getpid()))
    ScfRuntime(isolation=sys.argv[1])
    signal.pause()
"""
LAUNCHES = """
    import os, signal, sys
    from pytest_scf import ScfRuntime
    rt = ScfRuntime(isolation=sys.argv[1])
    fn = rt.deploy('''if True:
        import os, signal
        if os.fork() == 0:
            os.setsid()
            signal.pause()
        def main_handler(event, context):
            signal.pause()
        ''', async_run=True)
    with open("told", "w") as fifo:
        fifo.write(str(os.getpid()))
    for _ in range(60):
        fn.invoke_async({})
    signal.pause()
"""
OPENS_AND_CLOSES = """
    import os, signal, sys
    from pytest_scf import ScfRuntime
    def handler(event, context):
        return 1
    with open("told", "w") as fifo:
        fifo.write(str(os.getpid()))
    while True:
        with ScfRuntime(isolation=sys.argv[1]) as rt:
            rt.deploy(handler, async_run=True).invoke_async({})
"""


#: without a signal handler SIGTERM is as final to Python as SIGKILL, so each is used by turns
MOMENTS = pytest.mark.parametrize(
    ("seed", "number"), [(0, signal.SIGKILL), (1, signal.SIGTERM), (2, signal.SIGKILL)], ids=["0", "1", "2"]
)


@MOMENTS
@pytest.mark.parametrize(
    ("program", "span"),
    [(STARTS_UP, 0.25), (LAUNCHES, 0.4), (OPENS_AND_CLOSES, 1.0)],
    ids=["starts the fork server", "launches instances", "opens and closes runtimes"],
)
def test_nothing_outlives_a_process_ended_at_any_moment_while_it(
    outlives: Callable[..., Seen], level: str, program: Any, span: float, number: Any, seed: Any
) -> None:
    delay = random.Random(f"{seed} {int(number)}").uniform(0, span)
    seen = outlives(program, "test_it.py", level, told="told", signal=number, delay=delay)
    assert seen["status"] == -number, seen["output"]


@MOMENTS
def test_nothing_outlives_a_pytest_ended_at_any_moment_after_its_own_start(
    outlives: Callable[..., Seen], level: str, number: Any, seed: Any
) -> None:
    delay = random.Random(f"{seed} {int(number)}").uniform(0, 1.5)
    seen = outlives(BLOCKED, *pytest_command(level), delay=delay, signal=number, environ={})
    assert seen["status"] == -number, seen["output"]
