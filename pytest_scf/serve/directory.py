"""Which directories are functions, and what each is deployed with."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_scf import facts
from pytest_scf.errors import UsageError
from pytest_scf.facade.handles import Function
from pytest_scf.facade.runtime import ScfRuntime
from pytest_scf.serve.addresses import Address, Refresh
from pytest_scf.serve.watching import Code

BOOTSTRAP = "bootstrap"
DOCKERFILE = "Dockerfile"
JAVASCRIPT = frozenset([".js", ".cjs", ".mjs"])
#: what --set takes: the keywords of ``ScfRuntime.deploy``, and of ``deploy_image`` where those are fewer
TEXTS = ("handler", "runtime", "python", "namespace")
NUMBERS = ("timeout", "init_timeout", "memory", "max_instances", "retry_num", "msg_ttl")
BOOLEANS = ("async_run", "trace")
_NOT_OF_IMAGES = ("handler", "runtime", "python", "retry_num", "msg_ttl")


@dataclass(frozen=True)
class Source:
    """A function's directory and what it is deployed with."""

    path: Path
    name: str
    #: "handler", "bootstrap" (a custom runtime) or "image" (a Dockerfile)
    kind: str
    keywords: Mapping[str, Any] = field(default_factory=dict)

    def deploy(self, runtime: ScfRuntime) -> Function:
        """Raises UsageError, which names the directory."""
        try:
            if self.kind == "image":
                return runtime.deploy_image(dockerfile=self.path / DOCKERFILE, name=self.name, **self.keywords)
            return runtime.deploy(self.path, name=self.name, **self.keywords)
        except UsageError as error:
            raise UsageError(f"{self.path} cannot be served: {error}") from error


def settings_of(arguments: Sequence[Sequence[str]]) -> dict[str, dict[str, Any]]:
    """``[["worker", "timeout=60", "environment.KEY=value"]]`` as keywords of ``deploy`` by name. Raises UsageError."""
    found: dict[str, dict[str, Any]] = {}
    for name, *pairs in arguments:
        keywords = found.setdefault(name, {})
        if not pairs:
            raise UsageError(f"--set {name}: what is to be set? Give KEY=VALUE")
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                raise UsageError(f"--set {name}: {pair!r} is not KEY=VALUE")
            if key.startswith("environment."):
                keywords.setdefault("environment", {})[key.partition(".")[2]] = value
            else:
                keywords[key] = _value(name, key, value)
    return found


def _value(name: str, key: str, value: str) -> Any:
    if key in TEXTS:
        return value
    if key in NUMBERS:
        if not (value.isascii() and value.isdigit()):
            raise UsageError(f"--set {name}: {key} must be a whole number, not {value!r}")
        return int(value)
    if key in BOOLEANS:
        if value not in ("true", "false"):
            raise UsageError(f"--set {name}: {key} must be true or false, not {value!r}")
        return value == "true"
    known = ", ".join([*TEXTS, *NUMBERS, *BOOLEANS, "environment.NAME"])
    raise UsageError(f"--set {name}: {key!r} is not a setting; the settings are {known}")


def find(directory: Path, common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> list[Source]:
    """The functions of a directory: itself, or its subdirectories.

    ``common`` are the keywords of all functions, ``own`` those of single ones by their names. Raises UsageError where
    there is no function.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory")
    alone = _source(directory, directory.resolve().name, common, own)
    if alone is not None:
        found = [alone]
    else:
        below = [path for path in sorted(directory.iterdir()) if path.is_dir() and not path.name.startswith(".")]
        found = [source for path in below if (source := _source(path, path.name, common, own)) is not None]
    handler = common.get("handler", facts.DEFAULT_HANDLER)
    if not found:
        raise UsageError(
            f"there is no function in {directory}: neither it nor one of its subdirectories holds "
            f"{handler.rpartition('.')[0]}.py, the file of the handler {handler}, or an executable {BOOTSTRAP}, or a "
            f"{DOCKERFILE}. Name another handler with --handler, or leave the directory out to begin without functions"
        )
    unknown = sorted(set(own) - {source.name for source in found})
    if unknown:
        names = ", ".join(source.name for source in found)
        raise UsageError(f"{unknown[0]}: there is no such function, only {names}")
    return found


def _source(path: Path, name: str, common: Mapping[str, Any], own: Mapping[str, Mapping[str, Any]]) -> Source | None:
    keywords = {**common, **own.get(name, {})}
    suffixes = _suffixes(path, keywords.get("handler", facts.DEFAULT_HANDLER))
    if suffixes:
        if "runtime" not in keywords and ".py" not in suffixes and suffixes & JAVASCRIPT:
            keywords["runtime"] = "Nodejs18.15"
        return Source(path, name, "handler", keywords)
    if os.access(path / BOOTSTRAP, os.X_OK):
        return Source(path, name, "bootstrap", {**keywords, "runtime": "CustomRuntime"})
    if (path / DOCKERFILE).is_file():
        kept = {key: value for key, value in keywords.items() if key not in _NOT_OF_IMAGES}
        return Source(path, name, "image", kept)
    return None


def _suffixes(path: Path, handler: str) -> set[str]:
    """Of the handler's file, in whatever language."""
    return {file.suffix for file in path.glob(f"{handler.rpartition('.')[0]}.*") if file.is_file()}


class Served:
    """The functions that are served from directories.

    Their code is watched but for images': what a Dockerfile copies was copied when it was deployed.
    """

    def __init__(self, runtime: ScfRuntime, sources: Sequence[Source]) -> None:
        self._runtime = runtime
        self._functions = [(source, source.deploy(runtime)) for source in sources]

    def lines(self) -> Iterator[str]:
        """What is said of each."""
        for source, function in self._functions:
            handler = {"bootstrap": source.kind, "image": "Dockerfile"}.get(source.kind, function.config.handler)
            yield introduced(function, source.path, handler)

    def codes(self) -> Iterator[Code]:
        for source, function in self._functions:
            if source.kind != "image":
                # Another configuration, equal to the one before: what runs goes on, and no idle instance serves it.
                again = functools.partial(self._runtime._platform.update_function, function._record, replace)
                yield Code(function, source.path, again)

    def with_timers(self) -> list[Function]:
        return []

    def buckets(self) -> set[str]:
        return set()

    def addresses(self, refresh: Refresh) -> list[Address]:
        return []


def introduced(function: Function, place: object, handler: str) -> str:
    """The line that introduces a function."""
    kind = ", asynchronous execution" if function.config.async_run else ""
    return f"function {function.name}: {place}, {handler}{kind}"
