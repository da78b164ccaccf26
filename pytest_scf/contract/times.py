"""Times as the API writes and reads them: wall-clock text in one zone, against seconds since the epoch.

All comparing is done in whole microseconds, so that a time read back from an answer finds the event it came from.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from pytest_scf.platform.event_index import in_microseconds

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
# By hand: strptime would also take one-digit months, and it costs ten times as much.
_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.ASCII)


def read_time(text: str) -> datetime | None:
    """``%Y-%m-%d %H:%M:%S`` with or without a fraction; None where the text is something else."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = map(int, match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, int((match[7] or "").ljust(6, "0")))
    except ValueError:  # a 13th month
        return None


def microseconds_of(wall: datetime, utc_offset_hours: float) -> int:
    """The wall-clock time of a zone, as microseconds since the epoch."""
    return (wall - _EPOCH) // _MICROSECOND - round(utc_offset_hours * 3_600_000_000)


def write_time(epoch: float, utc_offset_hours: float) -> str:
    """``%Y-%m-%d %H:%M:%S.%f``, the fraction cut to the three digits that the vendor's own example shows."""
    wall = _EPOCH + timedelta(microseconds=in_microseconds(epoch) + round(utc_offset_hours * 3_600_000_000))
    return wall.isoformat(sep=" ", timespec="milliseconds")


def write_seconds(epoch: float, utc_offset_hours: float) -> str:
    """``%Y-%m-%d %H:%M:%S``, the fraction cut off, as the vendor's examples of logs show it."""
    return write_time(epoch, utc_offset_hours)[:-4]
