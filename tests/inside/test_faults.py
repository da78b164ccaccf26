"""Faults on purpose, undone at the end of their blocks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_scf import ApiError, ScfRuntime, UsageError

WORKER = """
import os
import signal
import time

def main_handler(event, context):
    if event == "write":
        try:
            with open("/tmp/" + context["request_id"], "wb") as file:
                file.write(b"x" * 10000)
        except OSError as error:
            return os.strerror(error.errno)
        return "written"
    if event != "wait":
        return "done"
    stop = []
    signal.signal(signal.SIGTERM, lambda *args: stop.append(1))
    print("working")
    while not stop:
        time.sleep(0.01)
    return "END"
"""


def test_a_cold_start_that_is_slow_or_fails(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(WORKER, init_timeout=1, async_run=True)
    fn.invoke_async().assert_finished("done")
    with each_way.faults.slow_start(fn, 0.2) as struck:
        event = fn.invoke_async()
        event.assert_finished("done")
        assert "[FAULT] this cold start takes 0.2 s longer" in event.logs.text
        assert struck.count == 1
        fn.invoke_async().assert_finished("done")
        assert struck.count == 1
    with each_way.faults.slow_start(fn, 30, times=1):
        slow = fn.invoke_async()
        slow.wait()
        assert slow.status == "FAILED"
        assert "InitTimeout of 1 s" in slow.diagnosis
        fn.invoke_async().assert_finished("done")
    with each_way.faults.failing_start(fn, "the layer is gone", times=2):
        for _ in range(2):
            failed = fn.invoke_async()
            failed.assert_failed(443)
            assert "the layer is gone" in failed.error_message
        fn.invoke_async().assert_finished("done")
    fn.invoke_async().assert_finished("done")


def test_a_signal_that_is_lost(each_way: ScfRuntime) -> None:
    fn, other = each_way.deploy(WORKER, async_run=True), each_way.deploy(WORKER, async_run=True)
    events = [function.invoke_async("wait") for function in (fn, other)]
    for event in events:
        event.wait_for_signal_handler()
    with each_way.faults.lost_signal(fn, times=1) as struck:
        for event in events:
            event.terminate(graceful=True)
        assert struck.count == 1
        assert events[0].logs.platform == ["[PLATFORM] Signal reception failed"]
        assert "lost the signal" in events[0].diagnosis
        assert events[0].status == "RUNNING"
        events[1].assert_finished("END")
        events[0].terminate(graceful=True)
    events[0].assert_finished("END")
    assert events[0].logs.platform == ["[PLATFORM] Signal reception failed", "[PLATFORM] Signal received successfully"]


def test_an_action_that_fails_a_number_of_times(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER, async_run=True)
    with rt.faults.api_error("ListAsyncEvents", times=2) as struck:
        for _ in range(2):
            with pytest.raises(ApiError) as error:
                rt.api.call("ListAsyncEvents", {"FunctionName": fn.name})
            assert error.value.code == "RequestLimitExceeded"
            assert "the test has asked for" in str(error.value)
        rt.api.call("ListAsyncEvents", {"FunctionName": fn.name})
        assert struck.count == 2
    with rt.faults.api_error("Invoke", "InternalError"), pytest.raises(ApiError, match="InternalError"):
        fn.invoke_async()
    fn.invoke_async().assert_finished("done")


def test_an_instance_that_breaks_down(each_way: ScfRuntime) -> None:
    fn = each_way.deploy(WORKER, async_run=True)
    event = fn.invoke_async("wait")
    event.wait_for_log("working")
    each_way.faults.kill(event)
    event.assert_failed(500)
    assert "the test has asked for killed the instance" in event.diagnosis
    assert not event.instance.alive
    with pytest.raises(UsageError, match="has no instance that could be killed"):
        each_way.faults.kill(event)
    stopped = fn.invoke_async("wait", stop_at="index.py:18")
    stopped.wait_for_stop()
    each_way.faults.kill(stopped)
    stopped.assert_failed(500)


def test_a_network_that_leads_nowhere(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("namespaces")
    source = (
        "import socket\n\ndef main_handler(event, context):\n"
        "    with socket.create_connection(('127.0.0.1', event), 10) as it:\n        return it.recv(10).decode()\n"
    )
    fn = rt.deploy(source, async_run=True)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            for _ in range(2):
                with server.accept()[0] as connection:
                    connection.sendall(b"hello")

        greeting = threading.Thread(target=greet, daemon=True)
        greeting.start()
        port = server.getsockname()[1]
        fn.invoke_async(port).assert_finished("hello")
        with rt.faults.no_network(fn):
            event = fn.invoke_async(port)
            event.assert_failed(430)
            assert "ConnectionRefusedError" in event.error_message
            assert "[FAULT] this instance has no network" in event.logs.text
        fn.invoke_async(port).assert_finished("hello")
        greeting.join(30)
    lesser = scf_runtime_of("directory")
    with pytest.raises(UsageError, match="by namespaces only"), lesser.faults.no_network(lesser.deploy(source)):
        pass


def test_a_tmp_that_is_full(scf_runtime_of: Callable[..., ScfRuntime], tmp_path: Path) -> None:
    rt = scf_runtime_of("namespaces", tmp_bytes=1 << 20)
    fn = rt.deploy(WORKER, async_run=True)
    first = fn.invoke_async("write")
    first.assert_finished("written")
    with rt.faults.full_tmp(first.instance):
        fn.invoke_async("write").assert_finished("No space left on device")
    fn.invoke_async("write").assert_finished("written")
    lesser = scf_runtime_of("directory").deploy(WORKER)
    result = lesser.invoke()
    with pytest.raises(UsageError, match="no size of its own"), rt.faults.full_tmp(result.instance):
        pass


def test_bad_input_is_refused_at_once(scf_runtime_of: Callable[..., ScfRuntime]) -> None:
    rt = scf_runtime_of("directory")
    fn = rt.deploy(WORKER)
    faults = rt.faults
    for make, said in [
        (lambda: faults.slow_start(fn, 0), "seconds must be a number above 0"),
        (lambda: faults.slow_start(fn, 1, times=0), "times must be a number of times"),
        (lambda: faults.failing_start(fn, ""), "message must be a text"),
        (lambda: faults.lost_signal(fn, times=True), "times must be a number of times"),
        (lambda: faults.api_error("Invok"), "there is no action 'Invok'"),
        (lambda: faults.api_error("Invoke", "Nonsense"), "there is no error code 'Nonsense'"),
    ]:
        with pytest.raises(UsageError, match=said), make():
            pass
