"""The code of functions and layers, and their images: as a request gives them, and what is told of them."""

from __future__ import annotations

import base64
import binascii
import io
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueCode,
    InvalidParameterValueCosBucketName,
    InvalidParameterValueCosBucketRegion,
    InvalidParameterValueCosObjectName,
    InvalidParameterValueImageUri,
    InvalidParameterValueProtocolType,
    InvalidParameterValueZipFile,
    InvalidParameterValueZipFileBase64BinasciiError,
    MissingParameter,
    MissingParameterCode,
    ResourceNotFoundImageConfig,
    UnsupportedOperation,
)
from pytest_scf.contract.archives import unpack
from pytest_scf.contract.models.function_parts import Code, ImageConfig, ProtocolParams
from pytest_scf.errors import UsageError
from pytest_scf.instances.server_kind import WEB
from pytest_scf.platform.images import AskedImage

if TYPE_CHECKING:
    from pytest_scf.platform.buckets import Buckets
    from pytest_scf.platform.functions import FunctionConfig, Server
    from pytest_scf.platform.images import Images
    from pytest_scf.platform.staging import Staging

_WAYS = ("ZipFile", "CosBucketName", "LocalPath")


def code_root(staging: Staging, code: Code | None, buckets: Buckets) -> Path:
    """The directory of the code that a request gives: of this machine, or unpacked."""
    given = [] if code is None else [name for name in _WAYS if getattr(code, name)]
    if code is None or not given:
        raise MissingParameterCode(
            "The parameter `Code` needs `ZipFile` (a zip, in base64), `CosBucketName` and `CosObjectName` (a zip in "
            "a bucket that is here), or `LocalPath` (a directory of this machine).",
            field="Code",
        )
    if len(given) > 1:
        raise InvalidParameterValueCode(f"The parameter `Code` has both `{given[0]}` and `{given[1]}`: give one.")
    if code.ZipFile:
        return unpacked(staging, code.ZipFile)
    if code.CosBucketName:
        return _of_bucket(staging, code, code.CosBucketName, buckets)
    path = Path(str(code.LocalPath))
    if not path.is_absolute() or not os.path.isdir(path):  # Path.is_dir raises for a name that is too long
        expected = "the path, from the root, of a directory of this machine"
        raise InvalidParameterValueCode(field="Code.LocalPath", value=code.LocalPath, expected=expected)
    return path.resolve()


def _of_bucket(staging: Staging, code: Code, name: str, buckets: Buckets) -> Path:
    """The zip of an object, whose name may begin with a slash; the bucket's name may have the account at its end."""
    bucket = buckets.find(buckets.full_name(name))
    if bucket is None:
        known = ", ".join(each.name for each in buckets.all()) or "none"
        raise InvalidParameterValueCosBucketName(
            f"There is no bucket {name} here, only {known}: make it with scf_runtime.cos(...), or with serve --bucket.",
            field="CosBucketName",
        )
    region = bucket.domain.split(".")[2]
    if code.CosBucketRegion not in (None, "", region):
        raise InvalidParameterValueCosBucketRegion(
            field="CosBucketRegion", value=code.CosBucketRegion, expected=f"{region}, where all buckets are"
        )
    stored = bucket.objects.get((code.CosObjectName or "").removeprefix("/"))
    if stored is None:
        raise InvalidParameterValueCosObjectName(
            f"There is no object {code.CosObjectName} in the bucket {bucket.name}.", field="CosObjectName"
        )
    try:
        return unpack(io.BytesIO(stored.data), staging.new, staging.check)
    except UsageError as error:
        staging.check()
        raise InvalidParameterValueCode(f"The code in {bucket.name} is not valid: {error}.", field="Code") from error


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


def image_server(images: Images, function: str, asked: ImageConfig, *, is_web: bool) -> Server:
    """What runs the image that a function is created of. Raises the API's errors, where nothing does among them."""
    if asked.ImageType == "enterprise" and not asked.RegistryId:
        raise MissingParameter("The parameter `Code.ImageConfig.RegistryId` is needed where ImageType is enterprise.")
    if asked.ImagePort is not None and asked.ImagePort < 1:
        raise UnsupportedOperation(
            "The parameter `Code.ImageConfig.ImagePort` must be that of a web server, such as 9000: images without one "
            "(-1, a job) are not emulated."
        )
    words = (asked.Command or asked.EntryPoint, asked.Args)
    command, arguments = (tuple(shlex.split(text)) if text else None for text in words)
    port = asked.ImagePort or facts.SERVER_PORT
    try:
        server = images.server_of(
            AskedImage(function=function, uri=asked.ImageUri, command=command, arguments=arguments, port=port)
        )
    except UsageError as error:
        raise InvalidParameterValueImageUri(
            f"The parameter `Code.ImageConfig` is not valid: the image {asked.ImageUri} cannot be run: {error}.",
            field="Code.ImageConfig",
        ) from error
    if server is None:
        raise ResourceNotFoundImageConfig(
            f"The image {asked.ImageUri} is not known here: say what it runs, with "
            f'scf_runtime.images[{asked.ImageUri!r}] = ["python", "app.py"] or the path of its Dockerfile (the setting '
            "images), or have a launcher run images (--scf-launcher=docker).",
        )
    return replace(server, kind=WEB) if is_web else server


def idle_seconds(protocol: str, params: ProtocolParams | None, *, is_web: bool) -> int | None:
    """After how many seconds a WebSocket connection to a function is idle; None where it takes none."""
    if protocol != "WS":
        if params is not None and params.WSParams is not None:
            raise InvalidParameterValueProtocolType(
                "`ProtocolParams.WSParams` is for functions with `ProtocolType` WS."
            )
        return None
    if not is_web:
        raise InvalidParameterValueProtocolType("The `ProtocolType` WS is for web functions (`Type` HTTP).")
    given = None if params is None else params.WSParams
    return facts.WEBSOCKET_IDLE_DEFAULT if given is None else given.IdleTimeOut


def told_image(asked: ImageConfig) -> ImageConfig:
    """What GetFunction says of the image."""
    return asked if asked.ImagePort else replace(asked, ImagePort=facts.SERVER_PORT)


def code_size(config: FunctionConfig) -> int:
    """Bytes of all files of the code, unpacked; 0 for an image."""
    if config.server is not None and config.server.is_container:
        return 0
    return size_of(config.code_root)


def size_of(directory: Path) -> int:
    """Bytes of all files below it."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if path.is_file())


def code_info(config: FunctionConfig) -> str:
    is_container = config.server is not None and config.server.is_container
    file = "" if is_container else config.handler.rpartition(".")[0]
    for path in sorted(config.code_root.glob(f"{file}.*")) if file else ():
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""
