"""Plain values that handles give, and what the modules which explain an event ask of its handle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class Transition(NamedTuple):
    """A change of an event's status, and its cause."""

    time: datetime
    status: str
    status_code: int
    cause: str


class Provisioned(NamedTuple):
    """How many instances of a version are to be kept warm, how many are there, and "InProgress", "Done" or "Failed"."""

    version: str
    allocated: int
    available: int
    status: str
    #: why instances could not be started; "" unless they could not
    reason: str


class LogLine(NamedTuple):
    """A line of a log; ``source`` is "Platform" or "Custom" (the user's code)."""

    time: datetime
    source: str
    text: str


class Named(Protocol):
    @property
    def name(self) -> str: ...


class Answered(Protocol):
    """The invocation behind a response, as far as the response asks it; ``handles.InvokeResult`` is one."""

    @property
    def request_id(self) -> str: ...
    @property
    def function(self) -> Named: ...
    @property
    def status_code(self) -> int: ...
    @property
    def log(self) -> str: ...


class Described(Protocol):
    """An event, as far as a description of it needs to know it; ``handles.Event`` is one."""

    @property
    def request_id(self) -> str: ...
    @property
    def function(self) -> Named: ...
    @property
    def kind(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def status_code(self) -> int: ...
    @property
    def final(self) -> bool: ...
    @property
    def diagnosis(self) -> str: ...
    @property
    def traceback(self) -> str: ...
    @property
    def transitions(self) -> Sequence[Transition]: ...
    def _last_lines(self, count: int) -> tuple[bool, list[LogLine]]: ...
