"""What ``cfs=`` takes, made into the file systems of a function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_scf.contract.file_systems import check
from pytest_scf.errors import ApiError, UsageError
from pytest_scf.facade.sources import find_source
from pytest_scf.platform.file_systems import FileSystem

Directories = Mapping[str, str | os.PathLike[str]]


def directories(given: object, base_dirs: Sequence[str | os.PathLike[str]]) -> dict[str, Path]:
    """Where directories are that a user names by something. Raises UsageError."""
    if not isinstance(given, Mapping):
        raise UsageError(f"cfs must be a dict whose values are directories; got {given!r}")
    found = {}
    for name, source in given.items():
        if not isinstance(name, str) or not isinstance(source, (str, os.PathLike)):
            raise UsageError(f"cfs must be a dict of texts to directories; got {name!r}: {source!r}")
        path = find_source(source, base_dirs).resolve()
        if not path.is_dir():
            raise UsageError(f"cfs: {path} is no directory")
        found[name] = path
    return found


def mounted(given: object, base_dirs: Sequence[str | os.PathLike[str]], *, can_mount: bool) -> tuple[FileSystem, ...]:
    """File systems by where the function sees them. Raises UsageError."""
    found = tuple(
        FileSystem(local=local, directory=directory) for local, directory in directories(given, base_dirs).items()
    )
    try:
        check(found, can_mount=can_mount)
    except ApiError as error:
        raise UsageError(f"cfs: {error.message}") from None
    return found
