"""The ways to make instances; the same tests hold for all of them, on one machine."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest


@dataclasses.dataclass(frozen=True)
class Kind:
    level: str
    pidfd: bool
    start_method: str

    @property
    def settings(self) -> dict[str, Any]:
        return {"isolation": self.level, "pidfd": self.pidfd, "start_method": self.start_method}

    def __str__(self) -> str:
        return f"{self.level}-{'pidfd' if self.pidfd else 'no_pidfd'}-{self.start_method}"


LEVELS = ("namespaces", "directory")
KINDS = [
    Kind(level, pidfd, start_method)
    for level in LEVELS
    for pidfd in (True, False)
    for start_method in ("fork", "spawn")
]


def only(**wanted: object) -> pytest.MarkDecorator:
    """Those kinds alone that are as wanted: ``@only(level="namespaces")``."""
    chosen = [kind for kind in KINDS if all(getattr(kind, name) == value for name, value in wanted.items())]
    return pytest.mark.parametrize("kind", chosen, ids=str, indirect=True)
