from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from serving import DEADLINE, Serve, Served


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


@pytest.fixture
def serve() -> Iterator[Serve]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: object, environment: Mapping[str, str] = {}) -> Served:
        command = [sys.executable, "-m", "pytest_scf", "serve", *map(str, arguments)]
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        started.append(process)
        return Served(process)

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=DEADLINE)
