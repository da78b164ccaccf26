"""The processes of an instance, as long as there are any, and what is remembered of them afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_scf.instances.levels import Level
    from pytest_scf.instances.process import InstanceProcess


class HeldProcess:
    """What is held for processes (sockets, the environment, ...) is much more than what is remembered of them."""

    def __init__(self) -> None:
        self._process: InstanceProcess | None = None
        self._pid: int | None = None
        self._tmp = Path()

    def run_in(self, process: InstanceProcess) -> None:
        self._process = process
        #: how it is isolated
        self.level: Level = process.level

    def let_go(self) -> None:
        """The processes have ended: keep what is remembered of them."""
        process = self.process
        self._pid, self._tmp = process.user_pid, process.directory / "tmp"
        self._process = None

    @property
    def process(self) -> InstanceProcess:
        """The sockets and processes, as long as the instance is alive."""
        assert self._process is not None, f"{self!r} has no process"
        return self._process

    @property
    def process_if_alive(self) -> InstanceProcess | None:
        """The same for who does not hold the lock, and may come too late."""
        return self._process

    @property
    def tmp(self) -> Path:
        """The instance's /tmp as the test can read it, as long as the instance lives."""
        process = self._process
        return process.tmp if process is not None else self._tmp

    @property
    def pid(self) -> int | None:
        """PID of the user's process, in the numbering of the test process."""
        process = self._process
        return process.user_pid if process is not None else self._pid

    def disposition(self, signum: int) -> str:
        """What the user's process would do with the signal now; see ``procstatus.DISPOSITIONS``."""
        process = self._process
        return "gone" if process is None else process.disposition(signum)
