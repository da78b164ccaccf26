"""Run Tencent Cloud SCF functions under pytest, unchanged, and terminate them both ways.

The names below are loaded when first used, so that a test run which never touches them pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_scf.errors import (
        ApiError,
        BackgroundError,
        EventEnded,
        ForkServerError,
        InstanceError,
        IsolationUnavailable,
        IsolationWarning,
        LeftRunningWarning,
        ScfError,
        ScfWarning,
        UsageError,
        WaitTimeout,
    )
    from pytest_scf.facade.handles import Event, Function, Instance, InvokeResult
    from pytest_scf.facade.runtime import ScfRuntime

_HOMES = {
    "ScfRuntime": "pytest_scf.facade.runtime",
    "Event": "pytest_scf.facade.handles",
    "Function": "pytest_scf.facade.handles",
    "Instance": "pytest_scf.facade.handles",
    "InvokeResult": "pytest_scf.facade.handles",
    "ApiError": "pytest_scf.errors",
    "BackgroundError": "pytest_scf.errors",
    "EventEnded": "pytest_scf.errors",
    "ForkServerError": "pytest_scf.errors",
    "InstanceError": "pytest_scf.errors",
    "IsolationUnavailable": "pytest_scf.errors",
    "IsolationWarning": "pytest_scf.errors",
    "LeftRunningWarning": "pytest_scf.errors",
    "ScfError": "pytest_scf.errors",
    "ScfWarning": "pytest_scf.errors",
    "UsageError": "pytest_scf.errors",
    "WaitTimeout": "pytest_scf.errors",
}

__all__ = [
    "ApiError",
    "BackgroundError",
    "Event",
    "EventEnded",
    "ForkServerError",
    "Function",
    "Instance",
    "InstanceError",
    "InvokeResult",
    "IsolationUnavailable",
    "IsolationWarning",
    "LeftRunningWarning",
    "ScfError",
    "ScfRuntime",
    "ScfWarning",
    "UsageError",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_HOMES))
