"""The pytest plugin: hooks only. What they do stands in the modules beside this one.

Every test run that has pytest-scf installed loads this file, also those that never use it. So nothing here imports
the platform, the fork server or the runtime; the first test that asks for a runtime does.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from pytest_scf.plugin import left_running, markers, moments, options, report, watch
from pytest_scf.plugin.fixtures import (
    scf_endpoint,
    scf_project,
    scf_runtime,
    scf_runtime_session,
    scf_sdk,
    scf_settings,
)
from pytest_scf.plugin.moments import scf_moment

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["scf_endpoint", "scf_moment", "scf_project", "scf_runtime", "scf_runtime_session", "scf_sdk", "scf_settings"]


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_scf.plugin import hooks

    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    options.check(config)
    for line in markers.HELP:
        config.addinivalue_line("markers", line)
    watch.configure(config)
    left_running.configure(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "scf_moment" in metafunc.fixturenames:
        moments.generate(metafunc)
    elif any(mark.name == moments.MARKER for mark in metafunc.definition.own_markers):
        moments.refuse_unused(metafunc.definition.nodeid)


def pytest_enter_pdb(config: pytest.Config) -> None:
    for watched in watch.state(config).runtimes:
        watched.runtime.suspend_limits()


def pytest_leave_pdb(config: pytest.Config) -> None:
    for watched in watch.state(config).runtimes:
        watched.runtime.resume_limits()


def pytest_unconfigure(config: pytest.Config) -> None:
    watch.release(config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return options.header(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    watch.begin(item)
    markers.check(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    watch.end_of_phase(item)
    report.explain_failure(item, call.excinfo)
    made = yield
    report.complete(item, made)
    left_running.collector(item.config).attach(made)
    if made.when == "teardown":
        watch.end(item)
    return made


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    # Before pytest tears down what an interrupted test left standing.
    watch.state(session.config).ending = True


def pytest_assertrepr_compare(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    return report.explain_comparison(config, op, left, right)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: TerminalReporter) -> Generator[None, None, None]:
    report.colour(terminalreporter)
    return (yield)
