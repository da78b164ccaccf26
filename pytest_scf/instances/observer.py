"""Whom an instance reports to."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Whom an instance tells what happens in it. Called in the reactor's thread.

    What a method raises ends the instance, as an error of its own is reported by the reactor, and ``on_gone`` says so.
    """

    def on_message(self, kind: int, payload: bytes, /) -> None:
        """A frame of the runtime that ``messages.check`` lets pass, or INIT_STARTED when a container has started."""

    def on_output(self) -> None:
        """Output can be taken with ``drain``."""

    def on_gone(self, error: str, /) -> None:
        """No process of the instance is left. ``error`` says why it never came to be, or what ended it, if that was
        nothing that its processes did or that was asked of them.
        """
