"""What the peer runs: importable, since its fork server does not import a ``__main__``."""

from __future__ import annotations

from multiprocessing.connection import Connection


def answer(connection: Connection[int, object]) -> None:
    connection.send(1)
