"""For what happens while the reactor is at something else."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from pytest_scf.instances.reactor import Reactor

#: seconds
_PATIENCE = 60


@contextlib.contextmanager
def held_up(reactor: Reactor) -> Iterator[None]:
    """Within the block the reactor does nothing."""
    begun, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        go_on.wait(_PATIENCE)

    reactor.call_soon(hold)
    assert begun.wait(_PATIENCE)
    try:
        yield
    finally:
        go_on.set()
