"""What counts against the memory of a function: that of all its processes, once each, and no mapped files."""

from __future__ import annotations

from pathlib import Path

import pytest
from kinds import only

from pytest_scf import ScfRuntime

HANDLER = """
import mmap
import os
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
    time.sleep(event["seconds"])
    return "answer"
"""


@only(pidfd=True, start_method="fork")
@pytest.mark.parametrize("how", ["shared", "double-forked"])
def test_memory_of_all_processes_counts(each_kind: ScfRuntime, how: str) -> None:
    fn = each_kind.deploy(HANDLER, memory=128, timeout=120, async_run=True)
    event = fn.invoke_async({"how": how, "seconds": 100}).wait(100)
    assert (event.status, event.status_code) == ("FAILED", 434), event.diagnosis


@only(pidfd=True, start_method="fork")
@pytest.mark.parametrize("how", ["file", "forked"])
def test_what_is_shared_with_a_file_or_among_processes_counts_once_or_not(
    each_kind: ScfRuntime, tmp_path: Path, how: str
) -> None:
    code = tmp_path / "code"
    code.mkdir()
    (code / "index.py").write_text(HANDLER)
    (code / "big.bin").write_bytes(bytes(200 << 20))
    fn = each_kind.deploy(code, memory=128, timeout=120, async_run=True)
    file = "/var/user/big.bin" if each_kind.isolation == "namespaces" else str(code / "big.bin")
    # Some twenty looks at it.
    event = fn.invoke_async({"how": how, "seconds": 1, "file": file}).wait(100)
    assert (event.status, event.status_code) == ("FINISHED", 200), event.diagnosis
