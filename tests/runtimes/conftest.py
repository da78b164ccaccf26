from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime


@pytest.fixture
def isolated(scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime whose instances are in namespaces."""
    return scf_runtime_of("namespaces")


@pytest.fixture(params=["fork", "spawn"])
def each_start(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime whose instances are forked, and one whose instances are executed."""
    return scf_runtime_of("namespaces", start_method=request.param)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Gives a directory in which pip has installed these requirements, without what they need themselves.

    Once in a run, whatever its number of workers; the test is skipped where pip does not reach them.
    """
    shared = tmp_path_factory.getbasetemp()
    if shared.name.startswith("popen-gw"):
        shared = shared.parent

    def install(*requirements: str) -> Path:
        directory = shared / ("installed-" + "-".join(requirements).replace("=", ""))
        with open(f"{directory}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            failure = Path(f"{directory}.failure")
            if not directory.exists() and not failure.exists():
                command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(directory)]
                command += ["--disable-pip-version-check", "--no-cache-dir", "--retries", "0", "--timeout", "10"]
                done = subprocess.run([*command, *requirements], capture_output=True, text=True, timeout=300)
                if done.returncode:
                    failure.write_text(done.stderr.strip().splitlines()[-1])
            if failure.exists():
                pytest.skip(f"pip cannot install {', '.join(requirements)}: {failure.read_text()}")
        return directory

    return install
