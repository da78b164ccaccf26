from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_scf import IsolationUnavailable, ScfRuntime
from pytest_scf.instances import host


@pytest.fixture(autouse=True)
def nothing_went_wrong_in_the_background() -> Iterator[None]:
    """What the reactor's callbacks raise is a bug of ours; they have nobody to raise it to."""
    yield
    found = host.current()
    assert found is None or found.reactor.errors == []


@pytest.fixture(params=["forked", "executed", "directory"])
def rt(request: pytest.FixtureRequest) -> Iterator[ScfRuntime]:
    """A runtime of each way in which an instance comes to be."""
    level = "directory" if request.param == "directory" else "namespaces"
    start_method = "spawn" if request.param == "executed" else "fork"
    try:
        runtime = ScfRuntime(isolation=level, start_method=start_method)
    except IsolationUnavailable as error:
        pytest.skip(str(error))
    yield runtime
    runtime.close()
