"""What works inside an instance, beside a run without it. ``python -m benchmarks.inside [PYTHON]`` prints it.

PYTHON is the version that runs the functions, by default the test's own; from 3.12 on lines are seen by sys.monitoring.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterable

from pytest_scf import ScfRuntime
from pytest_scf.facade.probing import function_probe
from pytest_scf.facade.probing.plans import Plan

RUNS = 15
LINES = 10_000
#: two moments for each of these, and those around the loop
ROUNDS = 495
#: "bare": lines that do next to nothing, so all there is to see is the price of seeing them; "work": such as one writes
SOURCE = """
import json
import time

def bare(lines):
    total = 0
    for n in range(lines // 2):
        total += n % 7

def work(lines):
    rows = []
    for n in range(lines // 4):
        row = {"id": n, "name": str(n), "tags": ["a", "b"]}
        text = json.dumps(row)
        rows.append(json.loads(text))

def main_handler(event, context):
    began = time.process_time()
    globals()[event["what"]](event["lines"])
    return time.process_time() - began
"""
WORKER = """
import signal

class Stopped(Exception):
    pass

def on_sigterm(signum, frame):
    raise Stopped

def main_handler(event, context):
    signal.signal(signal.SIGTERM, on_sigterm)
    done = []
    try:
        for n in range(event["count"]):
            done.append(n)
    except Stopped:
        pass
    return len(done)
"""
STUB = """
import time

def act(n):
    pass

def main_handler(event, context):
    began = time.perf_counter()
    for n in range(event):
        act(n)
    return (time.perf_counter() - began) / event
"""


def _median(values: Iterable[float]) -> float:
    return statistics.median(list(values))


def main(python: str | None = None) -> None:
    with ScfRuntime() as runtime:
        plain, fn = (runtime.deploy(SOURCE, python=python, timeout=60, async_run=True) for _ in range(2))
        probe = function_probe.trace(fn._session, fn._record)
        for what in ("bare", "work"):
            event = {"what": what, "lines": LINES}
            without, recorded, after = [], [], []
            for _ in range(RUNS):
                without.append(plain.invoke_async(event).wait().return_value)
                invocation = probe.begin(Plan(record=True), lambda event=event: fn._begin(event))
                runtime._platform.wait_final(invocation)
                recorded.append(float(invocation.attempt.ret_msg))
                after.append(fn.invoke_async(event).wait().return_value)
            seconds = _median(without)
            print(f"{LINES} lines, {what}: {seconds * 1000:.2f} ms of a processor", end="")
            print(f"; recorded x{_median(recorded) / seconds:.1f}; not, after that x{_median(after) / seconds:.1f}")
        worker = runtime.deploy(WORKER, python=python, async_run=True)
        for graceful in (True, False):
            began = time.perf_counter()
            found = worker.termination_map({"count": ROUNDS}, graceful=graceful)
            seconds = time.perf_counter() - began
            print(f"{len(found.moments)} moments, {'graceful' if graceful else 'forced'}: {seconds:.2f} s")
        stubbed = runtime.deploy(STUB, python=python, timeout=60)
        stubbed.stub("index.act").return_value = None
        calls = [stubbed.invoke(300).return_value for _ in range(5)]
        print(f"a call of a stand-in: {_median(calls) * 1e6:.0f} us")


if __name__ == "__main__":
    main(*sys.argv[1:])
