from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import leaks
import pytest

from pytest_scf import Event, ScfRuntime, facts
from pytest_scf.errors import IsolationUnavailable
from pytest_scf.instances.host import HostLease, current
from pytest_scf.instances.levels import LEVELS

with contextlib.suppress(ImportError):  # the oldest dependencies are tried without it
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "this suite",
        # How long something takes says nothing on a machine under heavy load.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        # Others each time are looked for where this is set: a change is not judged by an example that met another one.
        derandomize="SCF_RANDOM_EXAMPLES" not in os.environ,
    )
    settings.load_profile("this suite")


@pytest.fixture(scope="session", autouse=True)
def own_temporary_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A temporary directory that nobody else writes to, so that whatever stays in it is ours."""
    directory = str(tmp_path_factory.mktemp("tmp", numbered=False))
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", directory)
    # What this run is told is nothing to the runs of pytest that tests start, nor how wide and colourful it is.
    told = ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONWARNINGS")
    for name in (*told, "COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PYTHON_COLORS"):
        patch.delenv(name, raising=False)
    patch.setattr(tempfile, "tempdir", directory)
    yield
    patch.undo()


@pytest.fixture(scope="session", autouse=True)
def warm_fork_servers(own_temporary_directory: None) -> Iterator[None]:
    """The fork servers stay for the whole run; started here, no single test seems to leave them behind."""
    with HostLease() as lease:
        for level in LEVELS:
            with contextlib.suppress(IsolationUnavailable):
                lease.host.fork_server(level)
        yield


@pytest.fixture(autouse=True)
def nothing_is_left(warm_fork_servers: None) -> Iterator[None]:
    """Every test leaves its process as it found it."""
    before = leaks.Snapshot.take()
    yield
    # A background thread has a file of /proc open for a moment: what is left is there each time.
    for _ in range(3):
        after = leaks.Snapshot.take()
        found = after.more_than(before)
        if not found:
            break
        leaks.let_the_reactor_come_round()
    if found:
        after.end_descendants_since(before)
        pytest.fail("the test leaves behind:\n" + "\n".join(found), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_went_wrong_in_the_background(warm_fork_servers: None) -> Iterator[None]:
    """What the reactor's callbacks raise is a bug of ours; they have nobody to raise it to."""
    yield
    host = current()
    assert host is None or host.reactor.errors == []


@pytest.fixture
def scf_runtime_of() -> Iterator[Callable[..., ScfRuntime]]:
    """A runtime of the wanted level and settings; the test is skipped, with the reason, where it cannot be had."""
    with contextlib.ExitStack() as stack:

        def make(level: str, **settings: Any) -> ScfRuntime:
            try:
                runtime = ScfRuntime(isolation=level, **settings)
            except IsolationUnavailable as error:
                pytest.skip(str(error))
            stack.callback(runtime.close)
            return runtime

        yield make


@pytest.fixture
def long_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions with no limit of their own have a minute: the default's 3 seconds may pass on a busy machine."""
    monkeypatch.setattr(facts, "TIMEOUT_DEFAULT", 60)


@pytest.fixture
def time_is_up() -> Callable[[ScfRuntime, Event], None]:
    """Have the time limit of an event's instance be over: when it has come as far as a test wants.

    A limit of a second could be over before, on a machine that needs as long to come there.
    """

    def end(runtime: ScfRuntime, event: Event) -> None:
        scheduler = runtime._platform._scheduler
        with scheduler.lock:
            scheduler.time_limits.set_locked(event.instance._record, 0.0)

    return end


@pytest.fixture
def patient_coverage(pytester: pytest.Pytester) -> None:
    """An inner run waits a minute for what an instance has counted, which may come late on a busy machine."""
    pytester.makeconftest(
        """
        from pytest_scf.facade import coverage
        from pytest_scf.platform import assignment, termination

        for module in (coverage, assignment, termination):
            assert module.COVERAGE_DEADLINE
            module.COVERAGE_DEADLINE = 60.0
        """
    )


@pytest.fixture
def port_9000() -> Iterator[None]:
    """The port of this machine, which one test at a time can have; to be asked for before the runtime that uses it.

    Another run of these tests, of another user or from another directory, shares the port, but no file but this one.
    """
    network = "/proc/self/ns/net"
    with open(network if os.path.exists(network) else __file__, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(params=["namespaces", "directory"])
def each_level(request: pytest.FixtureRequest, scf_runtime_of: Callable[..., ScfRuntime]) -> ScfRuntime:
    """A runtime of each level of isolation."""
    return scf_runtime_of(request.param)
