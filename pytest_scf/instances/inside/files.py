"""Removing what instances leave in directories."""

from __future__ import annotations

import contextlib
import os
import shutil


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, those that its owner made unreadable included."""
    shutil.rmtree(path, ignore_errors=True)
    if not os.path.lexists(path):
        return
    _open_up(path)
    for directory, names, _files in os.walk(path):
        for name in names:
            _open_up(os.path.join(directory, name))
    shutil.rmtree(path, ignore_errors=True)


def _open_up(directory: str) -> None:
    with contextlib.suppress(OSError):
        if not os.path.islink(directory):
            os.chmod(directory, 0o700)
