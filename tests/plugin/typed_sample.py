"""A user's tests as type checkers read them: see ``test_types``. Never run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typing_extensions import assert_type

from pytest_scf import (
    Api,
    ApiError,
    AsyncEvent,
    Clock,
    Endpoint,
    Event,
    Function,
    Instance,
    InvokeResult,
    Logs,
    Response,
    ScfRuntime,
    Settings,
    Transition,
    UsageError,
)
from pytest_scf.api_errors import ResourceNotFoundAsyncEvent


@pytest.fixture(scope="session")
def scf_settings() -> Mapping[str, Any]:
    return {"utc_offset_hours": 0}


@pytest.fixture
def worker(scf_runtime: ScfRuntime) -> Function:
    return scf_runtime.deploy("functions/worker", async_run=True, environment={"A": "1"})


def test_event(worker: Function) -> None:
    event = worker.invoke_async({"job": 7})
    assert_type(event, Event)
    assert_type(event.wait(timeout=5), Event)
    assert_type(event.status, str)
    assert_type(event.status_code, int)
    assert_type(event.return_value, Any)
    assert_type(event.start_time, datetime)
    assert_type(event.end_time, datetime | None)
    assert_type(event.wait_for_log(r"job (\d)"), re.Match[str])
    assert_type(event.logs, Logs)
    assert_type(event.log, str)
    assert_type(event.logs.text, str)
    assert_type([line.text for line in event.logs.lines], list[str])
    assert_type(event.transitions, list[Transition])
    assert_type(event.transitions[0].time, datetime)
    assert_type(event.traceback, str)
    assert_type(event.instance, Instance)
    assert_type(event.instance.tmp, Path)
    assert_type(event.instance.pid, int | None)
    event.terminate(graceful=True)
    event.assert_finished({"job": 7}, timeout=3)
    assert_type(event.assert_logged("x"), re.Match[str])


def test_result(worker: Function) -> None:
    result = worker.invoke()
    assert_type(result, InvokeResult)
    assert_type(result.log, str)
    assert_type(result.logs, Logs)
    assert_type(result.status, str)
    assert_type(result.duration, float)
    assert_type(result.memory, int)
    assert_type(result.error, dict[str, Any] | None)


def test_web(scf_runtime: ScfRuntime) -> None:
    response = scf_runtime.deploy_web("site").request("GET", "/", headers={"Accept": "*/*"})
    assert_type(response, Response[InvokeResult])
    assert_type(response.status_code, int)
    assert_type(response.content, bytes)


def test_runtime(scf_runtime: ScfRuntime, scf_endpoint: Endpoint) -> None:
    assert_type(scf_runtime.clock, Clock)
    assert_type(scf_runtime.api, Api)
    assert_type(scf_runtime.settings, Settings)
    assert_type(scf_runtime.events(), list[Event])
    scf_runtime.clock.advance(hours=72)
    assert_type(scf_runtime.api.call("ListFunctions"), dict[str, Any])
    assert_type(scf_endpoint.url, str)
    assert_type(scf_endpoint.port, int)
    with pytest.raises(ResourceNotFoundAsyncEvent) as caught:
        raise ResourceNotFoundAsyncEvent("x")
    assert_type(caught.value.code, str)
    assert issubclass(ResourceNotFoundAsyncEvent, ApiError)
    assert issubclass(UsageError, ValueError)


async def test_coroutines(worker: Function) -> None:
    event = worker.invoke_async()
    assert_type(await event, Event)
    assert_type(event.aio, AsyncEvent[Event])
    assert_type(await event.aio.wait_for_signal_handler(), Event)
    assert_type(await event.aio.wait_for_log("x"), re.Match[str])
    assert_type(await worker.aio.invoke(), InvokeResult)
