"""Run Tencent Cloud SCF functions under pytest, unchanged, and terminate them both ways.

The names below are loaded when first used, so that a test run which never touches them pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_scf.contract.api import Api
    from pytest_scf.endpoint.server import Endpoint
    from pytest_scf.errors import (
        ApiError,
        BackgroundError,
        EventEnded,
        ForkServerError,
        InstanceError,
        InvalidSetting,
        IsolationUnavailable,
        IsolationWarning,
        LeftRunningWarning,
        ScfError,
        ScfWarning,
        UsageError,
        WaitTimeout,
        WebSocketClosed,
    )
    from pytest_scf.facade.asynchronous import AsyncEvent, AsyncFunction
    from pytest_scf.facade.handles import Event, Function, Instance, InvokeResult
    from pytest_scf.facade.log_handle import Logs
    from pytest_scf.facade.runtime import ScfRuntime
    from pytest_scf.facade.values import LogLine, Provisioned, Transition
    from pytest_scf.facade.web import Response
    from pytest_scf.facade.websocket import WebSocket
    from pytest_scf.platform.clock import Clock
    from pytest_scf.platform.settings import Settings

__all__ = [
    "Api",
    "ApiError",
    "AsyncEvent",
    "AsyncFunction",
    "BackgroundError",
    "Clock",
    "Endpoint",
    "Event",
    "EventEnded",
    "ForkServerError",
    "Function",
    "Instance",
    "InstanceError",
    "InvalidSetting",
    "InvokeResult",
    "IsolationUnavailable",
    "IsolationWarning",
    "LeftRunningWarning",
    "LogLine",
    "Logs",
    "Provisioned",
    "Response",
    "ScfError",
    "ScfRuntime",
    "ScfWarning",
    "Settings",
    "Transition",
    "UsageError",
    "WaitTimeout",
    "WebSocket",
    "WebSocketClosed",
]

if not TYPE_CHECKING:  # a type checker is to refuse a name that is not above
    _HOMES = {
        "Api": "pytest_scf.contract.api",
        "ApiError": "pytest_scf.errors",
        "AsyncEvent": "pytest_scf.facade.asynchronous",
        "AsyncFunction": "pytest_scf.facade.asynchronous",
        "BackgroundError": "pytest_scf.errors",
        "Clock": "pytest_scf.platform.clock",
        "Endpoint": "pytest_scf.endpoint.server",
        "Event": "pytest_scf.facade.handles",
        "EventEnded": "pytest_scf.errors",
        "ForkServerError": "pytest_scf.errors",
        "Function": "pytest_scf.facade.handles",
        "Instance": "pytest_scf.facade.handles",
        "InstanceError": "pytest_scf.errors",
        "InvalidSetting": "pytest_scf.errors",
        "InvokeResult": "pytest_scf.facade.handles",
        "IsolationUnavailable": "pytest_scf.errors",
        "IsolationWarning": "pytest_scf.errors",
        "LeftRunningWarning": "pytest_scf.errors",
        "LogLine": "pytest_scf.facade.values",
        "Logs": "pytest_scf.facade.log_handle",
        "Provisioned": "pytest_scf.facade.values",
        "Response": "pytest_scf.facade.web",
        "ScfError": "pytest_scf.errors",
        "ScfRuntime": "pytest_scf.facade.runtime",
        "ScfWarning": "pytest_scf.errors",
        "Settings": "pytest_scf.platform.settings",
        "Transition": "pytest_scf.facade.values",
        "UsageError": "pytest_scf.errors",
        "WaitTimeout": "pytest_scf.errors",
        "WebSocket": "pytest_scf.facade.websocket",
        "WebSocketClosed": "pytest_scf.errors",
    }

    def __getattr__(name):
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        value = getattr(importlib.import_module(home), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted(set(globals()) | set(_HOMES))
