"""The fixtures: a runtime for one test, one for the whole run, and the settings that both begin with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_scf.plugin import left_running, markers, moments, options, watch

if TYPE_CHECKING:
    from pytest_scf.endpoint.server import Endpoint
    from pytest_scf.facade.handles import Function
    from pytest_scf.facade.projects.project import Project
    from pytest_scf.facade.runtime import ScfRuntime


@pytest.fixture(scope="session")
def scf_settings() -> Mapping[str, Any]:
    """Settings of every runtime of this run, by ScfRuntime's names. Override it in conftest.py; the default is none."""
    return {}


@pytest.fixture
def scf_runtime(request: pytest.FixtureRequest, scf_settings: Mapping[str, Any]) -> Iterator[ScfRuntime]:
    """A place of its own to deploy and invoke functions in; at teardown everything in it is gone."""
    watched = _open(request, {**scf_settings, **markers.settings(request.node)}, request.node.nodeid)
    try:
        yield watched.runtime
    finally:
        left_running.collector(request.config).close(watched)


@pytest.fixture(scope="session")
def scf_runtime_session(request: pytest.FixtureRequest, scf_settings: Mapping[str, Any]) -> Iterator[ScfRuntime]:
    """One place to deploy and invoke functions in, shared by all tests of this run (of this worker, under xdist)."""
    watched = _open(request, dict(scf_settings), "scf_settings")
    try:
        yield watched.runtime
    finally:
        left_running.collector(request.config).close(watched)


@pytest.fixture
def scf_project(request: pytest.FixtureRequest, scf_runtime: ScfRuntime) -> Project[Function]:
    """The functions of the project file that the ini option ``scf_project`` names, deployed in ``scf_runtime``."""
    from pytest_scf.errors import UsageError

    path = request.config.getini(options.PROJECT)
    if not path:
        pytest.fail(f"scf_project: name the project file in the ini option {options.PROJECT}", pytrace=False)
    try:
        return scf_runtime.deploy_project(request.config.rootpath / path)
    except UsageError as error:
        problem = str(error)
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def scf_endpoint(scf_runtime: ScfRuntime) -> Iterator[Endpoint]:
    """The API of the test's ``scf_runtime`` over HTTP: ``url``, ``host``, ``secret_id``, ``secret_key``, ``region``."""
    with scf_runtime.endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def scf_sdk(scf_runtime: ScfRuntime) -> Iterator[ScfRuntime]:
    """The test's ``scf_runtime``, which the official Python SDK's clients reach as they are, without sockets."""
    from pytest_scf.errors import UsageError

    try:
        patch = scf_runtime.sdk()
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    with patch:
        yield scf_runtime


def _open(request: pytest.FixtureRequest, settings: dict[str, Any], whose: str) -> watch.Watched:
    from pytest_scf.errors import UsageError
    from pytest_scf.facade.runtime import ScfRuntime
    from pytest_scf.plugin import artifacts, terminal

    config = request.config
    settings.setdefault("isolation", options.ISOLATION.value(config))
    if options.RATE_LIMIT.value(config) == "on":
        settings.setdefault("rate_limit", options.CLOUDS_RATE)
    for name in options.PATHS:
        settings.setdefault(name, options.paths(config, name))
    settings.setdefault("launcher", options.LAUNCHER.value(config))
    if isinstance(settings["launcher"], str):
        found = config.hook.pytest_scf_launcher(name=settings["launcher"], config=config)
        settings["launcher"] = settings["launcher"] if found is None else found
    watch.lease(config)
    printed, pending = watch.echo(config), artifacts.pending(request)
    try:
        runtime = ScfRuntime(
            **settings,
            base_dirs=watch.base_dirs(config),
            on_output=None if printed is None else printed.show,
            keep_tmp=pending,
        )
        watched = watch.add(config, runtime, pending)
        watched.runtime.show_progress(moments.progress(config))
        watched.runtime.debug_on(terminal.terminal(config), terminal.editor(config))
        return watched
    except UsageError as error:
        refused = str(error)
    # The frames between the marker and the refusal are ours, and tell the user nothing.
    pytest.fail(f"the settings of {whose} are refused: {refused}", pytrace=False)
