"""``@pytest.mark.scf_moments(...)``: each moment of a function is a test of its own, so --lf runs the failed ones."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_scf.plugin import options, watch
from pytest_scf.plugin.moment_names import by_name, once_for_all_workers

if TYPE_CHECKING:
    from pytest_scf.facade.handles import Event
    from pytest_scf.facade.runtime import ScfRuntime
    from pytest_scf.facade.termination_map.moments import Moment

MARKER = "scf_moments"
HELP = (
    "scf_moments(source, event={}, deploy={}, **options): run the test once for each moment at which the function can "
    "be terminated, with the fixture scf_moment; the options are those of Function.termination_map, deploy those of "
    "ScfRuntime.deploy."
)


@pytest.fixture
def scf_moment(request: pytest.FixtureRequest, scf_runtime: ScfRuntime) -> Moment[Event]:
    """One moment of the function that the marker scf_moments names: terminated there, in a fresh instance."""
    name: str
    excused: bool
    name, excused = request.param
    source, event, deploy, more = _asked(request.node.get_closest_marker(MARKER), request.node.nodeid)
    function = scf_runtime.deploy(source, **{"async_run": True, **deploy})
    found = function.termination_map(event, **{**more, "only": name})
    (moment,) = found.moments
    moment.excused = excused
    moment.example = f"pytest {shlex.quote(request.node.nodeid)}"
    return moment


def generate(metafunc: pytest.Metafunc) -> None:
    """Record what the function does, and make a test of each moment."""
    config, nodeid = metafunc.config, metafunc.definition.nodeid
    source, event, deploy, more = _asked(metafunc.definition.get_closest_marker(MARKER), nodeid)
    watch.lease(config)
    places = [metafunc.definition.path.parent, config.rootpath]
    found = once_for_all_workers(config, nodeid, lambda: _record(config, places, source, event, deploy, more))
    if found["refused"]:  # here, as the frames between the marker and the refusal are ours
        _refuse(nodeid, found["refused"])
    named = by_name(config, metafunc.definition.path, nodeid, lasting=found["lasting"])
    names = list(dict.fromkeys([*found["names"], *named]))
    metafunc.parametrize("scf_moment", [(name, found["excused"]) for name in names], ids=names, indirect=True)


def _record(
    config: pytest.Config, places: list[Path], source: Any, event: Any, deploy: dict[str, Any], more: dict[str, Any]
) -> dict[str, Any]:
    from pytest_scf.errors import UsageError
    from pytest_scf.facade.runtime import ScfRuntime
    from pytest_scf.facade.termination_map.options import Options

    found: dict[str, Any] = {"names": [], "excused": True, "lasting": False, "refused": ""}
    with ScfRuntime(isolation=options.ISOLATION.value(config), base_dirs=places) as runtime:
        try:
            function = runtime.deploy(source, **{"async_run": True, **deploy})
            runner = function._map_runner(event, Options(**more))
            found["names"] = [moment.name for moment in runner.moments()[0]]
            if not found["names"]:
                found["refused"] = f"finds no moment: {'; '.join(runner.notes)}"
            # Where none registers a signal handler at all, no moment is excused for coming too early for it.
            found["excused"] = runner.registers is not False
            found["lasting"] = runner.lasting
        except UsageError as error:
            found["refused"] = f"is refused: {error}"
        except TypeError as error:
            found["refused"] = f"takes the options of termination_map, and in deploy= those of deploy: {error}"
    return found


def _asked(marker: pytest.Mark | None, nodeid: str) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
    if marker is None or len(marker.args) != 1:
        _refuse(nodeid, "takes the function's source, as deploy does: @pytest.mark.scf_moments('functions/worker')")
    more = dict(marker.kwargs)
    event, deploy = more.pop("event", {}), more.pop("deploy", {})
    if not isinstance(deploy, dict):
        _refuse(nodeid, f"takes deploy= as a dict of arguments, not {deploy!r}")
    more.setdefault("limit", None)
    return marker.args[0], event, deploy, more


def refuse_unused(nodeid: str) -> NoReturn:
    _refuse(nodeid, "does nothing, as the test has no argument scf_moment: def test_each(scf_moment)")


def _refuse(nodeid: str, what: str) -> NoReturn:
    pytest.fail(f"the scf_moments marker of {nodeid} {what}", pytrace=False)


def progress(config: pytest.Config) -> Callable[[str], None] | None:
    """Shows a line on the terminal, in place of the one before; None where there is no terminal."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if reporter is None or not reporter.isatty:
        return None

    def show(text: str) -> None:
        if capture is None:
            reporter.rewrite(text, erase=True)
            return
        with capture.global_and_fixture_disabled():
            reporter.rewrite(text, erase=True)

    return show
