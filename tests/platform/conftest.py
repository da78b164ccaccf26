from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_scf import ScfRuntime


@pytest.fixture(params=["namespaces", "directory"])
def rt(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation."""
    return scf_runtime_of(request.param)
