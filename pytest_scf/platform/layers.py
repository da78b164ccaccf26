"""Layers: what has been published, and the one directory that a function sees of several at /opt."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_scf import facts
from pytest_scf.api_errors import (
    LimitExceededLayers,
    LimitExceededLayerVersions,
    ResourceNotFoundLayer,
    ResourceNotFoundLayerVersion,
)

if TYPE_CHECKING:
    from pytest_scf.platform.staging import Staging, StagingArea


@dataclass(frozen=True, kw_only=True)
class LayerVersion:
    """A version of a layer; it never changes."""

    name: str
    #: from 1; 0: a directory of the test, which is not published
    number: int = 0
    directory: Path
    #: bytes, unpacked
    size: int
    runtimes: tuple[str, ...] = ()
    description: str = ""
    license: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    sha256: str = ""
    #: seconds since the epoch
    time: float = 0.0


@dataclass(frozen=True)
class BoundLayers:
    """The layers of a function, in the order in which they are laid over each other."""

    versions: tuple[LayerVersion, ...] = ()
    #: what the function sees at /opt; None: nothing
    root: Path | None = None

    def paths(self) -> list[Path]:
        """The directories of this machine that an instance needs."""
        return [] if self.root is None else [self.root]

    def frozen(self, area: StagingArea, staging: Staging) -> BoundLayers:
        """The same, independent of directories of the test, which may change."""
        if self.root is None or area.holds(self.root):
            return self
        root = staging.new() / "layers"
        shutil.copytree(self.root, root, symlinks=True, copy_function=staging.copy)
        return replace(self, root=root)


def bind(versions: Sequence[LayerVersion], staging: Staging) -> BoundLayers:
    """What a function with these layers sees: of files at the same place the last layer's.

    A single layer is used in place. Several are merged into a new directory, by hard links where they can be had.
    """
    if len(versions) < 2:
        return BoundLayers(tuple(versions), versions[0].directory if versions else None)
    root = staging.new()
    for version in versions:
        _lay_over(version.directory, root, staging)
    return BoundLayers(tuple(versions), root)


def _lay_over(source: Path, target: Path, staging: Staging) -> None:
    staging.check()
    with os.scandir(source) as entries:
        for entry in entries:
            place = target / entry.name
            is_directory = entry.is_dir(follow_symlinks=False)
            was_directory = place.is_dir() and not place.is_symlink()
            if was_directory and not is_directory:
                shutil.rmtree(place)
            elif not was_directory:
                place.unlink(missing_ok=True)
            if is_directory:
                place.mkdir(exist_ok=True)
                _lay_over(Path(entry.path), place, staging)
                continue
            try:
                os.link(entry.path, place, follow_symlinks=False)
            except (OSError, NotImplementedError):  # another file system, another user's file, or not on this system
                shutil.copy2(entry.path, place, follow_symlinks=False)


class Layers:
    """What has been published, by name and number. Thread-safe; nothing but memory is touched under the lock."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._published: dict[str, dict[int, LayerVersion]] = {}
        self._last: dict[str, int] = {}
        self._provided: dict[str, Callable[[], LayerVersion]] = {}
        self._made: dict[str, LayerVersion] = {}

    def publish(self, version: LayerVersion) -> LayerVersion:
        """Give it the next number and the time. Choice: a number of a version that was deleted is not given again.

        Raises LimitExceeded.Layers and LimitExceeded.LayerVersions.
        """
        with self._lock:
            versions = self._published.get(version.name, {})
            if not versions and len(self._published) >= facts.LAYERS:
                raise LimitExceededLayers(f"There are {facts.LAYERS} layers, which is the limit.")
            if len(versions) >= facts.LAYER_VERSIONS:
                raise LimitExceededLayerVersions(
                    f"The layer {version.name} has {len(versions)} versions, which is the limit."
                )
            number = self._last[version.name] = self._last.get(version.name, 0) + 1
            version = replace(version, number=number, time=self._now())
            self._published[version.name] = {**versions, number: version}
        return version

    def provide(self, name: str, make: Callable[[], LayerVersion]) -> None:
        """Let a layer of the test's stand for every version of this name; ``make`` is called when one is wanted."""
        with self._lock:
            self._provided[name] = make
            self._made.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether ``find`` finds it."""
        return name in self._provided or name in self._published

    def find(self, name: str, number: int | None = None) -> LayerVersion:
        """What is to be bound to a function; without a number the newest.

        Raises ResourceNotFound.Layer and ResourceNotFound.LayerVersion.
        """
        make = self._provided.get(name)
        if make is not None:
            made = self._made.get(name) or make()
            with self._lock:
                made = self._made.setdefault(name, made)
            return replace(made, name=name, number=number or 0)
        return self.versions(name)[0] if number is None else self.get(name, number)

    def get(self, name: str, number: int) -> LayerVersion:
        """What has been published. Raises ResourceNotFound.Layer and ResourceNotFound.LayerVersion."""
        found = self._versions(name).get(number)
        if found is None:
            raise ResourceNotFoundLayerVersion(f"The layer {name} has no version {number}.")
        return found

    def versions(self, name: str) -> list[LayerVersion]:
        """Newest first. Raises ResourceNotFound.Layer."""
        return sorted(self._versions(name).values(), key=lambda each: -each.number)

    def all(self) -> list[list[LayerVersion]]:
        """The versions of each layer, newest first; the layers in the order of their first publication."""
        with self._lock:
            return [self.versions(name) for name in self._published]

    def delete(self, name: str, number: int) -> None:
        """Functions that have it keep it. Raises ResourceNotFound.Layer and ResourceNotFound.LayerVersion."""
        with self._lock:
            self.get(name, number)
            left = {each: version for each, version in self._published[name].items() if each != number}
            if left:
                self._published[name] = left
            else:
                del self._published[name]

    def paths(self) -> list[Path]:
        """The directories of all that a function may yet be bound to."""
        with self._lock:
            versions = [version for layer in self._published.values() for version in layer.values()]
            return [version.directory for version in (*versions, *self._made.values())]

    def _versions(self, name: str) -> dict[int, LayerVersion]:
        found = self._published.get(name)
        if found is None:
            raise ResourceNotFoundLayer(f"There is no layer {name}.")
        return found
