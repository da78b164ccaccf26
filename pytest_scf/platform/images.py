"""Images by name: what a client of the API asks for, and who knows what the container of one runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pytest_scf import facts
from pytest_scf.platform.functions import Server


@dataclass(frozen=True, kw_only=True)
class AskedImage:
    """``uri`` may end with a digest. ``command`` takes the place of the image's ENTRYPOINT, ``arguments`` of its CMD.

    None: what the image has stays, but for the CMD of one whose ENTRYPOINT is replaced.
    """

    function: str
    uri: str
    command: tuple[str, ...] | None = None
    arguments: tuple[str, ...] | None = None
    port: int = facts.SERVER_PORT


class Images(Protocol):
    """Knows images."""

    def server_of(self, asked: AskedImage) -> Server | None:
        """What runs the image's container; None for an image that nobody knows.

        Called while something may be staged (``StagingArea.writing``). Raises UsageError where it cannot be run.
        """


class NoImages:
    """Knows none."""

    def server_of(self, asked: AskedImage) -> Server | None:
        return None
