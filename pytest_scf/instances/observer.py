"""The interface through which an instance reports."""

from __future__ import annotations

from typing import Protocol


class Observer(Protocol):
    """Receives what happens in an instance. Called in the reactor's thread.

    An exception in a method ends the instance: the reactor reports it as an error of ours, and ``on_gone`` gets it.
    """

    def on_message(self, kind: int, payload: bytes, /) -> None:
        """A frame of the runtime that ``messages.check`` lets pass, or INIT_STARTED when a container has started."""

    def on_output(self) -> None:
        """Output can be taken with ``drain``."""

    def on_gone(self, error: str, /) -> None:
        """No process of the instance is left.

        ``error`` says why it could not be started, or what ended it besides its own processes and a request to kill it;
        "" otherwise.
        """
