"""What a termination map is asked with."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_scf.errors import UsageError
from pytest_scf.facade.termination_map.moments import AnyMoment, check_occurrences

Prepare = Callable[[AnyMoment], object]
Check = Callable[..., object]

#: seconds; the system waits no longer than about 100 times that
_LONGEST = 86400 * 365

_LOG_LINE = re.compile(r"log:[1-9]\d*")


@dataclass(frozen=True)
class Options:
    """What ``Function.termination_map`` takes; see there."""

    graceful: bool = True
    check: Check | None = None
    prepare: Prepare | None = None
    resume: bool = False
    occurrences: str = "all"
    limit: int | None = 1000
    moments: str = "lines"
    only: str | Sequence[str] | None = None
    fresh: bool = False
    parallel: int | None = None
    timeout: float = 10.0
    record_for: float = 5.0

    def validate(self) -> None:
        """Raises UsageError."""
        check_occurrences(self.occurrences, self.limit)
        for name in ("graceful", "resume", "fresh"):
            if not isinstance(getattr(self, name), bool):
                raise UsageError(f"{name} must be True or False, not {getattr(self, name)!r}")
        if self.moments not in ("lines", "log"):
            raise UsageError(f"moments is 'lines' or 'log', not {self.moments!r}")
        for name in ("check", "prepare"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                raise UsageError(f"{name} is a function, not {getattr(self, name)!r}")
        _check_takes("prepare", self.prepare, ["moment"])
        _check_takes("check", self.check, ["event", *(["resumed"] if self.resume else []), "moment"])
        for name in ("timeout", "record_for"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= _LONGEST:
                raise UsageError(f"{name} is a number of seconds above 0, and at most {_LONGEST}, not {value!r}")
        if self.parallel is not None and (
            isinstance(self.parallel, bool) or not isinstance(self.parallel, int) or self.parallel < 1
        ):
            raise UsageError(f"parallel is a number of moments at a time, 1 or more; got {self.parallel!r}")
        if self.only is not None and not (self.only and isinstance(self.only, (str, list, tuple))):
            raise UsageError(f"only takes moments such as 'index.py:31#5', one or a list of them; got {self.only!r}")
        if self.moments == "lines" and any(_LOG_LINE.fullmatch(str(name)) for name in self.names):
            raise UsageError(
                f"only={self.only!r} names lines of the log: ask for moments='log' (in a shell: --log), too"
            )
        if self.moments == "log" and not all(_LOG_LINE.fullmatch(str(name)) for name in self.names):
            raise UsageError(f"with moments='log' only takes lines of the log such as 'log:2', got {self.only!r}")

    def arguments(self) -> str:
        """What a call that runs one of the moments again gives, as text, without ``only``."""
        given = [f"graceful={self.graceful}"]
        for name in ("resume", "check", "prepare", "moments", "timeout", "record_for"):
            value = getattr(self, name)
            if value != getattr(Options, name):
                given.append(f"{name}={name if callable(value) else repr(value)}")
        return ", ".join(given)

    @property
    def names(self) -> list[str]:
        """What ``only`` names."""
        return [self.only] if isinstance(self.only, str) else list(self.only or ())


def _check_takes(name: str, function: Callable[..., object] | None, arguments: list[str]) -> None:
    if function is None:
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*arguments)
    except TypeError:
        more = ", since resume is True" if "resumed" in arguments else ""
        raise UsageError(f"{name} is called with ({', '.join(arguments)}){more}; it takes {signature}") from None
