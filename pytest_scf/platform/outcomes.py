"""The rules of the cloud: what an answer, an exit, a limit or a cancellation makes of an attempt, and of its instance.

Pure functions: no processes, locks, clocks or I/O, so that a table of examples tests them. The status codes are those
of ``pytest_scf.platform.status``.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pytest_scf.errors import ScfError
from pytest_scf.facts import MIB, WEBSOCKET_FRAME_BYTES
from pytest_scf.instances import messages
from pytest_scf.platform import status
from pytest_scf.platform.status import StatusCode
from pytest_scf.runtimes import websocket, wire

#: what each frame of an answer means
ANSWERS = {
    wire.RETURNED: "the handler returned",
    wire.RETURNED_TEXT: "the server answered",
    wire.RESPONDED: "the server answered",
}
#: frames that say what went wrong
FAILURES = frozenset({wire.RAISED, wire.LOAD_FAILED, wire.TOO_LARGE, wire.ERROR_ANSWER})

#: close codes of a WebSocket connection that has ended well (docs/cloud-contract.md#websocket)
NORMAL_CLOSE_CODES = (1000, 1010, 1011)

_OF_USER_CODE = frozenset(
    code.code for code in (status.USER_CODE_EXCEPTION, status.HANDLER_NOT_FOUND, status.USER_CODE_ERROR)
)
_EXCEPTION_MESSAGE = "user code exception caught"

_CONTAINER_FAILURES = {"container": status.CONTAINER_INIT_ERROR, "port": status.PORT_BINDING_FAILED}


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: final status, status code, ``cause`` in words.

    ``message`` and ``stack`` are what the error says of it (see ``error_json``); both are empty for a success.
    """

    status: str
    code: int
    cause: str
    message: str = ""
    stack: str = ""

    @property
    def failed(self) -> bool:
        return self.status != status.FINISHED


class Exit(Protocol):
    """How a process ended; ``str`` of it follows "the process"."""

    @property
    def out_of_memory(self) -> bool: ...


class Fate(enum.Enum):
    """What becomes of an instance that has answered."""

    #: it may serve the next event
    KEEP = enum.auto()
    #: it is repossessed, and the outcome is published when nothing of it is left
    REPOSSESS = enum.auto()
    #: a termination signal may still be taking effect: decide again when the process has said that it is alive
    WAIT_FOR_SIGNAL = enum.auto()


def _failed(code: StatusCode, cause: str, message: str = "", stack: str = "") -> Outcome:
    return Outcome(status.FAILED, code.code, cause, message or code.text, stack)


def answered(kind: int) -> Outcome:
    """A normal answer: FINISHED 200. ``kind`` is one of ``ANSWERS``."""
    return Outcome(status.FINISHED, status.SUCCESS.code, ANSWERS[kind])


def provisioned() -> Outcome:
    """The start of a provisioned instance has gone well."""
    return Outcome(status.FINISHED, status.SUCCESS.code, "the instance is ready")


def from_failure(kind: int, body: bytes, missing_handler: int = status.HANDLER_NOT_FOUND.code) -> Outcome:
    """What a frame of ``FAILURES`` makes of an attempt; ``body`` is its payload behind the measurements.

    ``missing_handler`` is the setting ``missing_handler_code``.
    Raises ValueError or KeyError for a body that no runtime of ours writes.
    """
    if kind == wire.TOO_LARGE:
        message = f"{status.RESPONSE_TOO_LARGE.text}: it has {int(body)} bytes"
        return _failed(status.RESPONSE_TOO_LARGE, "the response was too large", message)
    facts = messages.read(body)
    if kind == wire.ERROR_ANSWER or (kind == wire.LOAD_FAILED and facts["reason"] in _CONTAINER_FAILURES):
        code = _CONTAINER_FAILURES.get(facts.get("reason", ""), status.USER_CODE_ERROR)
        return _failed(code, facts["message"], f"{code.text}: {facts['message']}")
    what = exception_line(facts)
    if kind == wire.RAISED:
        code, cause, said = status.USER_CODE_EXCEPTION, f"the handler raised {what}", what
    elif facts["reason"] == "handler":
        said = facts["message"]
        code = status.HANDLER_NOT_FOUND if missing_handler == status.HANDLER_NOT_FOUND.code else status.USER_CODE_ERROR
        cause = f"the handler could not be loaded: {said}"
    else:
        code, cause, said = status.USER_CODE_ERROR, f"the code failed while the instance started: {what}", what
    return _failed(code, cause, f"{code.text}: {said}", facts["stack"])


def connection_closed(by: str, code: int, remark: str, idle: int) -> Outcome:
    """A WebSocket connection has ended: 200, or 439 by the server, 456 by the client, 455 after ``idle`` seconds.

    ``by``, ``code`` and ``remark`` are those of ``websocket.Ending``.
    """
    if by == websocket.IDLE:
        cause = f"nothing was sent over the WebSocket connection for {idle} s"
        return _failed(status.WEBSOCKET_IDLE, cause, f"{status.WEBSOCKET_IDLE.text} for {idle} seconds")
    who = "the client" if by == websocket.CLIENT else "the server"
    if code == websocket.TOO_BIG and remark:
        cause = f"{who} sent {remark}, more than the {WEBSOCKET_FRAME_BYTES} of a WebSocket connection"
    elif code == websocket.NO_CLOSE_FRAME:
        cause = f"{who} ended the WebSocket connection without a close frame"
    elif code == websocket.NO_CODE:
        cause = f"{who} closed the WebSocket connection without a code"
    else:
        cause = f"{who} closed the WebSocket connection with {code}"
    if code in NORMAL_CLOSE_CODES:
        return Outcome(status.FINISHED, status.SUCCESS.code, cause)
    return _failed(status.WEBSOCKET_CLOSED if by == websocket.CLIENT else status.USER_PROCESS_EXIT, cause, cause)


def exception_line(facts: Mapping[str, str]) -> str:
    """The last line of a traceback: the exception's type and message."""
    return f"{facts['type']}: {facts['message']}" if facts["message"] else facts["type"]


def from_exit(
    exit: Exit,
    *,
    initialised: bool,
    uncaught: Mapping[str, str] | None = None,
    is_container: bool = False,
    memory_mb: int = 0,
) -> Outcome:
    """The user's process ended before it answered: 439, or what is known of the reason.

    ``uncaught`` is an error {type, message, stack} that ended the process (443). ``is_container``: the process is the
    main process of a container, whose end while it starts is 405. ``memory_mb`` is the limit that a launcher kept.
    """
    when = "" if initialised else " while the instance started"
    if uncaught is not None:
        what = exception_line(uncaught)
        message = f"{status.USER_CODE_ERROR.text}: {what}"
        return _failed(status.USER_CODE_ERROR, f"nothing caught {what}{when}", message, uncaught["stack"])
    if exit.out_of_memory:
        return _failed(status.MEMORY_LIMIT, f"the container held more than its {memory_mb} MB{when}")
    code = status.CONTAINER_STATE_EXITED if is_container and not initialised else status.USER_PROCESS_EXIT
    return _failed(code, f"the process {exit}{when}")


def lost(error: str) -> Outcome:
    """The instance is gone, and nobody knows how its process ended. ``error`` says why it could not be run: 500."""
    cause = f"the instance could not be run: {error}" if error else "the instance was killed from outside"
    return internal_error(cause)


def internal_error(cause: str) -> Outcome:
    """pytest-scf itself or the machine failed: 500."""
    return _failed(status.INTERNAL_ERROR, cause, f"{status.INTERNAL_ERROR.text}: {cause}")


def not_started(error: Exception) -> Outcome:
    """No instance could be started for a message that waited, or to be kept warm: 500."""
    what = str(error) if isinstance(error, ScfError) else f"{type(error).__name__}: {error}"
    return _failed(
        status.INTERNAL_ERROR, f"no instance could be started: {what}", f"{status.INTERNAL_ERROR.text}: {what}"
    )


def time_limit(seconds: int) -> Outcome:
    """The handler ran for longer than its Timeout: 433."""
    cause = f"the handler did not end within its Timeout of {seconds} s"
    return _failed(status.TIME_LIMIT, cause, f"{status.TIME_LIMIT.text} after {seconds} seconds (time out)")


def init_time_limit(seconds: int, code: int, *, is_custom_runtime: bool = False) -> Outcome:
    """The instance was not ready within its InitTimeout; ``code`` is the setting ``init_timeout_code``."""
    cause = f"the instance was not ready within its InitTimeout of {seconds} s"
    if is_custom_runtime:
        cause += ": its bootstrap did not POST /runtime/init/ready"
    return Outcome(status.FAILED, code, cause, f"{status.INIT_TIMEOUT.text} after {seconds} seconds")


def port_not_bound(port: int, seconds: int, found: str) -> Outcome:
    """A server did not accept connections within its InitTimeout: 446. ``found`` says what listens instead."""
    code = status.PORT_BINDING_FAILED
    cause = f"no connection to port {port} within the InitTimeout of {seconds} s: {found}"
    return _failed(code, cause, f"{code.text} within {seconds} seconds: {found}")


def memory_limit(held_bytes: int, limit_mb: int) -> Outcome:
    """The processes of the instance held more than its memory: 434."""
    used = held_bytes / MIB
    cause = f"the processes held {used:.0f} MB of memory, more than the limit of {limit_mb} MB"
    return _failed(status.MEMORY_LIMIT, cause, f"{status.MEMORY_LIMIT.text}: {used:.0f} MB used of {limit_mb} MB")


def cancelled(cause: str) -> Outcome:
    """Somebody ended the event while it was RUNNING: ABORTED 499."""
    return Outcome(status.ABORTED, status.CANCELLED.code, cause, status.CANCELLED.text)


def waited_too_long(exceeded: str, seconds: float) -> Outcome:
    """No instance became free for a message while it was kept (MsgTTL): 432. ``exceeded`` is ``quota_exceeded``."""
    cause = f"no instance became free within the {seconds:g} s that a message is kept (MsgTTL)"
    return _failed(status.RESOURCE_LIMIT_REACHED, cause, f"{exceeded}: {cause}")


def quota_exceeded(function: str, quota_mb: int) -> str:
    """The cloud's words for 432."""
    return f"Function [ {function} ] concurrency exceeded reserved quota {quota_mb}MB"


def invoke_result(outcome: Outcome) -> int:
    """The API's InvokeResult: 0 for a success, 1 for an error of the user's code, -1 for an end that the platform made.

    As ``tencentserverless``, the vendor's SDK between functions, takes it: it raises for 1 and -1 only.
    See docs/cloud-contract.md#status-codes.
    """
    if not outcome.failed:
        return 0
    return 1 if outcome.code in _OF_USER_CODE else -1


def error_json(outcome: Outcome, request_id: str) -> str:
    """What RetMsg and ErrMsg say of a failure, in the shapes of public logs (docs/cloud-contract.md#status-codes).

    Of an error of the user's code: errorCode 1, errorMessage, stackTrace, statusCode, and of an exception no message
    but the cloud's own. Of an end that the platform made: errorCode -1, errorMessage, requestId, statusCode.
    """
    error: dict[str, object] = {"errorCode": invoke_result(outcome), "errorMessage": outcome.message}
    if outcome.code == status.USER_CODE_EXCEPTION.code:
        error["errorMessage"] = _EXCEPTION_MESSAGE
    if outcome.code in _OF_USER_CODE:
        error["stackTrace"] = outcome.stack
    else:
        error["requestId"] = request_id
    error["statusCode"] = outcome.code
    return json.dumps(error, ensure_ascii=False, separators=(",", ":"))


def fate_of_instance(
    outcome: Outcome, *, asynchronous: bool, initialised: bool, signalled: bool, signal_pending: bool
) -> Fate:
    """What becomes of an instance whose runtime has answered.

    Any exceptional end of an asynchronous execution repossesses the instance, and one that never became ready serves
    nobody. ``signalled``: a termination signal was delivered during the attempt; ``signal_pending``: the process blocks
    it, so that it would reach the next event.
    """
    if (outcome.failed and asynchronous) or not initialised or signal_pending:
        return Fate.REPOSSESS
    return Fate.WAIT_FOR_SIGNAL if signalled else Fate.KEEP


def is_retried(outcome: Outcome, *, retries: int, retry_num: int, next_attempt: float, kept_until: float) -> bool:
    """Whether a message whose attempt ended this way is tried again.

    ``retries`` of ``retry_num`` are used; times are seconds since the epoch. Cancelled ones are not tried again.
    """
    return outcome.status == status.FAILED and retries < retry_num and next_attempt <= kept_until
