"""The status of an event, and the status codes of an invocation (docs/cloud-contract.md#status-codes)."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_scf.facts import ABORTED as ABORTED
from pytest_scf.facts import FAILED as FAILED
from pytest_scf.facts import FINISHED as FINISHED
from pytest_scf.facts import RUNNING as RUNNING


@dataclass(frozen=True)
class StatusCode:
    code: int
    name: str
    text: str


SUCCESS = StatusCode(200, "Success", "Success")
CONTAINER_STATE_EXITED = StatusCode(405, "ContainerStateExited", "The container exited")
RESPONSE_TOO_LARGE = StatusCode(407, "ResponseTooLarge", "The response is larger than 6 MB")
USER_CODE_EXCEPTION = StatusCode(430, "UserCodeException", "User code exception caught")
RESOURCE_LIMIT_REACHED = StatusCode(432, "ResourceLimitReached", "Concurrency exceeded the quota")
TIME_LIMIT = StatusCode(433, "TimeLimitReached", "Invoking task timed out")
MEMORY_LIMIT = StatusCode(434, "MemoryLimitReached", "Memory limit reached")
HANDLER_NOT_FOUND = StatusCode(437, "HandlerNotFound", "Handler not found")
USER_PROCESS_EXIT = StatusCode(439, "UserProcessExit", "User process exit when running")
USER_CODE_ERROR = StatusCode(443, "UserCodeError", "User code error")
CONTAINER_INIT_ERROR = StatusCode(445, "ContainerInitError", "The container could not be started")
PORT_BINDING_FAILED = StatusCode(446, "PortBindingFailed", "The port cannot be reached")
INIT_TIMEOUT = StatusCode(450, "InitContainerTimeout", "Initialization timed out")
WEBSOCKET_IDLE = StatusCode(455, "WebSocketIdle", "The WebSocket connection was idle")
WEBSOCKET_CLOSED = StatusCode(456, "WebSocketClosed", "The client closed the WebSocket connection")
CANCELLED = StatusCode(499, "RequestCanceled", "Request canceled by the user")
INTERNAL_ERROR = StatusCode(500, "InternalError", "Internal error")
