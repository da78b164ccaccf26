"""Removing what instances leave in directories."""

from __future__ import annotations

import contextlib
import itertools
import os
import re

from pytest_scf.instances.forkserver import linux

#: a character that the list of mounts has in octal
_ESCAPED = re.compile(r"\\([0-7]{3})")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove_tree(path: str) -> None:
    """Remove a directory with all that is in it, those that its owner made unreadable included.

    A handler may leave a tree that is deeper than recursion goes, and whose paths are longer than a path may be. So
    each directory's own are moved up to the top before it is removed: two descriptors at a time, and short names only.
    What is mounted in it is unmounted, and left alone where it cannot be: never is what was mounted removed.
    """
    if os.path.islink(path):
        return
    _unmount_below(path)
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    try:
        mount = _mount_of_parent(path)
        top = os.open(path, _DIRECTORY)
    except OSError:
        return
    try:
        if _mount_of(top) != mount:
            return
        prefix, numbers = os.urandom(8).hex(), itertools.count()
        pending = _unlink_files(top)
        while pending:
            name = pending.pop()
            with contextlib.suppress(OSError):
                below = os.open(name, _DIRECTORY, dir_fd=top)
                try:
                    if _mount_of(below) != mount:
                        continue  # what is mounted there is not ours
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


def _unmount_below(path: str) -> None:
    """Detach what a handler has mounted in its own directory, where it may be undone."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            points = [_ESCAPED.sub(_unescape, line.split(" ", 5)[4]) for line in file]
    except OSError:
        return
    root = os.path.realpath(path)
    for point in reversed(points):  # the last is on top
        if point == root or point.startswith(f"{root}/"):
            with contextlib.suppress(OSError):
                linux.unmount(point)


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def _mount_of_parent(path: str) -> tuple[int, int]:
    parent = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _mount_of(parent)
    finally:
        os.close(parent)


def _mount_of(directory: int) -> tuple[int, int]:
    """What tells the mount that a directory is on from others; of one file system several parts may be mounted."""
    device = os.fstat(directory).st_dev
    with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{directory}", encoding="ascii") as file:
        for line in file:
            if line.startswith("mnt_id:"):
                return device, int(line.split()[1])
    return device, 0


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
