"""What type checkers make of a user's tests."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import pytest_scf

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = Path(__file__).with_name("typed_sample.py")
MISSPELT = """
from pytest_scf import Event, Evnet

def f(event: Event) -> str:
    return event.statuss
"""


@pytest.fixture
def mypy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytest.importorskip("mypy")
    # So that it is this checkout, wherever the package is installed from.
    monkeypatch.setenv("MYPYPATH", str(ROOT))

    def mypy(*files: Path) -> subprocess.CompletedProcess[str]:
        options = ["--strict", "--follow-imports=silent", "--config-file="]
        command = [sys.executable, "-m", "mypy", *options, *map(str, files)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)

    return mypy


def test_an_editable_install_is_a_path() -> None:
    """Otherwise setuptools makes it a finder, which no type checker follows: it would not know ``pytest_scf``."""
    tables = (ROOT / "pyproject.toml").read_text().split("\n[")
    (setuptools,) = [table for table in tables if table.startswith("tool.setuptools]")]
    assert 'package-dir = { "" = "." }' in setuptools


@pytest.fixture
def pyright(tmp_path: Path) -> Any:
    pytest.importorskip("pyright")
    if shutil.which("node") is None:
        pytest.skip("pyright needs Node.js, which is not there")
    options = {"typeCheckingMode": "strict", "pythonVersion": "3.10", "extraPaths": [str(ROOT)]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(options))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    try:
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("pyright cannot be fetched within 120 s")
    if version.returncode:
        pytest.skip(f"pyright does not start: {version.stderr.strip()[-200:]}")

    def pyright() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return pyright


def errors(result: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in result.stdout.splitlines() if re.search(r"\berror: ", line)]


def test_mypy_knows_the_types_of_all_that_the_fixtures_give_and_a_misspelt_name(mypy: Any, tmp_path: Path) -> None:
    (tmp_path / "misspelt.py").write_text(MISSPELT)
    result = mypy(SAMPLE, tmp_path / "misspelt.py")
    assert [line for line in errors(result) if "misspelt.py:" not in line] == []
    assert 'has no attribute "Evnet"' in result.stdout
    assert '"Event" has no attribute "statuss"' in result.stdout


# One test: what it runs it fetches at first, to a place that all workers share.
def test_pyright_knows_them_too(pyright: Any, tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path)
    (tmp_path / "misspelt.py").write_text(MISSPELT)
    result = pyright()
    assert [line for line in errors(result) if "misspelt.py:" not in line] == []
    assert '"Evnet" is unknown import symbol' in result.stdout
    assert 'Cannot access attribute "statuss"' in result.stdout


def test_the_names_are_all_there_and_no_others() -> None:
    for name in pytest_scf.__all__:
        assert getattr(pytest_scf, name).__name__ == name
    assert pytest_scf.__all__ == sorted(pytest_scf.__all__)
    assert set(pytest_scf.__all__) == set(vars(pytest_scf)["_HOMES"]) <= set(dir(pytest_scf))
    with pytest.raises(AttributeError, match="has no attribute 'Evnet'"):
        getattr(pytest_scf, "Evnet")  # noqa: B009
