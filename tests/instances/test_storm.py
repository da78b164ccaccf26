"""Hundreds of instances end at once, in each way, while hundreds start: everything returns, and nothing is left."""

from __future__ import annotations

import resource
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kinds import only

from pytest_scf import ScfRuntime

#: instances that run before, and instances that start meanwhile
COUNT = 800
THREADS = 4
#: seconds that a thread may take on a machine under heavy load
DEADLINE = 240

HANDLER = """
import os
import socket
import time

def main_handler(event, context):
    if event["gate"]:
        try:
            socket.create_connection(("127.0.0.1", event["gate"])).recv(1)
        except ConnectionError:
            pass  # it is opened for all at once by ending the connections
    if event["how"] == "crash":
        os._exit(3)
    if event["how"] == "answer":
        return "answer"
    time.sleep(600)
"""
EXPECTED = {
    "answer": {("FINISHED", 200)},
    "crash": {("FAILED", 439)},
    "timeout": {("FAILED", 433)},
    "terminate": {("ABORTED", 499)},
    "kill": {("FAILED", 500)},
}


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many as this process may have: an instance takes three, and those that wait at the gate one more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 8 * COUNT:
        pytest.skip(f"a process may have {hard} open files only (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@only(start_method="fork", pidfd=True)
def test_many_end_at_once_while_many_start(open_runtime: Callable[..., ScfRuntime], descriptors: None) -> None:
    rt = open_runtime(max_instances=2 * COUNT)
    settings: dict[str, Any] = {"async_run": True, "memory": 3072}
    long, short = rt.deploy(HANDLER, timeout=600, **settings), rt.deploy(HANDLER, timeout=4, **settings)

    def start(how: str, gate: int = 0) -> tuple[str, Any]:
        return how, (short if how == "timeout" else long).invoke_async({"how": how, "gate": gate})

    gate = socket.create_server(("127.0.0.1", 0), backlog=COUNT)
    port = gate.getsockname()[1]
    running = [start(how, port) for _ in range(COUNT // len(EXPECTED)) for how in EXPECTED]
    for _how, event in running:
        process = event.instance._record.process_if_alive
        if process is not None:  # on a slow machine some have timed out before the last are there
            process.wait_for_user_process(DEADLINE)
    started: list[tuple[str, Any]] = []

    def start_more() -> None:
        for _ in range(COUNT // THREADS // 2):
            started.extend(start(how) for how in ("answer", "crash"))

    def terminate() -> None:
        for how, event in running:
            if how == "terminate":
                event.terminate()

    threads = [threading.Thread(target=work, daemon=True) for work in (*[start_more] * THREADS, terminate)]
    for thread in threads:
        thread.start()
    gate.close()
    for how, event in running:
        if how == "kill":
            event.instance._record.process.kill()
    for thread in threads:
        thread.join(DEADLINE)
    assert not any(thread.is_alive() for thread in threads)
    seen = Counter((how, event.wait(DEADLINE).status, event.status_code) for how, event in running + started)
    assert sum(seen.values()) == 2 * COUNT
    assert {key for key in seen if key[1:] not in EXPECTED[key[0]]} == set(), seen
    rt.close()
