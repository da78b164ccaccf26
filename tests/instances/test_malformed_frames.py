"""Code that writes to the socket of its own runtime: whatever it sends ends its own event at once, with a reason."""

from __future__ import annotations

import resource
from typing import Any

import pytest
from kinds import only

from pytest_scf import ScfRuntime
from pytest_scf.instances.host import current
from pytest_scf.instances.messages import check
from pytest_scf.runtimes import wire

WRITES = """
import os
import stat
import struct
import time


def runtime_socket():
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
        except OSError:
            pass


def main_handler(event, context):
    if event is None:
        return "answer"
    data = bytes.fromhex(event["data"])
    os.write(runtime_socket(), data)
    for _ in range(event.get("more", 0)):
        os.write(runtime_socket(), b"x" * (1 << 16))
    time.sleep(60)
"""
MEASURE = wire.MEASURE.pack(0.0, 1000)
MALFORMED = {
    "text": b"hello world, this is no frame at all",
    "unknown kind": wire.frame(99, b"x"),
    "too short": wire.frame(wire.RETURNED, b"x"),
    "not a number of seconds": wire.frame(wire.RETURNED, wire.MEASURE.pack(float("nan"), 1) + b"1"),
    "no JSON": wire.frame(wire.RAISED, MEASURE + b"{nojson"),
    "deep JSON": wire.frame(wire.RAISED, MEASURE + b"[" * 30_000),
    "no facts": wire.frame(wire.RAISED, MEASURE + b"{}"),
    "another type": wire.frame(wire.SIGNAL_HANDLER, b"[]"),
    "no length": wire.frame(wire.TOO_LARGE, MEASURE + b"abc"),
    "ready twice": wire.frame(wire.READY, MEASURE),
    "no response": wire.frame(wire.RESPONDED, MEASURE + b"abc"),
    "an end without its facts": wire.frame(wire.CLOSED, MEASURE + b'{"by": "client"}'),
    "unknown reason": wire.frame(
        wire.LOAD_FAILED, MEASURE + b'{"type": "", "message": "", "stack": "", "reason": "whim"}'
    ),
}


@only(level="namespaces", pidfd=True, start_method="fork")
@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_frame_ends_its_event_and_is_no_error_of_ours(each_kind: ScfRuntime, data: Any) -> None:
    fn = each_kind.deploy(WRITES, async_run=True, timeout=60)
    event = fn.invoke_async({"data": data.hex()}).wait(120)
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert "the instance sent what no runtime sends" in event.diagnosis
    assert fn.invoke_async(None).wait(120).return_value == "answer"
    host = current()
    assert host is not None
    assert host.reactor.errors == []


@only(pidfd=True, start_method="fork")
def test_a_frame_of_four_gigabytes_is_refused_with_its_header(each_kind: ScfRuntime) -> None:
    header = wire.HEADER.pack(0xFFFFFFFF, wire.RETURNED)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    event = (
        each_kind.deploy(WRITES, async_run=True, timeout=60)
        .invoke_async({"data": header.hex(), "more": 4000})
        .wait(120)
    )
    assert (event.status, event.status_code) == ("FAILED", 500)
    assert "announces 4294967295 bytes" in event.diagnosis
    # 250 MB were on their way.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@only(pidfd=True, start_method="fork")
def test_an_answer_that_was_not_asked_for_is_not_taken_for_that_of_a_later_event(each_kind: ScfRuntime) -> None:
    forged = wire.frame(wire.RETURNED, MEASURE + b'"forged"') * 2
    fn = each_kind.deploy(WRITES, async_run=True, timeout=60)
    event = fn.invoke_async({"data": forged.hex()}).wait(120)
    later = fn.invoke_async(None).wait(120)
    assert event.return_value == "forged"  # it is its own handler that says so
    assert later.status != "FINISHED" or later.return_value == "answer"
    assert fn.invoke_async(None).wait(120).return_value == "answer"


def test_what_the_runtimes_send_is_let_pass() -> None:
    facts = b'{"type": "E", "message": "", "stack": "", "reason": "handler"}'
    response = wire.pack_message({"status": 200, "reason": "OK", "headers": [["A", "b"]]}, b"\0")
    for kind, body in {
        wire.READY: b"",
        wire.RETURNED: b"anything",
        wire.RAISED: facts,
        wire.LOAD_FAILED: facts,
        wire.TOO_LARGE: b"7000000",
        wire.ERROR_ANSWER: b'{"message": "no"}',
        wire.RESPONDED: response,
    }.items():
        check(kind, MEASURE + body)
    check(wire.UNCAUGHT, facts)
    check(wire.PONG, b"")
    check(wire.SIGNAL_HANDLER, b'{"disposition": "caught", "name": "f", "file": "f.py", "line": 1}')
    check(wire.SHARED_TMP, b'{"path": "/tmp/a", "operation": "open"}')


def test_a_reader_with_limits_takes_what_is_within_them_however_it_comes() -> None:
    limits = {1: 3, 2: 0}
    stream = wire.frame(1, b"abc") + wire.frame(2) + wire.frame(1)
    reader = wire.Reader(limits)
    taken = [frame for byte in stream for frame in reader.feed(bytes([byte]))]
    assert taken == wire.Reader(limits).feed(stream) == [(1, b"abc"), (2, b""), (1, b"")]
    for refused in (wire.frame(1, b"abcd"), wire.frame(2, b"a"), wire.frame(3)):
        with pytest.raises(wire.FrameError):
            wire.Reader(limits).feed(refused)
        with pytest.raises(wire.FrameError):
            wire.Reader(limits).feed(wire.frame(1) + refused[: wire.HEADER.size])
