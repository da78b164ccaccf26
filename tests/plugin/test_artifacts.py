from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_scf import ScfRuntime

WRITES = """
import os
import tempfile
import time


def main_handler(event, context):
    tmp = tempfile.gettempdir()
    os.makedirs(f"{tmp}/deep/er")
    with open(f"{tmp}/deep/er/note", "w") as file:
        file.write(event["note"])
    os.mkfifo(f"{tmp}/fifo")
    os.symlink("nowhere", f"{tmp}/link")
    print("noted", event["note"])
    if event.get("raise"):
        raise ValueError(event["raise"])
    while event.get("loop"):
        time.sleep(1)
"""
TESTS = """
def test_passing(scf_runtime):
    scf_runtime.deploy("functions/writes", async_run=True).invoke_async({"note": "passing"}).wait()

def test_failing(scf_runtime):
    function = scf_runtime.deploy("functions/writes", async_run=True)
    function.invoke_async({"note": "raised", "raise": "x \\udc80"}).wait()
    killed = function.invoke_async({"note": "killed", "loop": True})
    killed.wait_for_log("noted")
    killed.terminate()
    running = function.invoke_async({"note": "running", "loop": True})
    running.wait_for_log("noted")
    raise RuntimeError("the test's own failure")
"""


@pytest.fixture
def artifacts(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, worker: Path) -> Any:
    """Runs the tests with the option, and gives the directories that are left."""
    writes = pytester.path / "functions" / "writes"
    writes.mkdir()
    (writes / "index.py").write_text(WRITES)

    def artifacts(*arguments: str) -> tuple[pytest.RunResult, list[Path]]:
        pytester.makepyfile(TESTS)
        base = pytester.path / "base"
        return run(f"--basetemp={base}", *arguments), sorted(base.rglob("*-scf-[0-9]*"))

    return artifacts


def test_logs_events_and_tmp_of_a_failed_test_are_kept(
    artifacts: Any, scf_runtime_of: Callable[..., ScfRuntime]
) -> None:
    scf_runtime_of("namespaces")  # the machine has what the inner run needs
    result, kept = artifacts("--scf-artifacts=failed", "--scf-isolation=namespaces")
    result.assert_outcomes(passed=1, failed=1)
    (directory,) = kept
    assert directory.name.startswith("test_failing-scf-")
    result.stdout.fnmatch_lines([f"artifacts: {directory}"])
    events = json.loads((directory / "events.json").read_text())
    assert [event["status"] for event in events] == ["FAILED", "ABORTED", "RUNNING"]
    assert "ValueError: x \\udc80" in events[0]["traceback"]  # which no file and no worker's report could hold
    for event in events:
        assert "noted" in (directory / f"{event['request_id']}.log").read_text()
    notes = {path.read_text() for path in directory.glob("tmp-writes-*/deep/er/note")}
    assert notes == {"raised", "killed", "running"}
    assert all(path.is_symlink() for path in directory.glob("tmp-*/link"))
    assert not list(directory.parent.glob("scf-pending*/*"))


def test_a_disk_without_room_takes_nothing_but_the_artifacts(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("""
        import resource

        def main_handler(event, context):
            print("x" * 1000000)
            raise ValueError("the function's own failure")

        def test_failing(scf_runtime):
            event = scf_runtime.deploy(main_handler, async_run=True).invoke_async().wait()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, resource.RLIM_INFINITY))
            event.assert_finished()

        def test_another():
            pass
    """)
    result = run("--scf-artifacts=failed", "--scf-isolation=directory")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *ValueError: the function's own failure*", "artifacts: not kept: *File too large*"])


def test_nothing_is_kept_unless_asked_for(artifacts: Any) -> None:
    result, kept = artifacts("--scf-isolation=directory")
    result.assert_outcomes(passed=1, failed=1)
    assert kept == []


def test_what_pytest_is_told_of_tmp_path_is_so_for_this_too(artifacts: Any) -> None:
    result, kept = artifacts("--scf-artifacts=failed", "--scf-isolation=directory", "-n", "1")
    result.assert_outcomes(passed=1, failed=1)
    assert len(kept) == 1
    assert "popen-gw0" in str(kept[0])
