"""The schedules of timers: the rules as tables, every second held against a second reading of them, and croniter."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given
from hypothesis import strategies as st

from pytest_scf.triggers.cron import Cron, CronError

MARCH = datetime(2024, 3, 1) - timedelta(seconds=1)  # the 1st is a Friday
APRIL = datetime(2024, 4, 1) - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        # day and week both given: either is enough
        ("0 0 12 1 * MON *", [1, 4, 11, 18, 25]),
        ("0 0 12 1,2 * 0 *", [1, 2, 3, 10, 17, 24, 31]),
        # one of them * or ?: the other alone decides
        ("0 15 10 * * MON-FRI *", [1, *range(4, 9), *range(11, 16), *range(18, 23), *range(25, 30)]),
        ("0 15 10 ? * MON-FRI *", [1, *range(4, 9), *range(11, 16), *range(18, 23), *range(25, 30)]),
        ("0 0 12 * * WED *", [6, 13, 20, 27]),
        ("0 15 10 1 * ? *", [1]),
        ("0 0 2 1 * * *", [1]),
        ("0 0 0 * * * *", list(range(1, 32))),
        # L, W and #
        ("0 0 0 L * * *", [31]),
        ("0 0 0 1,L * ? *", [1, 31]),
        ("0 0 0 LW * ? *", [29]),
        ("0 0 0 9W * ? *", [8]),
        ("0 0 0 10W * ? *", [11]),
        ("0 0 0 31W * ? *", [29]),
        ("0 0 0 6W * ? *", [6]),
        ("0 0 0 ? * 2#3 *", [19]),
        ("0 0 0 ? * TUE#3,5#5 *", [19, 29]),
        ("0 0 0 ? * 2#5 *", []),
        ("0 0 0 ? * 5L *", [29]),
        ("0 0 0 ? * monL *", [25]),
        ("0 0 0 L * 5L *", [29, 31]),
        # steps and ranges
        ("0 0 0 */10 * * *", [1, 11, 21, 31]),
        ("0 0 0 5/10 * * *", [5, 15, 25]),
        ("0 0 0 10-20/5 * * *", [10, 15, 20]),
        ("0 0 0 * * */3 *", [2, 3, 6, 9, 10, 13, 16, 17, 20, 23, 24, 27, 30, 31]),
        # months and years
        ("0 0 0 1 FEB,MAR * *", [1]),
        ("0 0 0 1 1-2 * *", []),
        ("0 0 0 1 * * 2023", []),
        ("0 0 0 1 * * 2020/4", [1]),
        # the older syntax
        ("30 1 * * 1", [4, 11, 18, 25]),
    ],
)
def test_the_days_of_a_march(text: str, days: list[int]) -> None:
    assert [moment.day for moment in Cron.parse(text).between(MARCH, APRIL - timedelta(seconds=1))] == days


@pytest.mark.parametrize(
    ("text", "moments"),
    [
        ("0 1/20 6 * * * *", ["06:01:00", "06:21:00", "06:41:00"]),
        ("0 0 10,14,16 * * * *", ["10:00:00", "14:00:00", "16:00:00"]),
        ("0 */30 9-10 * * * *", ["09:00:00", "09:30:00", "10:00:00", "10:30:00"]),
        ("*/20 0 0 * * * *", ["00:00:00", "00:00:20", "00:00:40"]),
        ("59 59 23 * * * *", ["23:59:59"]),
        ("*/30 9 * * *", ["09:00:00", "09:30:00"]),  # the older syntax begins with the minute
    ],
)
def test_the_moments_of_a_day(text: str, moments: list[str]) -> None:
    start = datetime(2024, 3, 5) - timedelta(seconds=1)
    found = Cron.parse(text).between(start, start + timedelta(days=1))
    assert [moment.strftime("%H:%M:%S") for moment in found] == moments


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("* * * * *  *", "6 fields"),
        ("", "0 fields"),
        ("60 * * * * * *", "second: '60' is not a number from 0 to 59"),
        ("* 60 * * * * *", "minute"),
        ("* * 24 * * * *", "hour"),
        ("* * * 0 * * *", "day"),
        ("* * * 32W * * *", "day: '32' is not a number from 1 to 31"),
        ("* * * * 13 * *", "month: '13' is not a number from 1 to 12 or JAN"),
        ("* * * * * 7 *", "week: '7' is not a number from 0 to 6 or SUN"),
        ("* * * * * * 1969", "year"),
        ("* * * * * * 2100", "year"),
        ("* * 22-2 * * * *", "hour: the range '22-2' ends before it begins; write 22-23,0-2"),
        ("* */0 * * * * *", "minute: the step"),
        ("* /5 * * * * *", "minute: '' is not"),
        ("* 5/ * * * * *", "minute: the step"),
        ("* 1,,2 * * * * *", "minute: '' is not"),
        ("* -1 * * * * *", "minute"),
        ("? * * * * * *", "second"),
        ("* * * ? * ? *", "'\\?' says"),
        ("* * * ?/2 * * *", "day"),
        ("* * * * * L *", "week"),
        ("* * * * * 2#6 *", "week: '2#6' must say which one of a month"),
        ("* * * * * 2# *", "week: '2#' must say"),
        ("* * L * * * *", "hour"),
        ("* * * * FOO * *", "month"),
        ("* ٣ * * * * *", "minute"),
        ("a/b * * * * * *", "second: the step"),
    ],
)
def test_what_is_no_schedule_is_refused_by_field(text: str, complaint: str) -> None:
    with pytest.raises(CronError, match=complaint):
        Cron.parse(text)


def test_a_schedule_that_never_fires() -> None:
    assert Cron.parse("0 0 0 30 2 ? *").next_after(MARCH) is None
    assert Cron.parse("0 0 0 1 1 ? 2020").next_after(MARCH) is None
    assert Cron.parse("0 0 0 29 2 ? *").next_after(APRIL) == datetime(2028, 2, 29)


def test_nearest_workdays_stay_in_their_month() -> None:
    assert Cron.parse("0 0 0 1W 6 ? *").next_after(APRIL) == datetime(2024, 6, 3)  # the 1st is a Saturday
    assert Cron.parse("0 0 0 30W 6 ? *").next_after(APRIL) == datetime(2024, 6, 28)  # the 30th is a Sunday
    assert Cron.parse("0 0 0 31W 6 ? *").next_after(APRIL) is None


def field(least: int, most: int) -> st.SearchStrategy[str]:
    numbers = st.integers(least, most)
    ranges = st.tuples(numbers, numbers).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: f"{pair[0]}-{pair[1]}")
    bases = st.one_of(st.just("*"), numbers.map(str), ranges)
    stepped = st.tuples(bases, st.integers(1, most)).map(lambda pair: f"{pair[0]}/{pair[1]}")
    return st.one_of(
        st.just("*"), st.lists(st.one_of(numbers.map(str), ranges, stepped), min_size=1, max_size=3).map(",".join)
    )


def as_croniter(text: str, count: int) -> bool:
    """croniter takes a field of days that names all of them, or begins with a star, for a star, which is not or-ed."""
    named: set[str] = set()
    for item in text.split(","):
        first, _, last = item.partition("-")
        if "/" in item:
            return False
        named |= {str(day) for day in range(int(first), int(last or first) + 1)} if item != "*" else set()
    return len(named) < count


fields = (field(0, 59), field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6), st.just("*"))
expressions = st.tuples(*fields).map(" ".join)
moments = st.datetimes(datetime(1999, 1, 1), datetime(2040, 1, 1))


@given(expressions, moments)
def test_the_next_moment_matches_and_none_before_it_does(text: str, moment: datetime) -> None:
    cron = Cron.parse(text)
    following = cron.next_after(moment)
    if following is None:
        return
    assert cron.matches(following)
    assert following > moment
    assert following.microsecond == 0
    # Between the two there is none, looked at one by one: by the second nearby, then by the days in between.
    for seconds in range(1, 200):
        between = moment.replace(microsecond=0) + timedelta(seconds=seconds)
        if between < following:
            assert not cron.matches(between)
    day = moment.date() + timedelta(days=1)
    sample = datetime(1, 1, 1, max(cron.hours), max(cron.minutes), max(cron.seconds)).time()
    while datetime.combine(day, sample) < following:
        assert not cron.matches(datetime.combine(day, sample))
        day += timedelta(days=1)


@given(
    st.tuples(*fields[:3], fields[3].filter(lambda text: as_croniter(text, 31)), fields[4]),
    fields[5].filter(lambda text: as_croniter(text, 7)),
    moments,
)
def test_as_croniter_has_it_where_the_grammars_meet(first: tuple[str, ...], week: str, moment: datetime) -> None:
    found = Cron.parse(" ".join([*first, week, "*"])).next_after(moment)
    if found is None:
        return
    theirs = croniter(" ".join([*first, week]), moment, second_at_beginning=True, max_years_between_matches=200)
    assert theirs.get_next(datetime) == found


@given(st.sampled_from(["L", *(f"{day}" for day in range(1, 32))]), st.integers(0, 6), st.integers(1, 5), moments)
def test_as_croniter_has_last_and_numbered_days(day: str, weekday: int, which: int, moment: datetime) -> None:
    for ours, theirs in (
        (f"0 0 3 {day} * ? *", f"0 3 {day} * *"),
        (f"0 0 3 ? * {weekday}L *", f"0 3 * * L{weekday}"),
        (f"0 0 3 ? * {weekday}#{which} *", f"0 3 * * {weekday}#{which}"),
    ):
        assert Cron.parse(ours).next_after(moment) == croniter(theirs, moment).get_next(datetime), ours
