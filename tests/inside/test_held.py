"""A held call that the function leaves."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime
from pytest_scf.facade.probing.connections import ConnectionEvent

LEFT = """
import signal
import cos

class Stopped(Exception):
    pass

def on_sigterm(signum, frame):
    raise Stopped

signal.signal(signal.SIGTERM, on_sigterm)

def main_handler(event, context):
    try:
        cos.put("a", 1)
    except Stopped:
        cos.wait()
        return "not stored"
    return "stored"
"""
CANCELLED = """
import asyncio
import cos

async def work():
    try:
        await asyncio.wait_for(cos.fetch("a", 1), 0.05)
    except asyncio.TimeoutError:
        cos.wait()
        return "not stored"

def main_handler(event, context):
    return asyncio.new_event_loop().run_until_complete(work())
"""
COS = "def put(key, value): pass\nasync def fetch(key, value): pass\ndef wait(): pass\n"


@pytest.mark.parametrize(("source", "name"), [(LEFT, "put"), (CANCELLED, "fetch")], ids=["signal handler", "cancelled"])
def test_a_call_that_the_function_has_left_is_over(
    scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path, source: str, name: str
) -> None:
    (tmp_path / "index.py").write_text(source)
    (tmp_path / "cos.py").write_text(COS)
    rt = scf_runtime_of("namespaces")
    fn = rt.deploy(tmp_path, async_run=True, timeout=60)
    store: dict[str, int] = {}
    put, after = fn.stub(f"cos.{name}", side_effect=store.__setitem__), fn.stub("cos.wait")
    with put.held() as call, after.held() as later:
        event = fn.invoke_async()
        call.wait()
        if name == "put":
            event.terminate(graceful=True)
        later.wait()
        # The call that it is in now may be known of before the end of the other is.
        deadline = time.monotonic() + 30
        while f"cos.{name}" in event.diagnosis:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert "it is held in the call of cos.wait" in event.diagnosis
        call.release()
        later.release()
        event.assert_finished("not stored")
    rt.close()
    assert store == {}


def test_what_is_over_by_the_time_it_is_released_is_over() -> None:
    latch = ConnectionEvent()
    ours, theirs = socket.socketpair()
    with ours:
        latch.set()
        assert latch.wait_beside(ours)
        theirs.close()
        assert not latch.wait_beside(ours)
