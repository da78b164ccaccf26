from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_scf import IsolationUnavailable, ScfRuntime


@pytest.fixture(params=["namespaces", "directory"])
def rt(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ScfRuntime]:
    """A runtime without the plugin, at each level of isolation."""
    try:
        runtime = ScfRuntime(isolation=request.param, base_dirs=[tmp_path])
    except IsolationUnavailable as error:
        pytest.skip(str(error))
    yield runtime
    runtime.close()
