from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_scf.facade import registrations


@pytest.fixture
def found(tmp_path: Path) -> Any:
    def found(text, name="index.py", **options):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        return [str(one) for one in registrations.find(tmp_path, **options)]

    return found


CLASS = """\
import signal

class Killer:
    def __init__(self):
        # registers
        signal.signal(signal.SIGTERM, self.stop)

    def stop(self, *args):
        pass
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLASS, "`stop` is registered at index.py:6"),
        ("import signal\nsignal.signal(signal.SIGTERM, stop)\nx = '\\d'\n", "`stop` is registered at index.py:2"),
        ("import signal as s\ns.signal(s.SIGTERM, stop)\n", "`stop` is registered at index.py:2"),
        ("from signal import signal, SIGTERM\nsignal(SIGTERM, stop)\n", "`stop` is registered at index.py:2"),
        ("from signal import signal as on, SIGTERM as T\non(T, stop)\n", "`stop` is registered at index.py:2"),
        ("from signal import *\nsignal(SIGTERM, stop)\n", "`stop` is registered at index.py:2"),
        ("import signal\nsignal.signal(15, stop)\n", "`stop` is registered at index.py:2"),
        ("import signal\nsignal.signal(signal.Signals.SIGTERM, stop)\n", "`stop` is registered at index.py:2"),
        ("import signal\nsignal.signal(\n  signal.SIGTERM,\n  lambda *a: 1)\n", "a lambda is registered at index.py:2"),
        (
            "import signal\nfor s in (signal.SIGINT, signal.SIGTERM):\n    signal.signal(s, stop)\n",
            "`stop` is registered at index.py:3",
        ),
        ("import signal\nTERM = signal.SIGTERM\nsignal.signal(TERM, a.b.c)\n", "`c` is registered at index.py:3"),
        ("import signal\nsignal.signal(signal.SIGTERM, partial(stop, 1))\n", "`stop` is registered at index.py:2"),
        ("import signal\nsignal.signal(signal.SIGTERM, make())\n", "a signal handler is registered at index.py:2"),
        (
            "import asyncio, signal\nasyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)\n",
            "`cancel` is registered at index.py:2",
        ),
    ],
)
def test_found(found: Any, text: Any, said: str) -> None:
    assert found(text) == [said]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "import signal\nsignal.signal(signal.SIGINT, stop)\n",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
        "from signal import *\nsignal(SIGTERM, SIG_DFL)\n",
        "import signal\nsignal.signal(signal.SIGTERM, None)\n",
        "import signal\nsignal.signal(True, stop)\n",
        "import signal\n# signal.signal(signal.SIGTERM, stop)\ntext = 'signal.signal(signal.SIGTERM, stop)'\n",
        "import blinker\nblinker.signal(15, stop)\n",
        "signal(15, stop)\n",
        "import signal\nsignal.signal(\n",
        "import signal\nsignal.signal(*both)\n",
        "# coding: no-such-thing\nimport signal\nsignal.signal(signal.SIGTERM, stop)\n",
        "import signal\n" + "(" * 5000 + ")" * 5000,
    ],
)
def test_not_found(found: Any, text: str) -> None:
    assert found(text) == []


def test_in_order_and_not_too_many(found: Any) -> None:
    line = "signal.signal(signal.SIGTERM, f{})\n"
    found("import signal\n" + line.format(1), "lib/b.py")
    found("import signal\n" + line.format(2), "lib/__pycache__/c.py")
    found("import signal\n" + line.format(3), ".hidden/c.py")
    assert found("import signal\n" + line.format(4) * 2, "a.py") == [
        "`f4` is registered at a.py:2",
        "`f4` is registered at a.py:3",
        "`f1` is registered at lib/b.py:2",
    ]
    assert len(found("import signal\n" + line.format(4) * 20, "a.py")) == 5


def test_a_copied_file_is_called_by_its_first_name(found: Any, tmp_path: Path) -> None:
    assert found(CLASS, origins={"index.py": tmp_path / "test_worker.py"}) == [
        "`stop` is registered at test_worker.py:6"
    ]


def test_what_cannot_be_read(found: Any, tmp_path: Path) -> None:
    assert registrations.find(tmp_path / "nothing") == []
    (tmp_path / "index.py").symlink_to("index.py")
    (tmp_path / "b.py").write_bytes(b"import signal\n\xff\xfe")
    (tmp_path / "c.py").mkdir()
    (tmp_path / "d.py").write_bytes(b"import signal\0\n")
    (tmp_path / "e.py").write_text("#" * 600_000 + "\n" + CLASS)
    assert registrations.find(tmp_path) == []


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "index.py")
    assert registrations.find(tmp_path) == []
