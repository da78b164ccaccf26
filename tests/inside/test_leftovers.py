"""What events leave behind in an instance."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from pytest_scf.runtimes.probe.files import Files
from pytest_scf.runtimes.probe.leftovers import Leftovers

SOURCE = """
import collections
import functools
import itertools
import logging
import threading

flag = False
options = {"stop": False, "deep": [0]}
asked = [False]
stopped = threading.Event()
client = None
numbers = itertools.count()
log = logging.getLogger("leftovers")
queue = collections.deque()


class Hostile:
    __slots__ = ("value",)

    def __getattribute__(self, name):
        raise AssertionError(name)

    __eq__ = __hash__ = __repr__ = __getattribute__


hostile = {1: Hostile()}
Hostile.value.__set__(hostile[1], [])


class Killer:
    kill_now = False

    def __init__(self):
        self.count = 0
        self.me = self


killer = Killer()


@functools.lru_cache(maxsize=None)
def cached(n):
    return n


def counting(n, seen=[]):
    seen.append(n)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/left_over_sample.py").write_text(SOURCE)
    (tmp_path / "tmp").mkdir()
    monkeypatch.syspath_prepend(tmp_path / "code")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return importlib.import_module("left_over_sample")


def looked(tmp_path: Path) -> Leftovers:
    return Leftovers(Files(str(tmp_path / "code")))


def test_flags_are_given_back(module: ModuleType, tmp_path: Path) -> None:
    left = looked(tmp_path)
    assert not left.any()
    for change in (
        "flag = True",
        "options['stop'] = options['deep'][0] = asked[0] = True",
        "stopped.set()",
        "Killer.kill_now = True",
        "killer.kill_now, killer.count = False, 7; del killer.kill_now",
        "log.info('said'); log.isEnabledFor(10)",
    ):
        exec(change, module.__dict__)
        assert not left.any(), change
    assert (module.flag, module.options, module.asked) == (False, {"stop": False, "deep": [0]}, [False])
    assert (module.stopped.is_set(), module.Killer.kill_now, module.killer.count) == (False, False, 0)


@pytest.mark.parametrize(
    "change",
    [
        "options['more'] = 1",
        "asked.append(1)",
        "queue.append(1)",
        "client = object()",
        "another = 1",
        "killer.more = 1",
        "Hostile.value.__get__(hostile[1], Hostile).append(1)",
        "cached(1)",
        "counting(1)",
        "next(numbers)",
        "open(__import__('os').environ['TMPDIR'] + '/file', 'w').close()",
        "__import__('os').environ['MORE'] = '1'",
    ],
)
def test_what_is_not_given_back_is_told(
    module: ModuleType, tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORE", "0")
    left = looked(tmp_path)
    exec(change, module.__dict__)
    assert left.any()


def test_a_thread_that_goes_on_and_more_than_can_be_looked_at(module: ModuleType, tmp_path: Path) -> None:
    left = looked(tmp_path)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    assert left.any()
    over.set()
    thread.join()
    assert not left.any()
    module.__dict__["options"]["deep"] = [[n] for n in range(3000)]
    assert looked(tmp_path).any()
