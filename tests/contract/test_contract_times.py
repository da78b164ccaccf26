from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_scf.contract.times import microseconds_of, read_time, write_time
from pytest_scf.platform.event_index import in_microseconds


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2017-05-16 20:00:00", datetime(2017, 5, 16, 20)),
        ("2017-05-16 20:00:00.5", datetime(2017, 5, 16, 20, 0, 0, 500_000)),
        ("2017-05-16 20:00:00.123", datetime(2017, 5, 16, 20, 0, 0, 123_000)),
        ("2017-05-16 20:00:00.123456", datetime(2017, 5, 16, 20, 0, 0, 123_456)),
        ("2017-05-16 20:00:00.1234567", None),
        ("2017-05-16 20:00:00.", None),
        ("2017-05-16T20:00:00", None),
        ("2017-5-16 20:00:00", None),
        ("2017-05-16", None),
        ("2017-02-29 20:00:00", None),
        ("0000-01-01 00:00:00", None),
        ("2017-05-16 20:00:60", None),
        (" 2017-05-16 20:00:00", None),
        ("2017-05-16 20:00:00\n", None),
        ("\u0662017-05-16 20:00:00", None),  # a digit, but of another script
        ("", None),
    ],
)
def test_read(text: str, found: datetime | None) -> None:
    assert read_time(text) == found


@pytest.mark.parametrize(
    ("epoch", "offset", "text"),
    [
        (0, 0, "1970-01-01 00:00:00.000"),
        (0, 8, "1970-01-01 08:00:00.000"),
        (1_700_000_000.345, 8, "2023-11-15 06:13:20.345"),
        (1_700_000_000.9999, 8, "2023-11-15 06:13:20.999"),
        (1_700_000_000, 5.75, "2023-11-15 03:58:20.000"),
        (1_700_000_000, -3.5, "2023-11-14 18:43:20.000"),
    ],
)
def test_write(epoch: float, offset: float, text: str) -> None:
    assert write_time(epoch, offset) == text


@given(st.floats(0, 4e9), st.sampled_from([8.0, 0.0, -3.5, 5.75]))
def test_there_and_back(epoch: float, offset: float) -> None:
    read = read_time(write_time(epoch, offset))
    assert read is not None
    assert 0 <= in_microseconds(epoch) - microseconds_of(read, offset) < 1000
