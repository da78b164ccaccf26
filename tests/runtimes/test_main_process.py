"""The user's process as its init sees it, with pidfds and where the system refuses them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from pytest_scf.runtimes.main_process import MainProcess


@pytest.fixture(params=["pidfd", "refused"])
def pidfds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "refused":

        def refuse(pid: int, flags: int = 0) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(os, "pidfd_open", refuse, raising=False)


def test_the_end_of_a_process_is_seen_and_left_to_its_parent(pidfds: None) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = MainProcess(child.pid)
        try:
            assert not process.ended(0)
            assert not process.ended(0.01)
            assert child.stdin is not None
            child.stdin.write(b"\n")
            child.stdin.flush()
            assert process.ended(60)
            assert process.ended(0)
            assert child.wait() == 0  # nobody else has reaped it
            if process._pidfd == -1:
                assert process.ended(0)
        finally:
            if process._pidfd != -1:
                os.close(process._pidfd)
