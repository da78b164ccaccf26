"""Where a handler was when its time was up, or when it crashed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import Function, ScfRuntime
from pytest_scf.instances import stack_dump

HANGS = """\
import ctypes
import faulthandler
import os
import re
import signal
import sys
import threading
import time


def wait():
    time.sleep(60)


def deep(number):
    return deep(number - 1) if number else wait()


def main_handler(event, context):
    how = event["how"]
    if how == "sleep":
        wait()
    if how == "loop":
        while True:
            pass
    if how == "lock":
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if how == "regex":
        re.match("(a+)+$", "a" * 40 + "b")
    if how == "deep":
        deep(300)
    if how == "blocked":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        wait()
    if how == "own":
        signal.signal(signal.SIGRTMAX, lambda *_: print("mine"))
        wait()
    if how == "closed":
        os.closerange(3, 300)
        wait()
    if how == "segfault":
        ctypes.string_at(0)
    if how == "abort":
        os.abort()
    if how == "own faulthandler":
        faulthandler.enable(open(os.path.join(os.environ.get("TMPDIR", "/tmp"), "mine"), "w"))
        ctypes.string_at(0)
    return [signal.getsignal(signal.SIGRTMAX) == signal.SIG_DFL, sorted(map(int, os.listdir("/proc/self/fd")))[:3]]
"""


@pytest.fixture
def deploy(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, level: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], Function]:
    """The function that hangs, with a time limit in seconds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "index.py").write_text(HANGS)
    return lambda timeout: scf_runtime_of(level).deploy(tmp_path, timeout=timeout, name="hangs")


def at_once(hangs: Function, ways: Iterable[str]) -> dict[str, Any]:
    """The result of each way to hang; they wait for the same seconds."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(ways, pool.map(lambda how: hangs.invoke({"how": how}), ways), strict=True))


@pytest.fixture(params=["namespaces", "directory"])
def level(request: pytest.FixtureRequest) -> Any:
    return request.param


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(HANGS.splitlines(), 1) if line.strip().startswith(text))


STACKS = {
    "sleep": ("time.sleep", "wait"),
    "loop": ("", "main_handler"),
    "lock": ("lock.acquire", "main_handler"),
    "regex": ("re.match", "main_handler"),
    "deep": ("time.sleep", "wait"),
}


def test_the_stack_when_the_time_was_up(deploy: Callable[[int], Function], monkeypatch: pytest.MonkeyPatch) -> None:
    # What answers is not waited for.
    monkeypatch.setattr(stack_dump, "DEADLINE", 60)
    begun = time.monotonic()
    results = at_once(deploy(3), STACKS)
    assert time.monotonic() - begun < 60
    file = Path("index.py").resolve()
    for how, (line, function) in STACKS.items():
        result = results[how]
        assert result.status_code == 433
        assert result.traceback.startswith("Stack at the end (most recent call last):\n  File "), how
        if line:
            number = line_of(line) + (how == "lock")
            assert f'  File "{file}", line {number}, in {function}\n    {line}' in result.traceback
        else:
            assert f'  File "{file}", line ' in result.traceback
        for ours in ("pytest_scf", "<string>"):
            assert ours not in result.traceback
        assert "File" not in result.log  # the log is as in the cloud
        assert not result.error.get("stackTrace")


def test_what_the_code_does_with_signals_and_descriptors_comes_first(deploy: Callable[[int], Function]) -> None:
    for how, result in at_once(deploy(2), ["blocked", "own", "closed"]).items():
        assert (result.status_code, result.traceback) == (433, ""), how
        assert result.duration < 60_000


def test_a_crash_tells_its_stack_in_the_log(deploy: Callable[[int], Function]) -> None:
    hangs = deploy(60)
    for how, error, line in (("segfault", "Segmentation fault", "ctypes.string_at"), ("abort", "Aborted", "os.abort")):
        result = hangs.invoke({"how": how})
        assert result.status_code == 439
        assert f"Fatal Python error: {error}\n" in result.log
        assert f'index.py", line {line_of(line)}, in main_handler\n    {line}' in result.traceback
    result = hangs.invoke({"how": "own faulthandler"})
    assert (result.status_code, result.traceback, "Fatal" in result.log) == (439, "", False)


def test_the_code_sees_nothing_of_it(deploy: Callable[[int], Function]) -> None:
    assert deploy(60).invoke({"how": "no way"}).return_value == [True, [0, 1, 2]]


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_other_languages_are_killed_without() -> None:
    with ScfRuntime(isolation="directory") as runtime:
        code = "exports.main_handler = async () => {\n  while (true);\n};\n"
        result = runtime.deploy(code, runtime="Nodejs18.15", timeout=1).invoke()
        assert (result.status_code, result.traceback) == (433, "")
