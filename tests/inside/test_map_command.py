"""``python -m pytest_scf map DIR``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from map_workers import FAULTY, MENDED

from pytest_scf.command import main


def command(*arguments: object, text: str = "") -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "pytest_scf", "map", *map(str, arguments)]
    return subprocess.run(program, input=text, capture_output=True, text=True, timeout=120)


@pytest.fixture
def worker(tmp_path: Path) -> Path:
    directory = tmp_path / "worker"
    directory.mkdir()
    (directory / "index.py").write_text(FAULTY)
    (tmp_path / "event.json").write_text(json.dumps({"count": 2}))
    return directory


def test_the_map_of_a_directory(worker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = command(worker, "--event", tmp_path / "event.json", "--html", tmp_path / "map.html")
    assert ran.returncode == 1
    assert "4 failures" in ran.stdout
    assert "4 failures" in (tmp_path / "map.html").read_text()
    (worker / "index.py").write_text(MENDED)
    mended = command(worker, "--event", "-", text='{"count": 2}')
    assert (mended.returncode, mended.stderr) == (0, "")
    asked = ["map", str(worker), "--event", str(tmp_path / "event.json")]
    assert main([*asked, "--strict"]) == 1
    assert main([*asked, "--forced", "--resume", "--occurrences", "ends"]) == 0
    assert "ABORTED 499" in capsys.readouterr().out


def test_what_cannot_be_is_said(worker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in [
        ((tmp_path / "nowhere",), "there is no file or directory"),
        ((worker, "--event", tmp_path / "no.json"), "--event"),
        ((worker, "--event", worker / "index.py"), "--event"),
        ((worker, "--only", "index.py:2"), "the nearest that can is"),
    ]:
        assert main(["map", *map(str, arguments)]) == 2
        assert said in capsys.readouterr().err
