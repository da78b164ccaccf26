from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_scf import IsolationUnavailable, ScfRuntime


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
