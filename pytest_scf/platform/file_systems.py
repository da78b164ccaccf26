"""File systems of CFS: directories of this machine, and where functions see them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class FileSystem:
    """A directory of this machine that a function sees, and writes to; it is there before the function, and after."""

    #: where the function sees it
    local: str
    #: where it is
    directory: Path
    #: what the API calls it, and the directory of it that is seen
    id: str = ""
    remote: str = "/"
    mount_point: str = ""
    user: str = "10000"
    group: str = "10000"
