from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_scf import ScfRuntime


@pytest.fixture(params=["forked", "executed", "directory"])
def each_way(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each way in which an instance comes to be."""
    level = "directory" if request.param == "directory" else "namespaces"
    return scf_runtime_of(level, start_method="spawn" if request.param == "executed" else "fork")
