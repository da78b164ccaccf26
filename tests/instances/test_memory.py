"""What counts against the memory of a function: that of all its processes, once each, and no mapped files."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kinds import only
from present import present

from pytest_scf import ScfRuntime
from pytest_scf.instances import memory

HANDLER = """
import mmap
import os
import tempfile
import time


def main_handler(event, context):
    how = event["how"]
    if how == "shared":
        keep = mmap.mmap(-1, 300 << 20)
        for at in range(0, 300 << 20, 4096):
            keep[at] = 1
    if how == "double-forked":
        if os.fork() == 0:
            if os.fork() == 0:
                keep = bytearray(300 << 20)
                time.sleep(600)
            os._exit(0)
        os.wait()
    if how == "memfd":
        keep = os.memfd_create("memory")
        for _ in range(300):
            os.write(keep, bytes(1 << 20))
    if how == "mapped memfd":
        keep = os.memfd_create("memory")
        os.ftruncate(keep, 300 << 20)
        keep = mmap.mmap(keep, 300 << 20)
        for at in range(0, 300 << 20, 4096):
            keep[at] = 1
    if how == "children":
        ready, told = os.pipe()
        for _ in range(3):
            if os.fork() == 0:
                keep = bytearray(60 << 20)
                os.write(told, b"x")
                time.sleep(600)
        for _ in range(3):
            os.read(ready, 1)
    if how == "file in /tmp":
        with open("/tmp/big.bin", "wb") as file:
            for _ in range(200):
                file.write(bytes(1 << 20))
        how, event["file"] = "file", "/tmp/big.bin"
    if how == "file no longer mapped":
        with open(event["file"], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
            for at in range(0, len(mapped), 4096):
                mapped[at]
    if how == "file":
        with open(event["file"], "rb") as file:
            keep = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        for at in range(0, len(keep), 4096):
            keep[at]
    if how == "forked":
        keep = bytearray(b"x") * (50 << 20)
        for _ in range(4):
            if os.fork() == 0:
                time.sleep(600)
    print("holds it")
    while how == "children" and not os.path.exists(os.path.join(tempfile.gettempdir(), "go")):
        time.sleep(0.01)
    time.sleep(event["seconds"])
    return "answer"
"""


@only(pidfd=True, start_method="fork")
@pytest.mark.parametrize("how", ["shared", "memfd", "mapped memfd", "double-forked"])
def test_memory_of_all_processes_counts(each_kind: ScfRuntime, how: str) -> None:
    fn = each_kind.deploy(HANDLER, memory=128, timeout=120, async_run=True)
    event = fn.invoke_async({"how": how, "seconds": 600}).wait(120)
    assert (event.status, event.status_code) == ("FAILED", 434), event.diagnosis


@only(pidfd=True, start_method="fork")
@pytest.mark.parametrize("how", ["file", "file no longer mapped", "file in /tmp", "forked"])
def test_what_is_shared_with_a_file_or_among_processes_counts_once_or_not(
    each_kind: ScfRuntime, tmp_path: Path, how: str
) -> None:
    if how == "file in /tmp" and each_kind.isolation == "directory":
        pytest.skip("its /tmp is the machine's, which may be a disk")
    code = tmp_path / "code"
    code.mkdir()
    (code / "index.py").write_text(HANDLER)
    (code / "big.bin").write_bytes(bytes(200 << 20))
    fn = each_kind.deploy(code, memory=128, timeout=120)
    file = "/var/user/big.bin" if each_kind.isolation == "namespaces" else str(code / "big.bin")
    # Some looks at it, or none.
    seconds = 0 if how == "file no longer mapped" else 0.4
    result = fn.invoke({"how": how, "seconds": seconds, "file": file})
    assert result.status_code == 200, result.diagnosis
    assert result.memory <= 128 << 20


@only(pidfd=True, start_method="fork")
def test_the_memory_that_is_reported_is_that_of_all_processes(each_kind: ScfRuntime) -> None:
    fn = each_kind.deploy(HANDLER, memory=512, timeout=120, async_run=True)
    event = fn.invoke_async({"how": "children", "seconds": 0})
    event.wait_for_log("holds it")
    use, deadline = event.instance._record.process.memory, time.monotonic() + 120
    while use.most_held < 150 << 20:
        assert time.monotonic() < deadline, f"{use.most_held} bytes are the most that was seen"
        time.sleep(0.01)
    (event.instance.tmp / "go").touch()
    event.assert_finished("answer")
    reported = present(re.search(r"Report .*MemUsage:([\d.]+)MB", event.logs.text))
    assert 150 < float(reported[1]) < 300


def test_memory_that_comes_and_goes_is_never_taken_for_files() -> None:
    source = "print('begun', flush=True)\nwhile True:\n    bytearray(200 << 20)"
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            assert max(memory.uncounted_bytes(process.pid) for _ in range(300)) < 60 << 20
        finally:
            process.kill()
