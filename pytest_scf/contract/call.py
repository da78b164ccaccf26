"""One call of the API, as an action has it before it."""

from __future__ import annotations

from datetime import datetime

from pytest_scf.contract.operations import Operations
from pytest_scf.contract.times import microseconds_of, write_seconds, write_time
from pytest_scf.platform.event_index import in_microseconds


class Call:
    """What there is to be done with, the RequestId of the answer, and times in the zone of the settings."""

    __slots__ = ("operations", "request_id")

    def __init__(self, operations: Operations, request_id: str) -> None:
        self.operations = operations
        self.request_id = request_id

    @property
    def zone(self) -> float:
        """Hours east of UTC."""
        return self.operations.settings.utc_offset_hours

    def now(self) -> int:
        """Microseconds since the epoch, as answers tell them."""
        return self.told(self.operations.clock.now())

    def told(self, epoch: float) -> int:
        """What answers tell of a moment, in microseconds since the epoch."""
        return in_microseconds(self.operations.clock.shown(epoch))

    def microseconds(self, wall: datetime) -> int:
        """A time of a request, in microseconds since the epoch."""
        return microseconds_of(wall, self.zone)

    def time(self, epoch: float) -> str:
        """Seconds since the epoch as an answer has them, to the millisecond."""
        return write_time(self.operations.clock.shown(epoch), self.zone)

    def seconds(self, epoch: float) -> str:
        """The same, to the second."""
        return write_seconds(self.operations.clock.shown(epoch), self.zone)
