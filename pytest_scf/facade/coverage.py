"""Lines that run in the instances, counted where coverage is measured in the test process.

Each instance counts its own and hands the counts out over its socket, after each invocation and before it is killed or
signalled; nothing is written in the instance, and nothing is hung on SIGTERM. Paths in the instance are turned back
into those that the function was deployed from.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_scf import facts
from pytest_scf.instances.launch_spec import CoverageSpec

if TYPE_CHECKING:
    from coverage import Coverage, CoverageData

    from pytest_scf.facade.session import Session
    from pytest_scf.platform.records import InstanceRecord

#: seconds that an instance is given to hand out what it counted
COVERAGE_DEADLINE = 2.0
_INSIDE = f"{facts.CODE_ROOT}/"


class CoverageBridge:
    """Takes in what the instances of one runtime counted, and adds it to the live measurement at the end."""

    def __init__(self, session: Session, live: Coverage) -> None:
        self._session = session
        self._live = live
        self._lock = threading.Lock()
        self._found: dict[str, set[Any]] = {}
        self._branch = bool(live.get_option("run:branch"))
        self._omit = _patterns(live.get_option("run:omit"))
        self._include = _patterns(live.get_option("run:include"))
        names = _names(live.get_option("run:source"))
        #: a line belongs to the test that ran it, as pytest-cov's --cov-context=test has it
        self.contexts = bool(getattr(_data_of(live), "_current_context", None))
        self._sources = [place for name in names for place in _directories(name)] if names else None

    @property
    def counted(self) -> CoverageSpec:
        """What instances are to count."""
        places = [os.path.join(place, "*") for place in self._sources or ()]
        return CoverageSpec(branch=self._branch, include=(*places, *self._include), contexts=self.contexts)

    def take(self, instance: InstanceRecord, counts: dict[str, Any]) -> None:
        origins = self._session.origins.get(instance.function, {})
        with self._lock:
            for file, lines in counts.items():
                path = self._outside(file, instance, origins)
                if path is not None:
                    self._found.setdefault(path, set()).update(map(_hashable, lines))

    def _outside(self, file: str, instance: InstanceRecord, origins: Mapping[str, Path]) -> str | None:
        """The path in the test process of a file of the instance; None where it is not measured."""
        root = str(instance.config.code_root)
        inside = file.removeprefix(_INSIDE if file.startswith(_INSIDE) else root + os.sep)
        path = str(origins.get(inside, os.path.join(root, inside))) if inside != file else file
        if not os.path.exists(path) or any(fnmatch.fnmatch(path, pattern) for pattern in self._omit):
            return None
        if self._sources is not None:
            measured = any(path.startswith(os.path.join(place, "")) for place in self._sources)
        else:
            measured = not self._include or any(fnmatch.fnmatch(path, pattern) for pattern in self._include)
        return path if measured else None

    def end_of_phase(self, instances: Iterable[InstanceRecord]) -> None:
        """A test's setup, call or teardown ends: what ran during it is counted as its own. In the test's thread."""
        if not self.contexts:
            return
        for instance in instances:
            process = instance.process_if_alive
            if process is not None:
                process.save_coverage(COVERAGE_DEADLINE)
        self.flush()

    def flush(self) -> None:
        """Add what was taken in to the live measurement. Call it in the thread that the measurement belongs to."""
        with self._lock:
            found, self._found = self._found, {}
        if not found:
            return
        data = _data_of(self._live)
        if self._branch:
            data.add_arcs(found)
        else:
            data.add_lines(found)


def _data_of(live: Coverage) -> CoverageData:
    with warnings.catch_warnings():
        # It would warn of having counted nothing in this process, which may well be: the functions run elsewhere.
        warnings.simplefilter("ignore")
        return live.get_data()


def bridge(session: Session) -> CoverageBridge | None:
    """A bridge where this process measures coverage now; nothing is imported to find out."""
    module = sys.modules.get("coverage")
    live = module.Coverage.current() if module is not None and hasattr(module, "Coverage") else None
    return None if live is None else CoverageBridge(session, live)


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, (list, tuple)) else []


def _patterns(value: object) -> list[str]:
    return [pattern if pattern.startswith(("*", "/")) else os.path.abspath(pattern) for pattern in _names(value)]


def _directories(name: str) -> list[str]:
    """The directories of a source: a directory, or a package's."""
    if os.path.isdir(name):
        return [os.path.realpath(name)]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return []
    return [os.path.realpath(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _hashable(line: Any) -> Any:
    return tuple(line) if isinstance(line, list) else line
