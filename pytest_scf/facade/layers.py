"""What ``layers=`` takes, made into the layers of a function."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.contract import layers as rules
from pytest_scf.contract.archives import unpack
from pytest_scf.contract.code import size_of
from pytest_scf.errors import ApiError, UsageError
from pytest_scf.facade.sources import find_source
from pytest_scf.platform.layers import BoundLayers, LayerVersion

if TYPE_CHECKING:
    from pytest_scf.platform.platform import Platform
    from pytest_scf.platform.staging import Staging

BaseDirs = Sequence[str | os.PathLike[str]]
#: a directory, a .zip file, or the name of a published layer; with its version, if it is not to be the newest
Layer = str | os.PathLike[str] | tuple[str, int]


def bound(
    platform: Platform, layers: Sequence[Layer], base_dirs: BaseDirs, runtime: str, code_root: Path | None
) -> BoundLayers:
    """The layers of a function with this code; None: code that does not count. Raises UsageError."""
    if isinstance(layers, (str, bytes, os.PathLike)) or not isinstance(layers, Sequence):
        raise UsageError(f"layers must be a list of directories, .zip files and names; got {layers!r}")
    if not layers:
        return BoundLayers()
    with platform.staging.writing() as staging:
        try:
            versions = [_version(platform, layer, base_dirs, staging) for layer in layers]
            return rules.bound(versions, runtime, code_root, staging, platform.settings)
        except ApiError as error:
            raise UsageError(f"layers: {error.message}") from None


def provide(platform: Platform, layers: object, base_dirs: BaseDirs) -> None:
    """Let directories and .zip files of the test's stand for every version of these layers. Raises UsageError."""
    if not isinstance(layers, Mapping):
        raise UsageError(f"layers must be a dict of names to directories or .zip files; got {layers!r}")
    for name, source in layers.items():
        if not isinstance(name, str) or not rules.is_name(name):
            raise UsageError(f"layers: {name!r} is no name of a layer")
        path = find_source(source, base_dirs)

        def make(path: Path = path) -> LayerVersion:
            with platform.staging.writing() as staging:
                return _of_path(path, staging)

        platform.layers.provide(name, make)


def _version(platform: Platform, layer: Layer, base_dirs: BaseDirs, staging: Staging) -> LayerVersion:
    if isinstance(layer, tuple):
        if len(layer) != 2 or not isinstance(layer[0], str) or not isinstance(layer[1], int):
            raise UsageError(f"layers: a layer of a version is a pair of its name and a number; got {layer!r}")
        return platform.layers.find(*layer)
    if not isinstance(layer, (str, os.PathLike)):
        raise UsageError(f"layers: a layer is a directory, a .zip file, or the name of one; got {layer!r}")
    if isinstance(layer, str) and platform.layers.has(layer):
        return platform.layers.find(layer)
    try:
        path = find_source(layer, base_dirs)
    except UsageError as error:
        named = f"there is no layer {layer!r}, and " if isinstance(layer, str) and rules.is_name(layer) else ""
        raise UsageError(f"layers: {named}{error}") from None
    return _of_path(path, staging)


def _of_path(path: Path, staging: Staging) -> LayerVersion:
    """A directory in place, or what a .zip file holds."""
    path = path.resolve()
    if path.is_dir():
        directory = path
    elif path.suffix.lower() != ".zip":
        raise UsageError(f"layers: {path} is neither a directory nor a .zip file")
    elif (size := path.stat().st_size) > facts.LAYER_ZIP_BYTES:
        raise UsageError(f"layers: {path} has {size} bytes, and {facts.LAYER_ZIP_BYTES} are the limit")
    else:
        directory = unpack(path, staging.new, staging.check)
    return LayerVersion(name=path.stem if path.is_file() else path.name, directory=directory, size=size_of(directory))
