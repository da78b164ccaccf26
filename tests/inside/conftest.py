from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest

from pytest_scf import ScfRuntime


@pytest.fixture(params=["forked", "executed", "directory"])
def each_way(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each way in which an instance comes to be."""
    level = "directory" if request.param == "directory" else "namespaces"
    return scf_runtime_of(level, start_method="spawn" if request.param == "executed" else "fork")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, also where a script has started the run in the background and so ignoring it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
