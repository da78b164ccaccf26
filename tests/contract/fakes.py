"""A platform that is nothing but a memory: for what the contract decides by itself, without processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_scf import api_errors

START = 1_700_000_000.0  # 2023-11-14 22:13:20 UTC


@dataclass
class FakeConfig:
    name: str
    async_run: bool = False


@dataclass(eq=False)
class FakeFunction:
    config: FakeConfig
    namespace: str = "default"


class FakeLog:
    def tail(self, size: int) -> bytes:
        return b"\xa9 the last " + str(size).encode()  # begins within a character


@dataclass(eq=False)
class FakeEvent:
    function: FakeFunction
    request_id: str
    payload: bytes = b"{}"
    qualifier: str = "$LATEST"
    asynchronous: bool = True
    invoke_type: str = "OTHERS"
    status: str = "RUNNING"
    status_code: int = 0
    start_time: float = START
    end_time: float | None = None
    ret_msg: str = ""
    err_msg: str = ""
    memory_bytes: int = 0
    duration_ms: float = 0.0
    bill_duration_ms: int = 0
    log: FakeLog = field(default_factory=FakeLog)

    @property
    def final(self) -> bool:
        return self.status != "RUNNING"


@dataclass(frozen=True)
class FakeSettings:
    utc_offset_hours: float = 8.0


class FakeFunctions:
    def __init__(self) -> None:
        self.known: dict[tuple[str, str], FakeFunction] = {}

    def add(self, name: str, *, async_run: bool = False, namespace: str = "default") -> FakeFunction:
        function = FakeFunction(FakeConfig(name, async_run), namespace)
        self.known[namespace, name] = function
        return function

    def get(self, namespace: str, name: str, qualifier: str = "$LATEST") -> FakeFunction:
        function = self.known.get((namespace, name))
        if function is None:
            raise api_errors.ResourceNotFoundFunction(f"no function {name}")
        if qualifier != "$LATEST":
            raise api_errors.ResourceNotFoundQualifier(f"no version {qualifier}")
        return function


class FakeEvents:
    def __init__(self) -> None:
        self.known: dict[str, FakeEvent] = {}

    def get(self, request_id: str) -> FakeEvent:
        if request_id not in self.known:
            raise api_errors.ResourceNotFoundAsyncEvent(f"no event {request_id}")
        return self.known[request_id]

    def tracked(self, function: FakeFunction) -> list[FakeEvent]:
        return [event for event in self.known.values() if event.function is function and event.asynchronous]


class FakePlatform:
    """``outcome`` is done to each event when it is waited for."""

    def __init__(self, outcome: Callable[[FakeEvent], object] | None = None) -> None:
        self.settings = FakeSettings()
        self.functions = FakeFunctions()
        self.events = FakeEvents()
        self.outcome = outcome or finish
        self.terminated: list[tuple[FakeEvent, bool]] = []
        self._numbers = itertools.count()

    def invoke(
        self,
        function: FakeFunction,
        payload: bytes,
        *,
        asynchronous: bool,
        qualifier: str,
        invoke_type: str = "OTHERS",
        request_id: str | None = None,
    ) -> FakeEvent:
        return self.add(
            function,
            request_id or f"event-{next(self._numbers)}",
            payload=payload,
            asynchronous=asynchronous,
            qualifier=qualifier,
            invoke_type=invoke_type,
        )

    def add(self, function: FakeFunction, request_id: str, **attributes: Any) -> FakeEvent:
        event = FakeEvent(function, request_id, **attributes)
        self.events.known[request_id] = event
        return event

    def wait(self, event: FakeEvent, predicate: Callable[[FakeEvent], Any], timeout: float | None) -> Any:
        assert timeout is None
        self.outcome(event)
        found = predicate(event)
        assert found
        return found

    def terminate(self, event: FakeEvent, graceful: bool) -> None:
        if event.final:
            raise api_errors.FailedOperationAsyncEventStatus(f"{event.request_id} is {event.status}")
        self.terminated.append((event, graceful))


def finish(event: FakeEvent) -> None:
    event.status, event.status_code, event.end_time = "FINISHED", 200, START + 1
    event.ret_msg = '"END"'
    event.duration_ms, event.bill_duration_ms, event.memory_bytes = 1.5, 2, 4096


def fail(event: FakeEvent) -> None:
    event.status, event.status_code, event.end_time = "FAILED", 430, START + 1
    event.ret_msg = event.err_msg = '{"errorCode":-1,"statusCode":430}'
