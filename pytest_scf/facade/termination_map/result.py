"""A termination map: what became of a function that was terminated at each of its moments."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic

from pytest_scf.facade.probing.lines import source_lines
from pytest_scf.facade.termination_map.marks import marked
from pytest_scf.facade.termination_map.moments import LOG, E, Moment, raised

#: failures that are described; the others are counted
_DESCRIBED = 10
#: characters of an event that are shown
_LONGEST_EVENT = 500


class TerminationMap(Generic[E]):
    """``fn.termination_map(...)`` gives it. ``str()`` of it is the annotated source, failures first."""

    def __init__(
        self,
        title: str,
        moments: list[Moment[E]],
        *,
        total: int,
        notes: list[str],
        root: Path,
        origins: Mapping[str, Path],
    ) -> None:
        self._title = title
        #: all that were run, in the order in which they come
        self.moments = moments
        #: how many there are; more than ``moments`` where those are bounded
        self.total = total
        #: what is to be known of how it was made, such as that the recording was cut
        self.notes = notes
        self._root = root
        self._origins = origins

    @property
    def failures(self) -> list[Moment[E]]:
        """The moments with which something is wrong, those that come first and soonest first."""
        return [each for each in self.moments if not each.ok]

    @property
    def by_line(self) -> dict[tuple[str, int], list[Moment[E]]]:
        """The moments of each line: (file, line), in the order of the source."""
        found: dict[tuple[str, int], list[Moment[E]]] = {}
        for moment in sorted(self.moments, key=lambda each: (each.file, each.line)):
            found.setdefault((moment.file, moment.line), []).append(moment)
        return found

    @property
    def unregistered(self) -> list[Moment[E]]:
        """The moments before the code had registered a signal handler, at which the signal ends the process (439)."""
        return [each for each in self.moments if each.unregistered]

    def assert_finished(self, *, strict: bool = False) -> None:
        """Every moment was reached and ended FINISHED; terminated by force, what was invoked again (``resume``) did.

        Moments before the code had registered a signal handler are left out, unless this is ``strict`` or there is no
        moment at which one was registered.
        """
        __tracebackhide__ = True
        judged = self
        if strict:
            judged = copy.copy(self)
            judged.moments = [dataclasses.replace(each) for each in self.moments]
            for moment in judged.moments:
                moment.excuse_nothing()
        judged._assert([each for each in judged.moments if each.is_unfinished()], "ended FINISHED")

    def assert_all(self, condition: Callable[[Moment[E]], object] | None = None) -> None:
        """``condition(moment)`` is true of every moment, and raises nothing; without one, ``check`` found nothing."""
        __tracebackhide__ = True
        if condition is None:
            self._assert(self.failures, "ended as it should")
            return
        judged = copy.copy(self)
        judged.moments = [_judged(moment, condition) for moment in self.moments]
        judged._assert([moment for moment in judged.moments if moment.problem], "met the condition")

    def subtests(self, subtests: Any) -> None:
        """A subtest for each moment, which fails where that is one of the ``failures``; under pytest's ``subtests``."""
        __tracebackhide__ = True
        self._assert([], "ended as it should")
        for moment in self.moments:
            with subtests.test(moment=moment.name):
                if not moment.ok:
                    raise AssertionError(moment.describe())

    def _assert(self, wrong: list[Moment[E]], wanted: str) -> None:
        __tracebackhide__ = True
        if not self.moments:
            nothing = f"{self._title}: no line of the function's code ran, so nothing was terminated"
            raise AssertionError("\n".join([nothing, *self.notes]))
        if wrong:
            found = f"found:  {len(wrong)} of {len(self.moments)} moments did not"
            raise AssertionError("\n".join([f"wanted: every moment {wanted}", found, *self._lines(wrong)]))

    def write_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the map as an HTML page, its lines coloured by outcome; gives the path."""
        from pytest_scf.facade.termination_map.page import page

        target = Path(path)
        target.write_text(page(self), encoding="utf-8", errors="backslashreplace")
        return target

    def sources(self) -> dict[str, list[str]]:
        """The lines of each file that has moments; of a log, the lines that were waited for."""
        found: dict[str, list[str]] = {}
        for file in dict.fromkeys(each.file for each in self.moments):
            if file == LOG:
                texts = {each.line: each.source for each in self.moments if each.file == LOG}
                found[file] = [texts.get(line, "") for line in range(1, max(texts) + 1)]
            else:
                found[file] = source_lines(self._root / file)
        return found

    def shown_name(self, file: str) -> str:
        return str(self._origins.get(file, file))

    @property
    def title(self) -> str:
        return self._title

    @property
    def summary(self) -> str:
        """One line: how many moments ended how."""
        counts = Counter(each.outcome for each in self.moments)
        ended = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        bounded = f" of {self.total}" if self.total != len(self.moments) else ""
        before = len(self.unregistered)
        early = f", {before} of them before a signal handler was registered" if before else ""
        return f"{len(self.moments)}{bounded} moments: {ended or 'none'}{early}; {len(self.failures) or 'no'} failures"

    def _lines(self, wrong: list[Moment[E]]) -> list[str]:
        lines = [self._title, self.summary, *self.notes]
        if wrong:
            lines += ["", "failures:"]
            for moment in smallest(wrong)[:_DESCRIBED]:
                lines += [f"  {line}" for line in moment.describe().splitlines()]
            if len(smallest(wrong)) > _DESCRIBED:
                lines.append(f"  and {len(smallest(wrong)) - _DESCRIBED} more")
        lines.append("")
        bad = {id(each) for each in wrong}
        by_line = self.by_line
        for file, source in self.sources().items():
            lines.append(f"{self.shown_name(file)}:")
            rows = []
            for number, text in enumerate(source, 1):
                moments = by_line.get((file, number), [])
                if file == LOG and not moments:
                    continue  # what it says is not known
                marks = marked(moments)
                rows.append((">" if any(id(each) in bad for each in moments) else " ", marks, number, text))
            width = max((len(row[1]) for row in rows), default=0)
            lines += [f"{mark} {marks:>{width}} {number:>4} | {text}".rstrip() for mark, marks, number, text in rows]
        return lines

    def __str__(self) -> str:
        return "\n".join(self._lines(self.failures))

    def __repr__(self) -> str:
        return f"<TerminationMap: {self.summary}>"


def _judged(moment: Moment[E], condition: Callable[[Moment[E]], object]) -> Moment[E]:
    """A copy of a moment with what the condition finds wrong, so that the next one finds it as it was."""
    problem, error = "", None
    try:
        if not condition(moment):
            problem = f"the condition does not hold: it ended {moment.outcome}"
    except KeyboardInterrupt:
        raise
    except BaseException as broken:  # pytest.fail() and pytest.skip() too
        problem, error = raised("the condition", broken), broken
    problem = moment.problem or problem
    return dataclasses.replace(
        moment, problem=problem, error=moment.error or error, checked=moment.checked or bool(problem)
    )


def smallest(wrong: list[Moment[E]]) -> list[Moment[E]]:
    """One example for each line and kind of end: the first time that it comes there."""
    found: dict[tuple[str, int, bool, str], Moment[E]] = {}
    for moment in wrong:
        found.setdefault((moment.file, moment.line, moment.blocked, moment.outcome), moment)
    return list(found.values())


def shown(event: Any, cut: str = "") -> str:
    """An event in a call that is to be copied: a name where it is long. With ``cut`` what it begins with, and that."""
    text = repr(event)
    if len(text) <= _LONGEST_EVENT:
        return text
    return text[:_LONGEST_EVENT] + cut if cut else "event"
