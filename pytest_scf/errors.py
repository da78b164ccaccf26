"""The exceptions and warnings of pytest-scf.

ScfError
├── UsageError            bad input to deploy, invoke, a setting or an option; a stand-in of what does not exist
│   └── InvalidSetting    a setting of a function that the cloud refuses
├── ApiError              an error of the cloud's API; one subclass per code in ``pytest_scf.api_errors``
├── InstanceError         an instance could not be made or spoken to
│   ├── IsolationUnavailable
│   └── ForkServerError
├── WaitTimeout           what was waited for did not happen in time
├── EventEnded            what was waited for can no longer happen: the event has ended
├── WebSocketClosed       a WebSocket connection has ended, or was not opened
└── BackgroundError       something of pytest-scf itself went wrong in the background

ScfWarning
├── IsolationWarning      something is not isolated on this machine
└── LeftRunningWarning    an event was still RUNNING when its runtime closed
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ScfError(Exception):
    """Anything that pytest-scf raises on purpose."""


class UsageError(ScfError, ValueError):
    """What was asked for cannot be done as asked; the text says what is wrong and what to do."""


class InvalidSetting(UsageError):
    """A setting of a function that the cloud refuses: its ``field``, and the ``problem``, a sentence without it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field
        self.problem = problem


class ApiError(ScfError):
    """An error of the cloud's API.

    ``code`` is the API's error code and ``description`` the text used where no better one is given.
    ``status_code`` is the status code of an invocation that the error refuses, where there is one.
    ``request_id`` and ``action`` are attached where a request is known.
    """

    code: str = "InternalError"
    description: str = "An internal error occurred."
    status_code: int | None = None

    def __init__(self, message: str | None = None, *, status_code: int | None = None) -> None:
        self.message = message or self.description
        self.request_id: str | None = None
        self.action: str | None = None
        if status_code is not None:
            self.status_code = status_code
        super().__init__(self.message)

    def __str__(self) -> str:
        where = f"RequestId {self.request_id}: " if self.request_id else ""
        what = f"{self.action}: " if self.action else ""
        return f"{where}{what}{self.code}: {self.message}"

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(code={self.code!r}, message={self.message!r}, "
            f"action={self.action!r}, request_id={self.request_id!r})"
        )


class InstanceError(ScfError):
    """An instance could not be made, or could not be spoken to."""


class IsolationUnavailable(InstanceError):
    """This machine does not allow the wanted level of isolation; ``reason`` says what refused it."""

    def __init__(self, level: str, reason: str) -> None:
        self.level = level
        self.reason = reason
        super().__init__(f"isolation level {level!r} is not available here: {reason}")


class ForkServerError(InstanceError):
    """The fork server did not start, or ended while it was needed."""


class WaitTimeout(ScfError, TimeoutError):
    """What was waited for did not happen in time."""


class EventEnded(ScfError):
    """What was waited for can no longer happen, because the event has ended."""


class WebSocketClosed(ScfError):
    """A WebSocket connection has ended, or the function did not open it.

    ``code`` is that of the server's close frame, 1006 where there was none. ``response`` is what the function answered
    where it did not open the connection, else None.
    """

    def __init__(self, message: str, code: int, response: Any = None) -> None:
        self.code = code
        self.response = response
        super().__init__(message)


class BackgroundError(ScfError):
    """Something of pytest-scf itself went wrong where nobody could be told; raised when the runtime is closed.

    ``errors`` are the exceptions. The events concerned have ended as FAILED 500.
    """

    def __init__(self, errors: Sequence[BaseException]) -> None:
        self.errors = tuple(errors)
        listed = "; ".join(f"{type(error).__name__}: {error}" for error in self.errors)
        super().__init__(f"in the background of pytest-scf, which is a bug of its own or of the machine: {listed}")
        if self.errors:
            self.__cause__ = self.errors[0]


class ScfWarning(UserWarning):
    """Base of the warnings of pytest-scf."""


class IsolationWarning(ScfWarning):
    """Something that the cloud isolates is not isolated here; the text says what, why, and how to get it."""


class LeftRunningWarning(ScfWarning):
    """An event was still RUNNING when its runtime closed, and was terminated.

    Wait for the event, or terminate it, in the test; or make this an error with ``--scf-left-running=error``.
    """
