"""Unpacking a zip of code: everything is checked before anything is written."""

from __future__ import annotations

import reprlib
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pytest_scf import facts
from pytest_scf.errors import UsageError

_ENCRYPTED = 0x1
_brief = reprlib.Repr()
_brief.maxstring = 80


def unpack(archive: Path | BinaryIO, staging: Callable[[], Path], check: Callable[[], None] = lambda: None) -> Path:
    """Unpack a zip into a fresh directory, which ``staging`` gives.

    ``check`` is called again and again meanwhile; what it raises ends the unpacking. Raises UsageError for a zip that
    cannot be read, that would reach outside of its directory, or that is more than code may take.
    """
    what = str(archive) if isinstance(archive, Path) else "the zip"
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            _refuse(what, entries)
            root = staging()
            for entry in entries:
                _write(opened, entry, root, check)
            return root
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError) as error:
        raise UsageError(f"{what} is not a zip that can be read ({error}): make it again") from error
    except NotImplementedError as error:
        raise UsageError(f"{what} cannot be unpacked ({error}): make it with deflate compression") from error
    except OSError as error:
        raise UsageError(f"{what} cannot be unpacked: {error}") from error


def _refuse(what: str, entries: list[zipfile.ZipInfo]) -> None:
    total = 0
    for entry in entries:
        # zipfile has cut the name at a NUL and changed the system's separator; judge what was written.
        problem = _name_problem(entry.orig_filename) or _kind_problem(entry)
        if problem:
            raise UsageError(
                f"{what} holds the entry {_brief.repr(entry.orig_filename)}, which {problem}: "
                "a zip of code may hold files and directories below its own root only"
            )
        total += entry.file_size
    if total > facts.CODE_BYTES:
        raise UsageError(f"{what} would unpack to {total} bytes; code may take {facts.CODE_BYTES} bytes")


def _name_problem(name: str) -> str | None:
    if not name.strip("/") or "\0" in name:
        return "has no usable name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/") or name[1:2] == ":":
        return "has an absolute name"
    parts = PurePosixPath(name).parts
    if ".." in parts:
        return "leads out of the code root by '..'"
    if len(parts) > facts.CODE_LEVELS:
        return f"is {len(parts)} levels deep, and {facts.CODE_LEVELS} is the limit"
    return None


def _kind_problem(entry: zipfile.ZipInfo) -> str | None:
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is neither a file nor a directory"
    return None


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, root: Path, check: Callable[[], None]) -> None:
    check()
    target = root.joinpath(*PurePosixPath(entry.orig_filename).parts)
    if entry.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(entry) as packed, target.open("wb") as unpacked:
        while block := packed.read(1 << 20):
            check()
            unpacked.write(block)
    # Readable by whoever the instance runs as; executable where the zip says so (bootstrap scripts).
    target.chmod(0o644 | (entry.external_attr >> 16 & 0o111))
