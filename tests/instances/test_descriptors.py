"""The test process runs out of descriptors: what is refused says so, and all that runs can still be ended."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from kinds import LEVELS

#: every limit is tried where this is set, which takes minutes
STEP = 1 if "SCF_EVERY_LIMIT" in os.environ else 16

RUNS_OUT = """
    import json, os, resource, sys
    import psutil
    from pytest_scf import ScfError, ScfRuntime

    HANDLER = '''
    import signal, time
    def main_handler(event, context):
        signal.signal(signal.SIGTERM, lambda *args: None)
        print("stays")
        time.sleep(600)
    '''

    def open_descriptors():
        return len(os.listdir("/proc/self/fd")) - 1

    def run_out(functions, events):
        refused, unexpected, ended = [], [], []
        with ScfRuntime(isolation=sys.argv[1], max_instances=functions * events) as rt:
            deployed = [rt.deploy(HANDLER, async_run=True, timeout=600) for _ in range(functions)]
            running = []
            for _ in range(events):
                for fn in deployed:
                    try:
                        running.append(fn.invoke_async({}))
                    except ScfError as error:
                        refused.append(str(error))
            for number, event in enumerate(running):
                try:
                    if number % 2:
                        event.instance._record.process.kill()
                    else:
                        event.terminate()
                except ScfError as error:
                    unexpected.append(f"{type(error).__name__}: {error}")
            for event in running:
                event.wait(60)
                ended.append([event.status, event.status_code, event.diagnosis])
        return {"refused": refused, "unexpected": unexpected, "ended": ended}

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    start, stop, step, functions, events = map(int, sys.argv[2:])
    run_out(1, 1)  # what is loaded or opened once, is by now
    found = {}
    for limit in range(start, stop, step):
        before = open_descriptors()
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            seen = run_out(functions, events)
        except ScfError as error:
            seen = {"start": f"{type(error).__name__}: {error}"}
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
        seen["leaked"] = open_descriptors() - before
        seen["processes"] = [str(each) for each in psutil.Process().children(recursive=True)]
        found[limit] = seen
    print(json.dumps(found))
"""


def check(found: dict[str, Any], instances: int) -> None:
    for limit, seen in found.items():
        assert (seen["leaked"], seen["processes"]) == (0, []), limit
        if "start" in seen:
            assert "Too many open files" in seen["start"], limit
            continue
        assert seen["unexpected"] == [], limit
        assert all("Too many open files" in error and "ulimit -n" in error for error in seen["refused"]), seen
        assert len(seen["refused"]) + len(seen["ended"]) == instances
        for status, code, diagnosis in seen["ended"]:
            assert (status, code) == ("ABORTED", 499) or (status, code) == ("FAILED", 500), (limit, diagnosis)


@pytest.mark.parametrize("level", LEVELS)
def test_at_a_low_limit_new_instances_are_refused_and_the_others_still_end(
    need: Callable[[str], None], script: Callable[..., Any], level: str
) -> None:
    need(level)
    found = script(RUNS_OUT, level, "32", "129", str(STEP), "1", "20")
    assert len(found) == len(range(32, 129, STEP))
    check(found, 20)
    assert found["32"].get("start") or found["32"]["refused"], "the limit is not in force"
    assert found["128"]["ended"]


def test_at_the_usual_limit_hundreds_run_and_the_others_are_refused(script: Callable[..., Any]) -> None:
    found = script(RUNS_OUT, "auto", "1024", "1025", "1", "5", "100")
    check(found, 500)
    assert found["1024"]["refused"]
    assert len(found["1024"]["ended"]) > 200
