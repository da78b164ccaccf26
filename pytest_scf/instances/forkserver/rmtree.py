"""Removing what instances leave in directories."""

from __future__ import annotations

import contextlib
import itertools
import os

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, those that its owner made unreadable included.

    A handler may leave a tree that is deeper than recursion goes, and whose paths are longer than a path may be. So
    each directory's own are moved up to the top before it is removed: two descriptors at a time, and short names only.
    """
    if os.path.islink(path):
        return
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    try:
        top = os.open(path, _DIRECTORY)
    except OSError:
        return
    try:
        prefix, numbers = os.urandom(8).hex(), itertools.count()
        pending = _unlink_files(top)
        while pending:
            name = pending.pop()
            with contextlib.suppress(OSError):
                below = os.open(name, _DIRECTORY, dir_fd=top)
                try:
                    for child in _unlink_files(below):
                        moved = f"{prefix}-{next(numbers)}"
                        os.rename(child, moved, src_dir_fd=below, dst_dir_fd=top)
                        pending.append(moved)
                finally:
                    os.close(below)
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def _unlink_files(directory: int) -> list[str]:
    """Remove what is no directory; the names of those that are, opened up for their owner."""
    with os.scandir(directory) as listing:
        entries = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in listing]
    for name, is_directory in entries:
        with contextlib.suppress(OSError):
            if is_directory:
                os.chmod(name, 0o700, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
    return [name for name, is_directory in entries if is_directory]
