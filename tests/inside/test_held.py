"""Held calls: what is done meanwhile, and those that the function leaves."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ScfRuntime, WaitTimeout
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


def test_a_call_is_held_while_the_event_is_terminated_gracefully(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader, async_run=True)
    put, abort = fn.stub("index.client.put_object"), fn.stub("index.client.abort")
    with put.held() as call:
        event = fn.invoke_async({"key": "k"})
        call.wait()
        assert call.reached
        assert call.kwargs == {"Key": "k"}
        put.assert_called_once_with("bucket", Key="k")
        event.terminate(graceful=True)
        # The signal handler runs in the middle of the call, which is still held.
        event.assert_finished("interrupted")
    abort.assert_called_once_with("k")
    assert "stopping" in event.logs.user


def test_a_call_is_held_and_let_go(each_way: ScfRuntime, uploader: Path) -> None:
    """The signal handler returns, and the call goes on, as a system call that is taken up again does."""
    (uploader / "index.py").write_text((uploader / "index.py").read_text().replace("    raise KeyboardInterrupt\n", ""))
    fn = each_way.deploy(uploader, async_run=True)
    put = fn.stub("index.client.put_object")
    put.return_value = {"ETag": "whole"}
    with put.held() as call:
        event = fn.invoke_async({"key": "k"})
        call.wait()
        event.terminate(graceful=True)
        event.wait_for_log("stopping")
        assert event.status == "RUNNING"
    event.assert_finished("whole")
    fn.invoke_async({"key": "l"}).assert_finished("whole")


def test_a_call_is_held_while_the_event_is_terminated_by_force(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader, async_run=True)
    put = fn.stub("index.client.put_object")
    with put.held() as call:
        event = fn.invoke_async({"key": "k"})
        call.wait()
        event.terminate()
        event.assert_aborted()
    put.return_value = {"ETag": "next"}
    fn.invoke_async({"key": "k"}).assert_finished("next")


def test_a_wait_for_an_event_that_is_held_says_where(scf_runtime_of: Callable[..., ScfRuntime], uploader: Path) -> None:
    fn = scf_runtime_of("namespaces").deploy(uploader, async_run=True)
    put = fn.stub("index.client.put_object")
    with put.held() as call:
        event = fn.invoke_async({"key": "k"})
        call.wait()
        with pytest.raises(WaitTimeout, match=r"RUNNING: it is held in the call of index\.client\.put_object, until"):
            event.wait(0)
        event.terminate()


def test_a_call_that_does_not_come(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader)
    put = fn.stub("index.client.put_object")
    with put.held() as call, pytest.raises(WaitTimeout, match=r"nobody called index\.client\.put_object within 0 s"):
        call.wait(0)
    put.return_value = {"ETag": "free"}
    assert fn.invoke({"key": "k"}).return_value == "free"


def test_a_runtime_closes_while_a_call_is_held_or_a_side_effect_runs(each_way: ScfRuntime, uploader: Path) -> None:
    fn = each_way.deploy(uploader, async_run=True)
    put = fn.stub("index.client.put_object")
    with put.held() as call:
        fn.invoke_async({"key": "k"})
        call.wait()
        each_way.close()
