"""What is kept of a failed test: each event's log, what became of it, and the /tmp of the instances."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from pytest_scf.facade.values import Described


class _Instance(Protocol):
    """``records.InstanceRecord``, or its handle."""

    @property
    def id(self) -> str: ...
    @property
    def tmp(self) -> Path: ...


class _Event(Described, Protocol):
    @property
    def log(self) -> str: ...


class KeptTmp:
    """Copies the /tmp of instances that are about to be killed into ``directory``, as ``tmp-ID``.

    A process that ends by itself, by an exit or a crash, takes its /tmp along at once.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._lock = threading.Lock()
        self._begun: set[str] = set()

    def before_kill(self, instance: _Instance, kill: Callable[[], None]) -> None:
        """Copy, then kill, in a thread of its own: whoever asks for the kill may hold locks."""
        with self._lock:
            first = instance.id not in self._begun
            self._begun.add(instance.id)
        if not first:
            kill()
            return

        def work() -> None:
            try:
                self.copy(instance)
            finally:
                kill()

        try:
            threading.Thread(target=work, name="pytest-scf-artifacts", daemon=True).start()
        except RuntimeError:  # no more threads can be had: the end is worth more than the copy
            kill()

    def copy(self, instance: _Instance) -> None:
        """Copy what can be copied; an instance that is gone, or never had a /tmp, has nothing."""
        with contextlib.suppress(Exception):
            source = instance.tmp
            if source.is_symlink():
                # Not all the way: /proc/PID/root/tmp, resolved further, would be the test's own /tmp.
                source = source.readlink()
            if source.is_dir():
                copy_tree(source, self.directory / f"tmp-{instance.id}")


def copy_tree(source: Path, target: Path) -> None:
    """Copy files, directories and links, as far as they can be read; what is mounted there is of somewhere else."""
    device = source.lstat().st_dev

    def left_out(directory: str, names: list[str]) -> Iterable[str]:
        for name in names:
            try:
                found = os.lstat(os.path.join(directory, name))
            except OSError:
                yield name
                continue
            kinds = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
            if found.st_dev != device or not any(is_kind(found.st_mode) for is_kind in kinds):
                yield name

    with contextlib.suppress(shutil.Error, OSError):  # of files that went, or may not be read, while it copied
        shutil.copytree(source, target, symlinks=True, ignore=lambda where, names: list(left_out(where, names)))


def write_events(directory: Path, events: Iterable[_Event]) -> None:
    """``events.json``, and ``REQUEST_ID.log`` for each event. Raises OSError where there is no room for them."""
    written = []
    for event in events:
        (directory / f"{event.request_id}.log").write_text(event.log, "utf-8", "backslashreplace")
        written.append(_facts(event))
    # What the names of files may hold that is no UTF-8 is escaped, which is JSON, too.
    text = json.dumps(written, indent=2, ensure_ascii=False)
    (directory / "events.json").write_text(f"{text}\n", "utf-8", "backslashreplace")


def _facts(event: Described) -> dict[str, Any]:
    return {
        "request_id": event.request_id,
        "function": event.function.name,
        "kind": event.kind,
        "status": str(event.status),
        "status_code": int(event.status_code),
        "diagnosis": event.diagnosis,
        "traceback": event.traceback,
        "transitions": [
            {"time": step.time.isoformat(), "status": step.status, "status_code": step.status_code, "cause": step.cause}
            for step in event.transitions
        ],
    }
