"""The rules of the cloud as tables: nothing is started here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_scf.platform import outcomes
from pytest_scf.platform.outcomes import Fate, Outcome
from pytest_scf.runtimes import wire

RAISED = {"type": "ValueError", "message": "no", "stack": "Traceback ..."}


@dataclass
class Exit:
    text: str = "exited with status 3"
    out_of_memory: bool = False

    def __str__(self) -> str:
        return self.text


@pytest.mark.parametrize("kind", [wire.RETURNED, wire.RETURNED_TEXT, wire.RESPONDED])
def test_a_normal_answer_is_finished_200(kind: int) -> None:
    outcome = outcomes.answered(kind)
    assert (outcome.status, outcome.code, outcome.failed) == ("FINISHED", 200, False)


@pytest.mark.parametrize(
    ("kind", "facts", "code", "cause", "message"),
    [
        (wire.RAISED, RAISED, 430, "the handler raised ValueError: no", "User code exception caught: ValueError: no"),
        (
            wire.RAISED,
            {**RAISED, "message": ""},
            430,
            "the handler raised ValueError",
            "User code exception caught: ValueError",
        ),
        (
            wire.LOAD_FAILED,
            {**RAISED, "reason": "handler"},
            437,
            "the handler could not be loaded: no",
            "Handler not found: no",
        ),
        (
            wire.LOAD_FAILED,
            {**RAISED, "reason": "code"},
            443,
            "the code failed while the instance started: ValueError: no",
            "User code error: ValueError: no",
        ),
        (wire.LOAD_FAILED, {**RAISED, "reason": "container"}, 445, "no", "The container could not be started: no"),
        (wire.LOAD_FAILED, {**RAISED, "reason": "port"}, 446, "no", "The port cannot be reached: no"),
        (wire.ERROR_ANSWER, {"message": "it answered 500"}, 443, "it answered 500", "User code error: it answered 500"),
    ],
)
def test_what_a_failure_says(kind: int, facts: dict[str, str], code: int, cause: str, message: str) -> None:
    outcome = outcomes.from_failure(kind, json.dumps(facts).encode())
    assert (outcome.status, outcome.code, outcome.cause) == ("FAILED", code, cause)
    assert outcome.message == message


@pytest.mark.parametrize(
    ("by", "code", "remark", "status_code", "cause"),
    [
        ("client", 1000, "", 200, "the client closed the WebSocket connection with 1000"),
        ("server", 1000, "", 200, "the server closed the WebSocket connection with 1000"),
        ("client", 1010, "", 200, "the client closed the WebSocket connection with 1010"),
        ("server", 1011, "", 200, "the server closed the WebSocket connection with 1011"),
        ("client", 1001, "", 456, "the client closed the WebSocket connection with 1001"),
        ("server", 1001, "", 439, "the server closed the WebSocket connection with 1001"),
        ("client", 1005, "", 456, "the client closed the WebSocket connection without a code"),
        ("server", 1006, "", 439, "the server ended the WebSocket connection without a close frame"),
        ("client", 1009, "", 456, "the client closed the WebSocket connection with 1009"),
        (
            "client",
            1009,
            "a frame of 1048577 bytes",
            456,
            "the client sent a frame of 1048577 bytes, more than the 1048576 of a WebSocket connection",
        ),
        ("idle", 1006, "", 455, "nothing was sent over the WebSocket connection for 15 s"),
    ],
)
def test_what_the_end_of_a_websocket_connection_is(
    by: str, code: int, remark: str, status_code: int, cause: str
) -> None:
    outcome = outcomes.connection_closed(by, code, remark, idle=15)
    assert (outcome.code, outcome.cause) == (status_code, cause)
    assert (outcome.status, outcome.failed) == (("FINISHED", False) if status_code == 200 else ("FAILED", True))


def test_a_response_that_is_too_large_is_407() -> None:
    outcome = outcomes.from_failure(wire.TOO_LARGE, b"6291457")
    assert (outcome.code, outcome.message) == (407, "The response is larger than 6 MB: it has 6291457 bytes")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"type": "E", "message": "m"}'])
def test_a_frame_that_no_runtime_writes_is_no_outcome(body: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        outcomes.from_failure(wire.RAISED, body)


@pytest.mark.parametrize(
    ("facts", "code", "cause"),
    [
        ({"initialised": True}, 439, "the process exited with status 3"),
        ({"initialised": False}, 439, "the process exited with status 3 while the instance started"),
        ({"initialised": True, "is_container": True}, 439, "the process exited with status 3"),
        (
            {"initialised": False, "is_container": True},
            405,
            "the process exited with status 3 while the instance started",
        ),
        ({"initialised": True, "uncaught": RAISED}, 443, "nothing caught ValueError: no"),
    ],
)
def test_what_an_exit_makes_of_an_attempt(facts: dict[str, Any], code: int, cause: str) -> None:
    outcome = outcomes.from_exit(Exit(), **facts)
    assert (outcome.status, outcome.code, outcome.cause) == ("FAILED", code, cause)


def test_a_container_that_its_memory_limit_ended_is_434() -> None:
    outcome = outcomes.from_exit(Exit(out_of_memory=True), initialised=True, is_container=True, memory_mb=64)
    assert (outcome.code, outcome.cause) == (434, "the container held more than its 64 MB")


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        (outcomes.time_limit(3), "FAILED", 433),
        (outcomes.init_time_limit(65, 450), "FAILED", 450),
        (outcomes.init_time_limit(65, 433, is_custom_runtime=True), "FAILED", 433),
        (outcomes.port_not_bound(9000, 65, "nothing listens"), "FAILED", 446),
        (outcomes.memory_limit(200 << 20, 128), "FAILED", 434),
        (outcomes.lost(""), "FAILED", 500),
        (outcomes.lost("no descriptors"), "FAILED", 500),
        (outcomes.not_started(ValueError("no")), "FAILED", 500),
        (outcomes.cancelled("the user terminated the event"), "ABORTED", 499),
        (outcomes.waited_too_long(outcomes.quota_exceeded("worker", 128), 60), "FAILED", 432),
    ],
)
def test_every_other_end_has_a_code_a_cause_and_a_message(outcome: Outcome, status: str, code: int) -> None:
    assert (outcome.status, outcome.code, outcome.failed) == (status, code, True)
    assert outcome.cause
    assert outcome.message


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize("asynchronous", [True, False])
@pytest.mark.parametrize("initialised", [True, False])
@pytest.mark.parametrize("signalled", [True, False])
@pytest.mark.parametrize("signal_pending", [True, False])
def test_the_fate_of_an_instance(
    failed: bool, asynchronous: bool, initialised: bool, signalled: bool, signal_pending: bool
) -> None:
    outcome = outcomes.time_limit(3) if failed else outcomes.answered(wire.RETURNED)
    fate = outcomes.fate_of_instance(
        outcome,
        asynchronous=asynchronous,
        initialised=initialised,
        signalled=signalled,
        signal_pending=signal_pending,
    )
    if (failed and asynchronous) or not initialised or signal_pending:
        assert fate is Fate.REPOSSESS
    else:
        assert fate is (Fate.WAIT_FOR_SIGNAL if signalled else Fate.KEEP)


@pytest.mark.parametrize(
    ("outcome", "retries", "next_attempt", "retried"),
    [
        (outcomes.time_limit(3), 0, 60.0, True),
        (outcomes.time_limit(3), 1, 60.0, True),
        (outcomes.time_limit(3), 2, 60.0, False),
        (outcomes.time_limit(3), 0, 100.0, True),
        (outcomes.time_limit(3), 0, 100.1, False),
        (outcomes.cancelled("closed"), 0, 60.0, False),
        (outcomes.answered(wire.RETURNED), 0, 60.0, False),
    ],
)
def test_what_is_tried_again(outcome: Outcome, retries: int, next_attempt: float, retried: bool) -> None:
    found = outcomes.is_retried(outcome, retries=retries, retry_num=2, next_attempt=next_attempt, kept_until=100.0)
    assert found is retried
