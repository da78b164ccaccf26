"""Code that changes on the disk is what a function's next instance runs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from pytest_scf.errors import ScfError
from pytest_scf.facade.handles import Function

#: directories in a function's that hold none of its code
_PASSED_OVER = frozenset([".git", "__pycache__"])
#: seconds within which a change of the code may be overlooked, so that a burst of calls looks at the disk once
_LOOK_EVERY = 0.5
#: seconds between two looks at the code of functions that nobody calls: timers do
_LOOK_FOR_TIMERS_EVERY = 1.0


@dataclass(frozen=True)
class Code:
    """Where a function's code lies, a directory or a file; ``reload`` gives the function what lies there by now."""

    function: Function
    path: Path
    reload: Callable[[], object]


class Watch:
    """Looks at the code of functions when they are called; ``say`` is told of what has changed."""

    def __init__(self, codes: Iterable[Code], say: Callable[[str], object]) -> None:
        self._say = say
        self._lock = threading.Lock()
        self._watched = {(code.function.namespace, code.function.name): _Watched(code) for code in codes}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def refresh(self, namespace: str, name: str) -> None:
        """Have the next instance of a function run its code as it is now, if that has changed.

        Raises ScfError where the code cannot be loaded, which the next call tries again.
        """
        watched = self._watched.get((namespace, name))
        if watched is None:
            return
        with self._lock:
            try:
                changed = watched.reload()
            except Exception as error:
                what = f"{name}: its code has changed, and cannot be loaded"
                raise ScfError(f"{what}: {type(error).__name__}: {error}") from error
        if changed:
            self._say(f"{name}: its code has changed, and is loaded anew")

    def keep_fresh(self, functions: Collection[Function]) -> None:
        """Look at the code of these once a second, until it is closed: their timers call them without a request."""
        names = [(function.namespace, function.name) for function in functions]
        failures: dict[tuple[str, str], str] = {}

        def look() -> None:
            while not self._closed.wait(_LOOK_FOR_TIMERS_EVERY):
                for each in names:
                    try:
                        self.refresh(*each)
                    except ScfError as error:
                        if failures.get(each) != str(error):  # once, not each second
                            self._say(str(error))
                        failures[each] = str(error)
                    else:
                        failures.pop(each, None)

        if names:
            self._thread = threading.Thread(target=look, name="pytest-scf-watch", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join()


class _Watched:
    def __init__(self, code: Code) -> None:
        self._code = code
        self._code_root = code.function.config.code_root
        self._looked = time.monotonic()
        self._seen = _state(code.path)

    def reload(self) -> bool:
        """Whether it has changed, and is reloaded. A client may have replaced it: then it is no more the disk's."""
        function = self._code.function
        if function.config.code_root != self._code_root or time.monotonic() < self._looked + _LOOK_EVERY:
            return False
        state = _state(self._code.path)
        changed = state != self._seen
        if changed:
            try:
                self._code.reload()
            finally:
                self._code_root = function.config.code_root
        self._seen, self._looked = state, time.monotonic()
        return changed


def _state(root: Path) -> dict[str, tuple[int, int]]:
    """Time and size of each file of the code."""
    found: dict[str, tuple[int, int]] = {}
    for directory, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name not in _PASSED_OVER]
        for name in files:
            _add(found, os.path.join(directory, name))
    if root.is_file():
        _add(found, str(root))
    return found


def _add(found: dict[str, tuple[int, int]], path: str) -> None:
    try:
        status = os.stat(path)
    except OSError:  # gone meanwhile, or a link that leads nowhere
        return
    found[path] = (status.st_mtime_ns, status.st_size)
