"""How the user's process of an instance ended."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass


@dataclass(frozen=True)
class ProcessExit:
    """The raw wait status of the user's process, and its peak resident memory in bytes."""

    wait_status: int
    peak_bytes: int
    #: a memory limit ended it that a launcher enforces
    out_of_memory: bool = False

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.wait_status) if os.WIFSIGNALED(self.wait_status) else None

    @property
    def status(self) -> int | None:
        return os.WEXITSTATUS(self.wait_status) if os.WIFEXITED(self.wait_status) else None

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                return f"ended by signal {signal.Signals(self.signal).name}"
            except ValueError:
                return f"ended by signal {self.signal}"
        return f"exited with status {self.status}"
