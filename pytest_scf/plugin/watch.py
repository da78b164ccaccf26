"""Which runtimes there are in this process, and which of their events are the running test's."""

from __future__ import annotations

import contextlib
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_scf import facts
from pytest_scf.plugin import options

if TYPE_CHECKING:
    from pytest_scf.facade.handles import Event
    from pytest_scf.facade.runtime import ScfRuntime
    from pytest_scf.instances.host import HostLease
    from pytest_scf.plugin.echo import Echo


class Watched:
    """A runtime, and where in its events the running test begins. ``own``: a fixture of ours made it, no test."""

    def __init__(self, runtime: ScfRuntime, pending: Path | None = None, *, own: bool = True) -> None:
        self.runtime = runtime
        self.own = own
        #: where the /tmp of instances is copied that are killed; None where nothing is kept
        self.pending = pending
        self._closed = False
        #: request id -> the test that left the event RUNNING behind it, in a runtime that outlives the test
        self.origin: dict[str, str] = {}
        self._last_before: Event | None = None

    @property
    def closed(self) -> bool:
        return self._closed if self.own else self.runtime._closed

    def note_closed(self) -> None:
        self._closed = True

    def has_module(self, name: str) -> bool:
        """Whether the code of one of its functions has a module of this name."""
        roots = [function.config.code_root for function in self.runtime._platform.functions.all()]
        return any((root / f"{name}.py").is_file() or (root / name).is_dir() for root in roots)

    def events(self) -> list[Event]:
        """What the running test invoked, synchronous calls too, oldest first."""
        return self.runtime._invoked_after(self._last_before)

    def find(self, request_id: str) -> Event | None:
        """One of the running test's invocations, by its request id."""
        return next((event for event in self.events() if event.request_id == request_id), None)

    def read_early(self, request_id: str) -> str:
        """What the test read of an event while that was RUNNING; "" where it did not."""
        return self.runtime._session.read_early.get(request_id, "")

    def pass_on(self, nodeid: str) -> None:
        """A test ends: note which RUNNING events are its own, and count the next test's from here."""
        events = self.events()
        for event in events:
            if event.status == facts.RUNNING:
                self.origin[event.request_id] = nodeid
        if events:
            self._last_before = events[-1]


class State:
    """What the plugin knows in one run of pytest."""

    def __init__(self) -> None:
        self.runtimes: list[Watched] = []
        #: the test in whose setup, call or teardown we are; None between tests and at the end of the run
        self.item: pytest.Item | None = None
        #: runtimes of no interest: closed ones of earlier tests, those of a test within which this run takes place
        self.foreign: weakref.WeakSet[ScfRuntime] = weakref.WeakSet()
        #: the run is being ended, perhaps in the middle of a test: there is no report left to be made
        self.ending = False
        #: the reasons that the latest comparison of a status was explained with
        self.compared: list[str] = []
        self.echo: Echo | None = None
        self.lease: HostLease | None = None
        #: what makes directories for what is kept of failed tests, where something is
        self.tmp_path_factory: pytest.TempPathFactory | None = None


_STATE = pytest.StashKey[State]()


def configure(config: pytest.Config) -> None:
    config.stash[_STATE] = known = State()
    known.foreign.update(_made())


def state(config: pytest.Config) -> State:
    return config.stash[_STATE]


def begin(item: pytest.Item) -> None:
    known = state(item.config)
    known.item = item
    for watched in known.runtimes:
        if watched.own:
            watched.runtime.base_dirs = base_dirs(item.config)


def end(item: pytest.Item) -> None:
    """All that the test does is done, its teardown included."""
    known = state(item.config)
    known.item = None
    if known.runtimes:
        known.foreign.update(watched.runtime for watched in known.runtimes if watched.closed)
        known.runtimes = [watched for watched in known.runtimes if not watched.closed]
        for watched in known.runtimes:
            watched.pass_on(item.nodeid)


def end_of_phase(item: pytest.Item) -> None:
    """A setup, call or teardown ends."""
    known = state(item.config)
    there = {id(watched.runtime) for watched in known.runtimes}
    for runtime in _made():
        if id(runtime) not in there and runtime not in known.foreign:
            known.runtimes.append(Watched(runtime, own=False))
    for watched in known.runtimes:
        watched.runtime._end_of_phase()


def _made() -> list[ScfRuntime]:
    """Loads nothing where nobody has made one."""
    module = sys.modules.get("pytest_scf.facade.runtime")
    return [] if module is None else module.made()


def add(config: pytest.Config, runtime: ScfRuntime, pending: Path | None = None) -> Watched:
    watched = Watched(runtime, pending)
    state(config).runtimes.append(watched)
    return watched


def lease(config: pytest.Config) -> HostLease:
    """The run's share in the fork server: taken at first use and kept to the end, so that each test finds it warm."""
    known = state(config)
    if known.lease is None:
        from pytest_scf.instances.host import HostLease

        known.lease = HostLease()
    return known.lease


def echo(config: pytest.Config) -> Echo | None:
    """What prints the output of functions as it comes: with ``--scf-live`` or ``-s``, where there is a terminal."""
    known = state(config)
    live = config.getoption(options.LIVE)
    wanted = (live or config.getoption("capture", "") == "no") and config.pluginmanager.has_plugin("terminalreporter")
    if wanted and known.echo is None and not hasattr(config, "workerinput"):
        from pytest_scf.plugin.echo import Echo, LiveLines

        known.echo = LiveLines(config) if live else Echo(config)
    return known.echo


def release(config: pytest.Config) -> None:
    known = config.stash.get(_STATE, None)
    if known is not None and known.echo is not None:
        known.echo.close()
        known.echo = None
    if known is not None and known.lease is not None:
        held, known.lease = known.lease, None
        held.release()


def unavailable(config: pytest.Config, level: str) -> str | None:
    """Why this machine refuses a level of isolation; None where it allows it. Found out by doing it."""
    from pytest_scf.errors import IsolationUnavailable

    try:
        lease(config).host.fork_server(level)
    except IsolationUnavailable as error:
        return error.reason
    return None


def setting_names() -> list[str]:
    """The names that the marker takes: those of the runtime's own settings."""
    from dataclasses import fields

    from pytest_scf.platform.settings import Settings

    return [field.name for field in fields(Settings)]


def base_dirs(config: pytest.Config) -> list[Path]:
    """Where a relative source is looked for: beside the test's module, at the root of the tests, where we are."""
    item = state(config).item
    found = [] if item is None else [item.path.parent]
    found.append(config.rootpath)
    with contextlib.suppress(FileNotFoundError):  # a test before has left a directory that is not there any more
        found.append(Path.cwd())
    return list(dict.fromkeys(found))
