from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


def test_help_shows_the_options_and_the_ini_options(run: Callable[..., pytest.RunResult]) -> None:
    result = run("--help")
    result.stdout.fnmatch_lines(
        [
            "*--scf-isolation=auto|namespaces|directory*",
            "*--scf-left-running=report|error*",
            "*--scf-rate-limit=off|on*",
            "*scf_isolation (string):*",
            "*scf_left_running (string):*",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--scf-isolation=docker"], "ERROR: --scf-isolation: 'docker' is not one of auto, namespaces, directory"),
        (["--scf-left-running=ignore"], "ERROR: --scf-left-running: 'ignore' is not one of report, error"),
        (["-o", "scf_isolation=none"], "ERROR: scf_isolation: 'none' is not one of auto, namespaces, directory"),
        (["-o", "scf_left_running=x"], "ERROR: scf_left_running: 'x' is not one of report, error"),
        (["--scf-isolation="], "ERROR: --scf-isolation: '' is not one of auto, namespaces, directory"),
    ],
)
def test_a_bad_value_is_a_usage_error_that_lists_the_good_ones(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, arguments: Any, line: str
) -> None:
    pytester.makepyfile("def test_never_run(): open('was_run', 'w').close()")
    result = run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([line])
    assert not (pytester.path / "was_run").exists()


def test_a_bad_value_is_refused_before_workers_are_started(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_never_run(): pass")
    result = run("-n", "2", "--scf-isolation=docker")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "created: " not in result.stdout.str()


def test_a_bad_value_loads_none_of_the_machinery(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        import atexit, sys
        atexit.register(lambda: print("LOADED", [name for name in sys.modules if name.startswith("pytest_scf")]))
        """
    )
    result = run("--scf-isolation=docker")
    result.stdout.fnmatch_lines(["LOADED *pytest_scf.plugin*"])
    for room in ("platform", "instances", "facade", "contract"):
        result.stdout.no_fnmatch_line(f"*pytest_scf.{room}*")


ASK = """
    def test_level(scf_runtime, scf_runtime_session):
        print("LEVELS", scf_runtime.settings.isolation, scf_runtime_session.settings.isolation)
"""


def test_the_ini_option_chooses_the_isolation(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nscf_isolation = directory")
    pytester.makepyfile(ASK)
    run("-s").stdout.fnmatch_lines(["scf: isolation=directory (scf_isolation)", "*LEVELS directory directory*"])


def test_the_command_line_beats_the_ini_option(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nscf_isolation = namespaces")
    pytester.makepyfile(ASK)
    run("-s", "--scf-isolation=directory").stdout.fnmatch_lines(
        ["scf: isolation=directory (--scf-isolation)", "*LEVELS directory directory*"]
    )


def test_the_rate_limit_is_switched_on_and_a_setting_beats_the_switch(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest
        def test_on(scf_runtime, scf_runtime_session):
            assert scf_runtime.settings.rate_limit == scf_runtime_session.settings.rate_limit == 20
        @pytest.mark.scf(rate_limit=5)
        def test_own(scf_runtime):
            assert scf_runtime.settings.rate_limit == 5
        """
    )
    pytester.makeini("[pytest]\nscf_rate_limit = on")
    run().assert_outcomes(passed=2)
    pytester.makeini("[pytest]\nscf_rate_limit = off")
    run("--scf-rate-limit=on").assert_outcomes(passed=2)


def test_a_run_that_asks_for_nothing_is_told_nothing(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile("def test_own(): pass")
    result = run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("scf:*")
