from __future__ import annotations

from collections.abc import Callable

import pytest


def test_markers_shows_the_marker_with_its_arguments(run: Callable[..., pytest.RunResult]) -> None:
    run("--markers").stdout.fnmatch_lines(["@pytest.mark.scf(requires=None, [*][*]settings): *", ""])


def test_strict_markers_knows_the_marker(run: Callable[..., pytest.RunResult], pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(max_instances=1)
        def test_marked(scf_runtime): pass
        """
    )
    run("--strict-markers").assert_outcomes(passed=1)


def test_settings_of_the_marker_reach_the_runtime(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(isolation="directory", region="ap-hongkong", idle_seconds=7)
        def test_marked(scf_runtime):
            settings = scf_runtime.settings
            assert (settings.isolation, settings.region, settings.idle_seconds) == ("directory", "ap-hongkong", 7)
            assert scf_runtime.isolation == "directory"
        """
    )
    run("--scf-isolation=auto").assert_outcomes(passed=1)


def test_the_nearest_marker_wins_setting_by_setting(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.scf(region="ap-tokyo", uin="1", appid="2")

        @pytest.mark.scf(uin="3")
        class TestOfAClass:
            @pytest.mark.scf(region="ap-hongkong")
            def test_marked(self, scf_runtime):
                settings = scf_runtime.settings
                assert (settings.region, settings.uin, settings.appid) == ("ap-hongkong", "3", "2")
        """
    )
    run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            '"namespaces"',
            "the scf marker of *::test_marked takes keyword arguments only, not 'namespaces'; for example *",
        ),
        (
            "isolatio='auto'",
            "*has no setting 'isolatio'. Did you mean 'isolation'? The settings are: requires, isolation, *",
        ),
        ("colour=1", "*has no setting 'colour'. The settings are: requires, isolation, *signal_deadline*"),
        ("requires='docker'", "*requires='docker' is not one of namespaces, directory*"),
        ("isolation='docker'", "the settings of *::test_marked are refused: isolation must be one of *"),
        ("max_instances=0", "the settings of *::test_marked are refused: max_instances must be *"),
    ],
)
def test_a_misused_marker_is_an_error_that_says_what_is_wrong(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester, arguments: str, line: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.scf({arguments})
        def test_marked(scf_runtime): pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_marked*", line])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*During handling*")


def test_a_misused_marker_is_an_error_also_where_no_fixture_is_used(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(colour=1)
        def test_marked(): pass
        """
    )
    run().assert_outcomes(errors=1)


def test_settings_on_a_test_of_the_shared_runtime_are_refused(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(region="ap-tokyo")
        def test_marked(scf_runtime_session): pass
        """
    )
    result = run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*sets region, but the test uses scf_runtime_session, which is made once for all tests. Use scf_runtime, or *"]
    )


REQUIRES = """
    import pytest
    from pytest_scf.errors import IsolationUnavailable
    from pytest_scf.instances.host import Host

    @pytest.fixture(autouse=True, scope="session")
    def refusing_machine():
        real = Host.fork_server

        def fork_server(self, level):
            if level == "namespaces":
                raise IsolationUnavailable(level, "unshare: Operation not permitted")
            return real(self, level)

        Host.fork_server = fork_server
"""


def test_a_requirement_that_is_not_met_skips_with_the_reason(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(REQUIRES)
    pytester.makepyfile(
        """
        import pytest

        def test_uses_it_first(): pass

        @pytest.mark.scf(requires="namespaces")
        def test_marked(scf_runtime): pass

        @pytest.mark.scf(requires="directory", isolation="directory")
        def test_met(scf_runtime): pass
        """
    )
    result = run("-rs")
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*: requires scf isolation level 'namespaces': unshare: Operation not permitted"]
    )


def test_a_requirement_is_not_met_where_another_level_was_asked_for(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(requires="namespaces")
        def test_marked(scf_runtime): pass
        """
    )
    result = run("-rs", "--scf-isolation=directory")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*'namespaces': directory was asked for by --scf-isolation"])


@pytest.mark.scf(requires="namespaces")
def test_a_requirement_that_is_met_does_not_skip(
    run: Callable[..., pytest.RunResult], pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.scf(requires="namespaces")
        def test_marked(scf_runtime):
            assert scf_runtime.isolation == "namespaces"
        """
    )
    run("--scf-isolation=auto").assert_outcomes(passed=1)
