"""``python -m pytest_scf map DIR``."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
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
        ((worker, "--html", tmp_path / "no/map.html"), f"there is no directory {tmp_path / 'no'}"),
        ((worker, "--html", tmp_path), "it is a directory"),
    ]:
        assert main(["map", *map(str, arguments)]) == 2
        assert said in capsys.readouterr().err


def test_it_prints_the_command_that_runs_a_moment_again(
    worker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (worker / "index.py").write_text("def main_handler(event, context):\n    return 1\n")
    asked = ["map", str(worker), "--event", str(tmp_path / "event.json"), "--timeout", "20"]
    assert main(asked) == 1
    text = capsys.readouterr().out
    again = next(line for line in text.splitlines() if line.endswith("index.py:2")).partition("run it again: ")[2]
    words = shlex.split(again)
    assert words[:4] == ["python", "-m", "pytest_scf", "map"]
    assert words[4:8] == [str(worker), *asked[2:4], "--timeout"]
    assert main(words[3:]) == 1
    assert "1 moments: 1 FAILED 439, 1 of them before a signal handler was registered; 1 failures" in (
        capsys.readouterr().out
    )


@pytest.mark.usefixtures("interruptible")
def test_a_terminal_that_cannot_show_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "index.py"
    source.write_text('def main_handler(event, context):\n    return "\xe9"\n', encoding="utf-8")
    shown = io.BytesIO()
    with io.TextIOWrapper(shown, encoding="ascii") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        assert main(["map", str(source), "--forced"]) == 0
        assert b'return "\\xe9"' in shown.getvalue()
    # Nor does it matter that nobody reads what it prints.
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        assert main(["map", str(source), "--forced"]) == 0
    monkeypatch.setattr(sys, "stdin", InterruptedReader())
    assert main(["map", str(source), "--event", "-"]) == 130
    assert capsys.readouterr().err == "python -m pytest_scf map: interrupted\n"


class InterruptedReader:
    def read(self) -> str:
        signal.raise_signal(signal.SIGINT)
        return "{}"
