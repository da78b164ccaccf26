from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from http_app import RUN, SERVER

from pytest_scf import ScfRuntime


@pytest.fixture(autouse=True)
def long_time_limits(long_time_limits: None) -> None:
    """For all tests here: a server has an interpreter of its own to run."""


@pytest.fixture(params=["namespaces", "directory"])
def each_level(request: pytest.FixtureRequest) -> ScfRuntime:
    """A runtime of each level of isolation; at the directory level one port serves all, and so one test at a time."""
    if request.param == "directory":
        request.getfixturevalue("port_9000")
    # Asked for after the port, so closed before the next test has it.
    make: Callable[..., ScfRuntime] = request.getfixturevalue("scf_runtime_of")
    return make(request.param)


@pytest.fixture
def isolated(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime whose instances have networks of their own."""
    return scf_runtime_of("namespaces")


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., Path]:
    """Write ``app.py``, a server that does ``code`` in place of what it does by default; give its directory."""

    def write(code: str = "", run: str = RUN) -> Path:
        (tmp_path / "app.py").write_text(SERVER + textwrap.dedent(code) + textwrap.dedent(run))
        return tmp_path

    return write
