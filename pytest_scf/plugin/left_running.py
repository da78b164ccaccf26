"""Events that were still RUNNING when their runtime was closed: terminated first, then told, or judged.

The telling goes by plain data on the report of the teardown, which crosses from a worker of pytest-xdist's to the
process that prints. Where no report is left to carry it (the run was cut short, so the shared runtime is closed after
the last test), a worker sends it with what it has to say at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_scf.plugin import options, watch

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

TITLE = "scf: events left RUNNING"
ADVICE = "Wait for each event, or terminate it, in its test. --scf-left-running=error makes it an error of the test."
_KEY = "scf_left_running"

#: nodeid, function, request_id
Note = dict[str, str]


class LeftRunning:
    """Collects the notes of one run, and prints them at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._pending: list[Note] = []
        self._told: list[Note] = []

    def close(self, watched: watch.Watched) -> None:
        """Close a runtime. What it had to terminate is told at the end of the run, or is an error at once.

        So is a stand-in or a set-up that could not be put in place, where no wait of the test's has told of it.
        """
        from pytest_scf.plugin import artifacts

        watched.note_closed()
        known = watch.state(self._config)
        nodeid = known.item.nodeid if known.item else ""
        left = watched.runtime._release()
        artifacts.drop(watched)
        notes = [
            {
                "nodeid": watched.origin.get(event.request_id, nodeid),
                "function": str(event.function.name),
                "request_id": str(event.request_id),
            }
            for event in left
        ]
        self._pending += notes
        watched.runtime._warn_of_refusals()
        # At the end of the run there is no test to fail any more; the notes are printed all the same.
        if known.ending:
            return
        problems = watched.runtime._take_untold()
        if notes and options.LEFT_RUNNING.value(self._config) == "error":
            lines = [f"{_line(note)}, begun in {note['nodeid']}: was still RUNNING, terminated" for note in notes]
            problems += [*lines, "Wait for each event, or terminate it, in its test."]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)

    def attach(self, report: pytest.TestReport) -> None:
        if report.when == "teardown" and self._pending:
            setattr(report, _KEY, self._pending)
            self._pending = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._told += getattr(report, _KEY, ())

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        pending, self._pending = self._pending, []
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        if output is None:
            self._told += pending
        else:
            output[_KEY] = pending

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self._told += getattr(node, "workeroutput", {}).get(_KEY, ())

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        if not self._told:
            return
        terminalreporter.section(TITLE, sep="=", yellow=True)
        for note in self._told:
            terminalreporter.line(f"{note['nodeid'] or 'after the last test'}: {_line(note)}: terminated")
        if options.LEFT_RUNNING.value(self._config) != "error":
            terminalreporter.line(ADVICE)


def _line(note: Note) -> str:
    return f"event {note['request_id']} of function {note['function']}"


_COLLECTOR = pytest.StashKey[LeftRunning]()


def configure(config: pytest.Config) -> None:
    config.stash[_COLLECTOR] = collector = LeftRunning(config)
    config.pluginmanager.register(collector, "scf-left-running")


def collector(config: pytest.Config) -> LeftRunning:
    return config.stash[_COLLECTOR]
