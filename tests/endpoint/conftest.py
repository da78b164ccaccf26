from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest


@pytest.fixture
def opened() -> Iterator[Callable[[Any], Any]]:
    """Takes a client of the SDK, and closes its connections at the end: it would when it is collected, some time."""
    clients: list[Any] = []

    def take(client: Any) -> Any:
        clients.append(client)
        return client

    yield take
    for client in clients:
        session = client.request.conn._session
        for adapter in session.adapters.values():
            pools = adapter.poolmanager.pools
            for key in pools.keys():  # noqa: SIM118 - it cannot be iterated over
                pools[key].close()
        session.close()
