"""How the moments of one line ended, in a few characters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_scf.facade.termination_map.moments import AnyMoment
from pytest_scf.facts import RUNNING


def marked(moments: Sequence[AnyMoment]) -> str:
    """How many moments of a line ended how: "3x200 1x430"; "439-": before a signal handler; "200!": check failed."""
    counts = Counter(_short(each) for each in moments)
    return " ".join(f"{count}x{outcome}" for outcome, count in counts.items())


def _short(moment: AnyMoment) -> str:
    outcome = {"not reached": "missed", RUNNING: "ran-on"}.get(moment.outcome) or moment.outcome.rpartition(" ")[2]
    if moment.unregistered:
        return f"{outcome}-"
    return outcome if moment.ok or not moment.error else f"{outcome}!"
