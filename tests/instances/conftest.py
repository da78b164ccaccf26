from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kinds import KINDS, Kind

from pytest_scf import IsolationUnavailable, ScfRuntime

#: seconds that a process of its own may take on a machine under heavy load
DEADLINE = 240


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each way to make instances; ```@only(level="namespaces")`` picks those of one level."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def open_runtime(kind: Kind) -> Iterator[Callable[..., ScfRuntime]]:
    """Open a runtime of this kind, with more settings."""
    opened = []

    def open_runtime(**settings: Any) -> ScfRuntime:
        try:
            runtime = ScfRuntime(**kind.settings, **settings)
        except IsolationUnavailable as error:
            pytest.skip(str(error))
        opened.append(runtime)
        return runtime

    yield open_runtime
    for runtime in opened:
        runtime.close()


@pytest.fixture
def need() -> Callable[[str], None]:
    """Skip the test where the level that it names is refused."""

    def need(level: str) -> None:
        try:
            ScfRuntime(isolation=level).close()
        except IsolationUnavailable as error:
            pytest.skip(str(error))

    return need


@pytest.fixture
def each_kind(open_runtime: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each kind of instance."""
    return open_runtime()


@pytest.fixture
def call(each_kind: ScfRuntime) -> Callable[..., Any]:
    """Deploy a handler, call it, and give what it returns."""

    def call(handler: object, event: object = None) -> Any:
        result = each_kind.deploy(handler, timeout=DEADLINE).invoke(event)
        assert result.status_code == 200, result.log
        return result.return_value

    return call


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., Any]:
    """Run a program in a process of its own, which prints JSON."""

    def script(program: str, *arguments: str, command: tuple[str, ...] = (sys.executable,), **environ: str) -> Any:
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(program))
        done = subprocess.run(
            [*command, str(path), *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={**os.environ, **environ},
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return script
