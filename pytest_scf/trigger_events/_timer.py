"""The event of a timer trigger (583/9708)."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from pytest_scf.trigger_events._common import Override, finished, utc_text


class TimerEvent(TypedDict):
    Type: str
    TriggerName: str
    Time: str
    Message: str


def timer(
    name: str = "timer", *, message: str = "", time: datetime | None = None, override: Override = None
) -> TimerEvent:
    """The event of the timer trigger ``name``; ``message`` is its CustomArgument.

    Choice: ``Time`` is the moment at which it fires, in UTC; the documents contradict each other on it.
    """
    event = TimerEvent(Type="Timer", TriggerName=name, Time=utc_text(time), Message=message)
    return finished(event, override)
