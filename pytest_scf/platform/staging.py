"""Directories for code that was not given as a directory: unpacked, copied, built of a Dockerfile."""

from __future__ import annotations

import contextlib
import shutil
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from pytest_scf.errors import UsageError


class StagingArea:
    """All directories of one platform. Thread-safe.

    They are written to inside of ``with area.writing() as staging`` only, so that ``close`` can end what is being
    written, and wait for it: afterwards nothing is left, and nothing comes any more.
    """

    def __init__(self, base_dir: Callable[[], Path]) -> None:
        self._base_dir = base_dir
        self._changed = threading.Condition()
        self._made: set[Path] = set()
        self._writers = 0
        self._closed = False
        #: asked for while something was being written, and done at the end of that
        self._postponed: Callable[[], Iterable[Path]] | None = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Staging]:
        """Make directories and write to them; what was made is removed where the block raises.

        Raises UsageError when the area is closed, or is closed meanwhile.
        """
        with self._changed:
            self._check_locked()
            self._writers += 1
        staging = Staging(self)
        try:
            yield staging
            self.check()
        except BaseException:
            self._remove(staging.made)
            raise
        finally:
            with self._changed:
                self._writers -= 1
                self._changed.notify_all()
                postponed = self._postponed
            if postponed is not None:
                self.retain(postponed)

    def retain(self, used: Callable[[], Iterable[Path]]) -> None:
        """Remove the directories that hold none of the paths in use, as soon as nothing is being written.

        ``used`` is called with this area's lock held.
        """
        with self._changed:
            self._postponed = used if self._writers else None
            if self._writers or self._closed:
                return
            needed = {directory for path in used() for directory in (path, *path.parents)}
            unused = self._made - needed
        self._remove(unused)

    def holds(self, path: Path) -> bool:
        """Whether it lies in one of the directories."""
        with self._changed:
            return not self._made.isdisjoint((path, *path.parents))

    def check(self) -> None:
        """Raises UsageError once the area is closed."""
        with self._changed:
            self._check_locked()

    def _check_locked(self) -> None:
        if self._closed:
            raise UsageError("this ScfRuntime is closed: make another")

    def close(self) -> None:
        """End what is being written, wait for its end, and remove all directories."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._writers)
        self._remove(set(self._made))

    def new(self) -> Path:
        """A new, empty directory, within ``writing``. Raises UsageError when the area is closed."""
        path = self._base_dir() / f"code-{uuid.uuid4()}"
        with self._changed:
            self._check_locked()
            assert self._writers, "it might be removed as unused before it is used"
            self._made.add(path)
        path.mkdir(parents=True)  # a cleaner of the temporary directory may have taken the one above
        return path

    def _remove(self, directories: Collection[Path]) -> None:
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)
        with self._changed:
            self._made.difference_update(directories)


class Staging:
    """The directories that one caller is writing to."""

    def __init__(self, area: StagingArea) -> None:
        self._area = area
        self.made: list[Path] = []

    def new(self) -> Path:
        """A new, empty directory."""
        path = self._area.new()
        self.made.append(path)
        return path

    def check(self) -> None:
        """To be called between the steps of what takes long. Raises UsageError once the area is closed."""
        self._area.check()

    def copy(self, source: str, target: str) -> None:
        """Copy one file: the ``copy_function`` of ``shutil.copytree``."""
        self.check()
        shutil.copy2(source, target)
