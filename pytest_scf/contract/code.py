"""The code of functions and layers: as a request gives it, and what is told of it."""

from __future__ import annotations

import base64
import binascii
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf.api_errors import (
    InvalidParameterValueCode,
    InvalidParameterValueZipFile,
    InvalidParameterValueZipFileBase64BinasciiError,
    MissingParameterCode,
)
from pytest_scf.contract.archives import unpack
from pytest_scf.contract.models.function_parts import Code
from pytest_scf.errors import UsageError

if TYPE_CHECKING:
    from pytest_scf.platform.functions import FunctionConfig
    from pytest_scf.platform.staging import Staging


def code_root(staging: Staging, code: Code | None) -> Path:
    if code is None or (code.ZipFile is None and code.LocalPath is None):
        raise MissingParameterCode(
            "The parameter `Code` needs `ZipFile` (a zip, in base64), or `LocalPath` (a directory of this machine).",
            field="Code",
        )
    if code.ZipFile is not None and code.LocalPath is not None:
        raise InvalidParameterValueCode("The parameter `Code` has both `ZipFile` and `LocalPath`: give one.")
    if code.ZipFile is not None:
        return unpacked(staging, code.ZipFile)
    path = Path(str(code.LocalPath))
    if not path.is_absolute() or not os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        expected = "the path, from the root, of a directory of this machine"
        raise InvalidParameterValueCode(field="Code.LocalPath", value=code.LocalPath, expected=expected)
    return path.resolve()


def unpacked(staging: Staging, zip_file: str) -> Path:
    try:
        content = base64.b64decode(zip_file, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParameterValueZipFileBase64BinasciiError(
            field="ZipFile", value=zip_file, expected=f"a zip in base64 ({error})"
        ) from error
    try:
        return unpack(io.BytesIO(content), staging.new, staging.check)
    except UsageError as error:
        staging.check()
        raise InvalidParameterValueZipFile(
            f"The parameter `ZipFile` is not valid: {error}.", field="ZipFile"
        ) from error


def code_size(root: Path) -> int:
    """Bytes of all files of the code, unpacked."""
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())


def code_info(config: FunctionConfig) -> str:
    file = config.handler.rpartition(".")[0]
    for path in sorted(config.code_root.glob(f"{file}.*")) if file else ():
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
