"""The path under which a test reads the /tmp of an instance that has one of its own."""

from __future__ import annotations

import contextlib
from pathlib import Path


class TmpLink:
    """A link, so that a path kept beyond the instance's end can never lead to another process's /tmp."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.path = directory / "tmp"
        self.made = False

    def make(self, init_pid: int | None) -> None:
        if not self.made:
            self._directory.mkdir(parents=True, exist_ok=True)
            self.path.symlink_to(f"/proc/{init_pid}/root/tmp")
            self.made = True

    def remove(self) -> None:
        if self.made:
            with contextlib.suppress(OSError):
                self.path.unlink()
                self._directory.rmdir()
