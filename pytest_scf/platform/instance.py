"""An instance as the platform knows it: which function it serves, which event it works on, what it said."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_scf.instances.process import InstanceProcess
from pytest_scf.platform.events import EventRecord, Registration
from pytest_scf.platform.functions import FunctionConfig, FunctionRecord

if TYPE_CHECKING:
    from pytest_scf.instances.reactor import Timer
    from pytest_scf.platform.platform import Platform

_numbers = itertools.count(1)


class InitReport(NamedTuple):
    """The init phase: when it ended (seconds since the epoch), how long it took, and peak memory."""

    time: float
    total_ms: float
    function_ms: float
    memory_bytes: int

    @property
    def runtime_ms(self) -> float:
        return max(0.0, self.total_ms - self.function_ms)


class InstanceRecord:
    """``state`` goes starting → busy ⇄ idle → gone; an instance starts because an event needs it."""

    def __init__(self, platform: Platform, function: FunctionRecord, config: FunctionConfig) -> None:
        self.platform = platform
        self.function = function
        self.config = config
        self.id = f"{function.name}-{next(_numbers)}"
        self.state = "starting"
        self.event: EventRecord | None = None
        self.init: InitReport | None = None
        self.process: InstanceProcess = None  # type: ignore[assignment]  # set right after, it needs this as observer
        self.registration: Registration | None = None
        #: {type, message, stack} of an error that nothing caught, and that ends the process
        self.uncaught: dict[str, str] | None = None
        self.idle_since = 0.0
        #: signals that the init has been asked to send and has not yet confirmed
        self.signals_under_way = 0
        #: the event has ended, and a signal that was meant for it may still be taking effect
        self.settling = False
        self.launched = time.monotonic()
        #: when its time limit ends (``time.monotonic()``), and the timer that looks at it
        self.deadline = 0.0
        self.timer: Timer | None = None
        #: set when nothing of the instance is left
        self.gone = threading.Event()
        self.gone_error = ""

    @property
    def alive(self) -> bool:
        return not self.gone.is_set()

    @property
    def tmp(self) -> Path:
        """The instance's /tmp as the test can read it, as long as the instance lives."""
        return self.process.tmp

    @property
    def pid(self) -> int | None:
        """PID of the user's process, in the numbering of the test process."""
        return self.process.user_pid

    @property
    def isolation(self) -> str:
        return self.process.level

    # what the process tells, in the reactor's thread

    def on_message(self, kind: int, payload: bytes) -> None:
        self.platform.on_message(self, kind, payload)

    def on_output(self) -> None:
        self.platform.on_output(self)

    def on_gone(self, error: str) -> None:
        self.platform.on_gone(self, error)

    def __repr__(self) -> str:
        return f"<instance {self.id}, {self.state}, PID {self.pid}>"
