from __future__ import annotations

import fcntl
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_app import RUN, SERVER

from pytest_scf import ScfRuntime


@pytest.fixture(params=["namespaces", "directory"])
def each_level(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation; at the directory level one port serves all, and so one test at a time."""
    if request.param == "directory":
        request.getfixturevalue("port_9000")
    return scf_runtime_of(request.param)


@pytest.fixture
def port_9000() -> Iterator[None]:
    """The port of this machine, which one test at a time can have."""
    with open(__file__, encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
