"""``breakpoint()`` where there is no terminal: standard input is empty, so a debugger would quit at once."""

import os
import sys

MYPY = False
if MYPY:  # for the type comments only
    from typing import Any  # noqa: F401

ADVICE = (
    "breakpoint() opens pdb on the terminal that pytest runs in, and there is none here: run pytest in a terminal and "
    "without pytest-xdist (-n 0)"
)


def explain():
    # type: () -> None
    """Have ``breakpoint()`` explain that, unless PYTHONBREAKPOINT in the function's environment says what it does."""
    if hasattr(sys, "breakpointhook") and "PYTHONBREAKPOINT" not in os.environ:
        sys.breakpointhook = _refuse


def _refuse(*args, **kwargs):  # type: ignore[no-untyped-def]
    raise RuntimeError(ADVICE)
