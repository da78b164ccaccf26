from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.instances.host import current


@pytest.fixture(autouse=True)
def nothing_went_wrong_in_the_background() -> Iterator[None]:
    """What the reactor's callbacks raise is a bug of ours; they have nobody to raise it to."""
    yield
    host = current()
    assert host is None or host.reactor.errors == []


@pytest.fixture(params=["namespaces", "directory"])
def rt(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation."""
    return scf_runtime_of(request.param)
