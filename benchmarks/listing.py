"""A page of 20 events among 10,000, beside the same among 100. ``python -m benchmarks`` prints it as well."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from pytest_scf import ScfRuntime
from pytest_scf.contract.api import Api
from pytest_scf.platform.functions import FunctionRecord
from pytest_scf.platform.outcomes import Outcome
from pytest_scf.platform.records import Invocation

FEW, MANY = 100, 10_000
RUNS = 500
ENDS = ("FINISHED", "FAILED", "ABORTED")
CASES: dict[str, dict[str, Any]] = {
    "the latest": {},
    "the first": {"Order": "ASC"},
    "by their end": {"Orderby": "EndTime"},
    "of two statuses": {"Status": ["FAILED", "ABORTED"]},
    "of one type": {"InvokeType": ["COS"]},
    "in the middle": {"Offset": 40},
}


def fill(runtime: ScfRuntime, name: str, count: int) -> None:
    """Events as they are remembered, without the processes that they would have had."""
    source = "def main_handler(event, context):\n    return event\n"
    function: FunctionRecord = runtime.deploy(source, name=name, async_run=True)._record
    store, now = runtime._platform.events, runtime.clock.now()
    for number in range(count):
        event = Invocation(
            f"{name}-{number}",
            function,
            asynchronous=True,
            invoke_type=("OTHERS", "COS", "CMQ")[number % 3],
            qualifier="$LATEST",
            start_time=now - count + number,
        )
        store.add(event)
        if number % 4:
            outcome = Outcome(ENDS[number % 4 - 1], 200, "made")
            event.attempt.conclude(outcome, now - count + number + (number * 7) % 11)
            event.attempt.publish()
            store.finish(event)


def timed(calls: list[Callable[[], object]]) -> list[float]:
    """Median seconds of each, taken in turns so that they share what the machine does meanwhile."""
    found: list[list[float]] = [[] for _ in calls]
    for _ in range(RUNS):
        for call, times in zip(calls, found, strict=True):
            began = time.perf_counter()
            call()
            times.append(time.perf_counter() - began)
    return [statistics.median(times) for times in found]


def asking(api: Api, name: str, params: dict[str, Any]) -> Callable[[], object]:
    return lambda: api.call("ListAsyncEvents", {"FunctionName": name, **params})


def main() -> None:
    runtime = ScfRuntime()
    try:
        for name, count in (("few", FEW), ("many", MANY)):
            fill(runtime, name, count)
        for case, params in CASES.items():
            few, many = timed([asking(runtime.api, name, params) for name in ("few", "many")])
            print(f"20 events, {case:16} {many * 1e3:.3f} ms among {MANY}, {many / few:.2f}x of that among {FEW}")
    finally:
        runtime.close()


if __name__ == "__main__":
    main()
