"""Layers: publishing, listing and deleting their versions, and binding them to functions."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from pytest_scf import facts
from pytest_scf.api_errors import (
    InvalidParameterValueCompatibleRuntimes,
    InvalidParameterValueContent,
)
from pytest_scf.contract import languages
from pytest_scf.contract import layers as rules
from pytest_scf.contract.call import Call
from pytest_scf.contract.code import code_root, size_of
from pytest_scf.contract.models import layers as models
from pytest_scf.contract.models.function_parts import Code, LayerVersionInfo, LayerVersionSimple, Tag
from pytest_scf.platform.layers import BoundLayers, LayerVersion
from pytest_scf.platform.staging import Staging


def publish_layer_version(call: Call, request: models.PublishLayerVersionRequest) -> models.PublishLayerVersionResponse:
    """It is Active at once."""
    rules.check_name(request.LayerName)
    for runtime in request.CompatibleRuntimes:
        if not languages.is_runtime(runtime):
            raise InvalidParameterValueCompatibleRuntimes(
                field="CompatibleRuntimes", value=runtime, expected="names of runtimes, like Python3.10"
            )
    if not request.CompatibleRuntimes:
        raise InvalidParameterValueCompatibleRuntimes(
            field="CompatibleRuntimes", value=(), expected="one runtime at least"
        )
    with call.operations.staging.writing() as staging:
        directory, sha256 = _content(call, staging, request.Content)
        version = call.operations.layers.publish(
            LayerVersion(
                name=request.LayerName,
                directory=directory,
                size=size_of(directory),
                sha256=sha256,
                runtimes=request.CompatibleRuntimes,
                description=request.Description,
                license=request.LicenseInfo,
                tags=tuple((tag.Key, tag.Value) for tag in request.Tags or ()),
            )
        )
    return models.PublishLayerVersionResponse(version.number)


def _content(call: Call, staging: Staging, content: Code) -> tuple[Path, str]:
    """The directory of a layer, which nobody else changes, and the digest of a zip that was sent."""
    if content.ZipFile and _decoded_size(content.ZipFile) > facts.LAYER_ZIP_BYTES:
        raise InvalidParameterValueContent(
            f"The zip in the parameter `Content` is larger than {facts.LAYER_ZIP_BYTES} bytes.", field="Content"
        )
    directory = code_root(staging, content, call.operations.buckets)
    if content.ZipFile:
        return directory, hashlib.sha256(base64.b64decode(content.ZipFile)).hexdigest()
    if content.CosBucketName:
        return directory, ""
    copy = staging.new() / "layer"
    shutil.copytree(directory, copy, symlinks=True, copy_function=staging.copy)
    if (size := size_of(copy)) > facts.CODE_BYTES:
        raise InvalidParameterValueContent(
            f"The layer has {size} bytes; {facts.CODE_BYTES} may be had.", field="Content"
        )
    return copy, ""


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def get_layer_version(call: Call, request: models.GetLayerVersionRequest) -> models.GetLayerVersionResponse:
    version = call.operations.layers.get(request.LayerName, request.LayerVersion)
    return models.GetLayerVersionResponse(
        CompatibleRuntimes=list(version.runtimes),
        CodeSha256=version.sha256,
        Location=version.directory.as_uri(),
        AddTime=call.seconds(version.time),
        Description=version.description,
        LicenseInfo=version.license,
        LayerVersion=version.number,
        LayerName=version.name,
    )


def list_layers(call: Call, request: models.ListLayersRequest) -> models.ListLayersResponse:
    """The newest version of each that has the runtime, in the order in which the layers were made."""
    wanted = {request.CompatibleRuntime} - {None, ""}
    fitting = ([each for each in layer if wanted <= {*each.runtimes}] for layer in call.operations.layers.all())
    found = [layer[0] for layer in fitting if layer and request.SearchKey in layer[0].name]
    page = found[request.Offset : request.Offset + request.Limit]
    return models.ListLayersResponse([_shown(call, each) for each in page], len(found))


def list_layer_versions(call: Call, request: models.ListLayerVersionsRequest) -> models.ListLayerVersionsResponse:
    """Newest first; those that are for one of the runtimes, where any are named."""
    wanted = {*request.CompatibleRuntime}
    found = call.operations.layers.versions(request.LayerName)
    return models.ListLayerVersionsResponse(
        [_shown(call, each) for each in found if not wanted or wanted & {*each.runtimes}]
    )


def delete_layer_version(call: Call, request: models.DeleteLayerVersionRequest) -> None:
    """It cannot be bound any more; functions that have it keep it, as the vendor's client documents."""
    call.operations.delete_layer_version(request.LayerName, request.LayerVersion)


def bound(
    call: Call, layers: Iterable[LayerVersionSimple], runtime: str, code: Path | None, staging: Staging
) -> BoundLayers:
    """What a function with these layers has; a layer without a name is how clients clear them.

    Raises ResourceNotFound.Layer, ResourceNotFound.LayerVersion and InvalidParameterValue.Layers.
    """
    found = [call.operations.layers.find(each.LayerName, each.LayerVersion) for each in layers if each.LayerName]
    return rules.bound(found, runtime, code, staging, call.operations.settings)


def told(call: Call, layers: BoundLayers) -> list[LayerVersionInfo]:
    """As GetFunction shows them."""
    return [_shown(call, each) for each in layers.versions]


def _shown(call: Call, version: LayerVersion) -> LayerVersionInfo:
    return LayerVersionInfo(
        CompatibleRuntimes=list(version.runtimes),
        AddTime=call.seconds(version.time),
        Description=version.description,
        LicenseInfo=version.license,
        LayerVersion=version.number,
        LayerName=version.name,
        Tags=tuple(Tag(Key=key, Value=value) for key, value in version.tags),
    )
