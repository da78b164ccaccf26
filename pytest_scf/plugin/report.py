"""The events of a test in its report: what became of each, why, and what it said.

A failed test has a section with its events, without those that the failure itself has told of. Where a failed
assertion names an event, the reason comes first, so that the short summary, JUnit files and the annotations of a CI
tell it too. A test that passed has the section where somebody keeps the output of such tests.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_scf import facts
from pytest_scf.plugin import watch

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_scf.facade.handles import Event

#: pytest, and what writes JUnit files, take a section of this beginning for output of the test
TITLE = "Captured stdout: scf events"
#: the newest ones: a report is read by a person
MOST_EVENTS = 20

#: whether the test has failed, and the section that it has
_SECTION = pytest.StashKey[tuple[bool, str]]()
OF_MOCKS = (
    "a mock in the test reaches no function, which runs in a process of its own: fn.stub('index.name') puts a stand-in "
    "there that is a mock in the test (docs/inside.md)"
)
_PATCHING = ("unittest.mock", "_pytest.monkeypatch")
# Texts, which re compiles where they are used: a run that uses nothing of this does not wait for that.
_REQUEST_ID = r"\b[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\b"
_HANDLE = rf"<(?:Event|InvokeResult|Logs of) ({_REQUEST_ID})"


def explain_failure(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException] | None) -> None:
    """Before pytest looks at what a test raised: leave out our frames, and put the reason of a failed assertion first.

    The assertion is one that pytest has rewritten: it names the events whose attributes it looked at.
    """
    if excinfo is None or not watch.state(item.config).runtimes:
        return
    _hide_our_frames()
    error = excinfo.value
    if len(error.args) == 1 and (cause := _cause_of_another_error(item, excinfo)):
        excinfo.exconly(tryshort=True)
        error.args = (f"{cause}\n{error.args[0]}",)
        if isinstance(error, ImportError):
            error.msg = error.args[0]  # which it shows
        return
    if not isinstance(error, AssertionError) or not error.args or not isinstance(error.args[0], str):
        return
    if str(excinfo.traceback[-1].frame.f_globals.get("__name__")).startswith("pytest_scf."):
        return  # an assertion of ours, which begins with the reason
    lines = error.args[0].splitlines()
    compared = set(watch.state(item.config).compared)
    reasons = [line.strip() for line in lines if line.strip() in compared]
    if _raised_by_a_mock(excinfo):
        reasons = [OF_MOCKS] if any(watched.events() for watched in watch.state(item.config).runtimes) else []
    elif not reasons:
        found = dict.fromkeys(re.findall(_HANDLE, error.args[0]))
        reasons = [reason for reason in (_reason(item, request_id) for request_id in found) if reason]
    if reasons and lines[0] not in reasons:
        excinfo.exconly(tryshort=True)  # some versions of pytest look at the beginning of the text here, once for all
        rest = [line for line in lines if line.strip() not in compared]
        error.args = ("\n".join([*reasons, *rest]), *error.args[1:])


def _cause_of_another_error(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """What is behind an error that is no assertion: a return value that is None, a patch of what is not here."""
    error, runtimes = excinfo.value, watch.state(item.config).runtimes
    if isinstance(error, (TypeError, AttributeError)) and "NoneType" in str(error):
        if "return_value" not in str(excinfo.traceback[-1].statement):
            return ""
        reasons = [_reason(item, watched.runtime._session.read_as_none) for watched in runtimes]
        return next((f"return_value is None: {reason}" for reason in reasons if reason), "")
    if isinstance(error, ImportError) and error.name is not None:
        patches = any(entry.frame.f_globals.get("__name__") in _PATCHING for entry in excinfo.traceback)
        if patches and any(watched.has_module(error.name.partition(".")[0]) for watched in runtimes):
            return OF_MOCKS
    return ""


def explain_comparison(config: pytest.Config, op: str, left: object, right: object) -> list[str] | None:
    """For pytest_assertrepr_compare: the comparison of a status or status code, and why the event has that."""
    # Loaded by whoever made an event; where nobody did, there is nothing of ours to explain.
    assertions = sys.modules.get("pytest_scf.facade.assertions")
    if assertions is None:
        return None
    explanation: list[str] | None = assertions.explain(op, left, right)
    if explanation is not None:
        watch.state(config).compared = explanation[1:]
    return explanation


def _raised_by_a_mock(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    frame = excinfo.traceback[-1].frame
    if str(frame.f_globals.get("__name__")) != "unittest.mock":
        return False
    found: Any = frame.f_locals.get("self")
    while found is not None and "_scf_held" not in vars(found):
        found = vars(found).get("_mock_new_parent")
    return found is None  # else it is a stand-in, or belongs to one


def _reason(item: pytest.Item, request_id: str) -> str:
    from pytest_scf.facade.description import headline

    for watched in watch.state(item.config).runtimes:
        event = watched.find(request_id)
        if event is None:
            continue
        early = watched.read_early(request_id)
        if early:
            return f"the event was RUNNING when event.{early} was read: call event.wait() before"
        return "" if event.status in (facts.RUNNING, facts.FINISHED) else headline(event)
    return ""


def complete(item: pytest.Item, report: pytest.TestReport) -> None:
    """Add the section to a failed test's first failing report, or to that of a test that passed, if it is kept."""
    if report.when == "setup":
        # The same item runs again where another plugin repeats failed tests.
        item.stash[_SECTION] = (False, "")
    failed_before, text = item.stash.get(_SECTION, (False, ""))
    printed = watch.state(item.config).echo
    if printed is not None:
        printed.flush()
    if report.failed and not failed_before:
        text = _section(item, report.longreprtext)
        if text:
            from pytest_scf.plugin import artifacts

            try:
                kept = [str(directory) for directory in artifacts.keep(item)]
            except OSError as error:
                # Such as a full disk: the failure itself is to be told all the same.
                kept = [f"not kept: {error}"]
            text = "\n".join([text, *(f"artifacts: {each}" for each in kept)])
    elif report.when == "call" and report.passed and _output_is_kept(item.config):
        text = _section(item, "")
    elif report.when != "teardown" or report.failed:
        return
    # What writes JUnit files looks at the report of the teardown alone.
    item.stash[_SECTION] = (report.failed or failed_before, text)
    if text:
        report.sections.append((TITLE, text))


def _section(item: pytest.Item, said: str) -> str:
    return "\n".join(line for known in watch.state(item.config).runtimes for line in _describe_all(item, known, said))


def _output_is_kept(config: pytest.Config) -> bool:
    """Whether the output of tests that passed is printed (-rP) or written to a file."""
    option = config.option
    letters = getattr(option, "reportchars", "")
    return "P" in letters or "A" in letters or bool(getattr(option, "xmlpath", None) or getattr(option, "htmlpath", ""))


def _describe_all(item: pytest.Item, watched: watch.Watched, said: str) -> Iterator[str]:
    try:
        events = watched.events()
    except Exception as error:
        yield f"(the events cannot be listed: {error!r})"
        return
    mapped = set() if item.config.get_verbosity() > 0 else watched.runtime._session.mapped
    told_by_a_map = sum(event.request_id in mapped for event in events)
    if told_by_a_map:
        yield f"({told_by_a_map} events of termination maps left out, of which the maps tell; -v has them)"
        events = [event for event in events if event.request_id not in mapped]
    if len(events) > MOST_EVENTS:
        yield f"({len(events) - MOST_EVENTS} earlier events left out)"
    for event in events[-MOST_EVENTS:]:
        try:
            yield from _describe(event, item.config.get_verbosity() > 0, said)
        except Exception as error:
            # The test's own failure is what the user came for; ours must not take its place.
            yield f"(event {event.request_id} cannot be described: {error!r})"


def _describe(event: Event, verbose: bool, said: str) -> list[str]:
    from pytest_scf.facade import description

    lines = description.describe(event, verbose=verbose, said=said)
    told = {line.removeprefix("E").strip() for line in said.splitlines()}
    # The failure has told of it line by line: an assertion of ours, or a wait that ran out of time.
    if lines[0] in told and not verbose and all(line.strip() in told for line in lines[1:-1]):
        return [f"{lines[0]}: see above"]
    return lines


_STATES = r"(?m)^( *\+[\d.]+ m?s  | +)(?:(FINISHED)|(FAILED)|(ABORTED|RUNNING))\b.*"
_ERRORS = r"(?m)^(?!\s)(?!Traceback)[\w.]+(?:Error|Exception|Exit|Interrupt|Warning)\b.*"
_TITLES = r"(?m)^(?:event|invocation|asynchronous invocation) .*"


def colour(reporter: TerminalReporter) -> None:
    """Colour the sections just before they are printed; what others make of the reports stays plain text."""
    markup = reporter._tw.markup

    def of_state(found: re.Match[str]) -> str:
        _, finished, failed, _ = found.groups()
        start = found.start(0) + len(found[1])
        text = found.string[start : found.end(0)]
        return found[1] + markup(text, green=bool(finished), red=bool(failed), yellow=not (finished or failed))

    for reports in reporter.stats.values():
        for report in reports:
            for position, (name, text) in enumerate(getattr(report, "sections", ())):
                if name == TITLE and reporter._tw.hasmarkup:
                    text = re.sub(_STATES, of_state, text)
                    text = re.sub(_ERRORS, lambda found: markup(found[0], red=True), text)
                    text = re.sub(_TITLES, lambda found: markup(found[0], bold=True), text)
                    report.sections[position] = (name, text)


def _hide_our_frames() -> None:
    """pytest asks the globals of each frame whether it is to be left out, and tells them the error that went by."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pytest_scf."):
            module.__dict__.setdefault("__tracebackhide__", _is_of_no_interest)


def _is_of_no_interest(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """A frame of ours is of interest where the error is a bug of ours."""
    from pytest_scf.errors import ScfError

    if isinstance(excinfo.value, (ScfError, AssertionError)):
        return True
    trace = excinfo.value.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is None or not str(trace.tb_frame.f_globals.get("__name__", "")).startswith("pytest_scf.")
