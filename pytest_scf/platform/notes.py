"""What is noted about an attempt and its instance, beside the outcome."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


class Transition(NamedTuple):
    """``time`` in seconds since the epoch; ``cause`` says what brought the invocation here."""

    time: float
    status: str
    status_code: int
    cause: str


class InitReport(NamedTuple):
    """The init phase: when it ended (seconds since the epoch), how long it took, and peak memory."""

    time: float
    total_ms: float
    function_ms: float
    memory_bytes: int

    @property
    def runtime_ms(self) -> float:
        return max(0.0, self.total_ms - self.function_ms)


@dataclass
class Registration:
    """What the code of an instance last did about SIGTERM."""

    disposition: str
    name: str
    file: str
    line: int
    #: the attempt during which it was done; None while the instance started
    attempt: object


@dataclass(frozen=True)
class SignalNote:
    """A termination signal: when it was sent, whether there was a process to take it, what that did with it then."""

    time: float
    delivered: bool
    disposition: str
    registration: Registration | None
    #: why there was no way to deliver it; "": nobody was there to take it
    failure: str = ""
    #: a fault on purpose has kept it from a process that was there
    lost: bool = False


class AttemptNotes:
    """What is noted about one attempt. Called with the platform's lock held, but for reading."""

    # Defaults of the class, as in ``Attempt``.
    signals: tuple[SignalNote, ...] = ()
    notices: tuple[str, ...] = ()
    #: what faulthandler wrote when the time was up, just before the process was killed
    stack_dump: str = ""

    def note(self, text: str) -> None:
        self.notices += (text,)

    def note_stack(self, dump: str) -> None:
        self.stack_dump = dump

    def note_signal(self, note: SignalNote) -> None:
        self.signals += (note,)

    def explain_signal(self, registration: Registration) -> None:
        """A signal handler is there a moment before it is told of: the signal may have been sent in between."""
        if self.signals and self.signals[-1].disposition == "caught" and self.signals[-1].registration is None:
            self.signals = (*self.signals[:-1], replace(self.signals[-1], registration=registration))
