"""The cloud's rules for file systems of CFS, for the API's actions and for ``deploy`` alike.

Where a function may have them: https://cloud.tencent.com/document/product/583/122885.
"""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueCfsId,
    InvalidParameterValueCfsLocalMountDir,
    InvalidParameterValueCfsParameterDuplicate,
    InvalidParameterValueCfsParameterError,
    InvalidParameterValueCfsRemoteMountDir,
    UnsupportedOperation,
)
from pytest_scf.contract.models.function_parts import CfsConfig, CfsInsInfo
from pytest_scf.platform.file_systems import FileSystem


def asked(config: CfsConfig, known: Mapping[str, str | os.PathLike[str]]) -> tuple[FileSystem, ...]:
    """Those that a request asks for, among the directories that are known by ids.

    Raises InvalidParameterValue.CfsId and .CfsRemoteMountDir.
    """
    return tuple(_asked(each, known) for each in config.CfsInsList)


def _asked(info: CfsInsInfo, known: Mapping[str, str | os.PathLike[str]]) -> FileSystem:
    if info.CfsId not in known:
        raise InvalidParameterValueCfsId(
            f"There is no file system {info.CfsId or 'without a name'} here, only {', '.join(known) or 'none'}: give a "
            f"directory for it with the setting cfs={{{info.CfsId!r}: DIRECTORY}}.",
            field="CfsId",
        )
    remote = posixpath.normpath(info.RemoteMountDir or "/")
    directory = Path(known[info.CfsId]) / remote.lstrip("/")
    if not remote.startswith("/") or "\0" in remote or not os.path.isdir(directory):
        expected = f"a path from the root of the file system, and a directory of {os.fspath(known[info.CfsId])}"
        raise InvalidParameterValueCfsRemoteMountDir(
            field="RemoteMountDir", value=info.RemoteMountDir, expected=expected
        )
    return FileSystem(
        local=info.LocalMountDir,
        directory=directory,
        id=info.CfsId,
        remote=info.RemoteMountDir or "/",
        mount_point=info.MountInsId,
        user=info.UserId,
        group=info.UserGroupId,
    )


def told(systems: Sequence[FileSystem]) -> CfsConfig:
    """As GetFunction shows them."""
    return CfsConfig(
        CfsInsList=tuple(
            CfsInsInfo(
                CfsId=each.id,
                MountInsId=each.mount_point,
                LocalMountDir=each.local,
                RemoteMountDir=each.remote,
                UserId=each.user,
                UserGroupId=each.group,
            )
            for each in systems
        )
    )


def check(systems: Sequence[FileSystem], *, can_mount: bool) -> None:
    """Raises InvalidParameterValue.CfsParameterError, .CfsLocalMountDir and .CfsParameterDuplicate.

    UnsupportedOperation where nothing can be mounted.
    """
    if systems and not can_mount:
        raise UnsupportedOperation(
            f"A file system at {systems[0].local} needs the namespaces level of isolation, and this is directory: lead "
            "the function to the directory by a variable of its environment."
        )
    if len(systems) > facts.FILE_SYSTEMS_OF_A_FUNCTION:
        raise InvalidParameterValueCfsParameterError(
            f"A function may have {facts.FILE_SYSTEMS_OF_A_FUNCTION} file systems, and these are {len(systems)}."
        )
    places = sorted(_place(system.local) for system in systems)
    for first, second in itertools.pairwise(places):
        if second.startswith(first):
            raise InvalidParameterValueCfsParameterDuplicate(
                f"The file system at {second.rstrip('/')} is at, or inside of, another at {first.rstrip('/')}.",
                field="LocalMountDir",
            )


def _place(local: str) -> str:
    """With a slash at its end, so that what is inside of it begins with it."""
    place = posixpath.normpath(local)
    if not place.startswith("/") or "\0" in place or place.startswith("//"):
        raise InvalidParameterValueCfsLocalMountDir(field="LocalMountDir", value=local, expected="a path from the root")
    if place in facts.NO_FILE_SYSTEMS_AT or f"{place}/".startswith(
        tuple(f"{root}/" for root in facts.NO_FILE_SYSTEMS_BELOW)
    ):
        raise InvalidParameterValueCfsLocalMountDir(
            field="LocalMountDir",
            value=local,
            expected=f"a path like /mnt/data, not {', '.join(facts.NO_FILE_SYSTEMS_AT)} itself, and not in "
            f"{', '.join(facts.NO_FILE_SYSTEMS_BELOW)}",
        )
    return f"{place}/"
