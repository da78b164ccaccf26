"""What all kinds of functions are configured with, and their names."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_scf import facts
from pytest_scf.contract import limits


def checked(
    *,
    name: str | None,
    timeout: int | None,
    init_timeout: int,
    memory: int,
    environment: Mapping[str, str] | None,
    namespace: str,
    async_run: bool,
    trace: bool,
    max_instances: int | None,
) -> dict[str, Any]:
    """What all kinds of functions are configured with. Raises UsageError."""
    settings = {
        "async_run": async_run,
        "trace": trace,
        "namespace": namespace,
        "timeout": limits.default_timeout(asynchronous=bool(async_run)) if timeout is None else timeout,
        "init_timeout": init_timeout,
        "memory": memory,
        "environment": {} if environment is None else environment,
        "max_instances": max_instances,
    }
    limits.check({**settings, **({} if name is None else {"name": name})}, asynchronous=bool(async_run))
    return {**settings, "environment": dict(environment or {})}


def names(wanted: str) -> Iterator[str]:
    """Names that the cloud allows, made of one that it may not: itself, then with -2, -3, ..."""
    longest = facts.NAME_LENGTH[1]
    name = re.sub(r"[^a-zA-Z0-9_-]+", "-", wanted)
    name = re.sub(r"^[^a-zA-Z]+", "", name)[: longest - 6]
    name = re.sub(r"[^a-zA-Z0-9]+$", "", name)
    if len(name) < facts.NAME_LENGTH[0]:
        name = f"function-{name}" if name else "function"
    yield name
    for number in itertools.count(2):
        yield f"{name}-{number}"


def image_name(image: object, dockerfile: object) -> str:
    """What an image function is called that nobody has named: as the directory of its Dockerfile, or its image."""
    if isinstance(dockerfile, (str, os.PathLike)):
        return Path(dockerfile).resolve().parent.name
    return str(image).rpartition("/")[2].partition(":")[0].partition("@")[0]
