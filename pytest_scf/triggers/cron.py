"""The schedule of a timer trigger: the vendor's cron expressions of seven fields (583/9708).

The fields are second, minute, hour, day of the month, month, day of the week (0 is Sunday) and year. All take ``*``,
``a``, ``a-b``, ``*/step``, ``a/step`` and lists; months and days of the week have names; the day takes ``?``, ``L``,
``LW`` and ``10W``, the day of the week ``?``, ``5L`` and ``2#3``. Five fields (minute, hour, day, month, day of the
week) are the older syntax, which UpdateTrigger still documents.

Where both days are given, either is enough; where one is ``*`` or ``?``, the other alone decides.

# Choice: the documents are silent on these. ``a-b/step`` steps within the range; a range does not wrap around; 7 is
no Sunday; names are read in any case; ``31W`` fires in months with 31 days only; ``?`` may stand for one of the days.

Times are wall times without a zone: the zone of a schedule is the caller's.
"""

from __future__ import annotations

import calendar
import functools
import re
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_WEEK = {"SUN": 0, "MON": 1, "TUE": 2, "WED": 3, "THU": 4, "FRI": 5, "SAT": 6}
_SATURDAY = 6


class CronError(ValueError):
    """An expression that is no schedule; the text says which field, and what it accepts."""


@dataclass(frozen=True)
class _Field:
    name: str
    least: int
    most: int
    names: dict[str, int]

    def number(self, text: str) -> int:
        found = self.names.get(text.upper())
        if found is None:
            found = int(text) if text.isascii() and text.isdigit() else -1
        if not self.least <= found <= self.most:
            names = f" or {', '.join(self.names)}" if self.names else ""
            raise CronError(f"{self.name}: {text!r} is not a number from {self.least} to {self.most}{names}")
        return found

    def values(self, text: str) -> set[int]:
        """The values of ``*``, ``a``, ``a-b`` and their steps."""
        base, slash, step_text = text.partition("/")
        step = 1
        if slash:
            step = int(step_text) if step_text.isascii() and step_text.isdigit() else 0
            if step < 1:
                raise CronError(f"{self.name}: the step of {text!r} is not a number of at least 1")
        if base == "*":
            return set(range(self.least, self.most + 1, step))
        first_text, dash, last_text = base.partition("-")
        first = self.number(first_text)
        if dash:
            last = self.number(last_text)
            if last < first:
                raise CronError(
                    f"{self.name}: the range {base!r} ends before it begins; write "
                    f"{first}-{self.most},{self.least}-{last}"
                )
        else:
            last = self.most if slash else first
        return set(range(first, last + 1, step))


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day", 1, 31, {})
_MONTH = _Field("month", 1, 12, _MONTHS)
_WEEKDAY = _Field("week", 0, 6, _WEEK)
_YEAR = _Field("year", 1970, 2099, {})


@dataclass(frozen=True)
class _Month:
    """A month of the calendar, for what depends on it."""

    year: int
    month: int

    @functools.cached_property
    def first_weekday(self) -> int:
        """Of the 1st; 0 is Sunday."""
        return (calendar.weekday(self.year, self.month, 1) + 1) % 7

    @functools.cached_property
    def length(self) -> int:
        return calendar.monthrange(self.year, self.month)[1]

    @property
    def days(self) -> range:
        return range(1, self.length + 1)

    def all_of(self, weekdays: Set[int]) -> list[int]:
        return [day for day in self.days if self.weekday(day) in weekdays]

    def weekday(self, day: int) -> int:
        return (self.first_weekday + day - 1) % 7

    def nearest_workday(self, day: int) -> int:
        """The day from Monday to Friday that is nearest to ``day``, within the month."""
        weekday = self.weekday(day)
        if weekday == _SATURDAY:
            return day - 1 if day > 1 else day + 2
        if weekday == 0:
            return day + 1 if day < self.length else day - 2
        return day


#: the days of a month that one item of a field names
_Rule = Callable[[_Month], set[int]]


@dataclass(frozen=True)
class Cron:
    """A schedule; ``Cron.parse`` makes it."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    #: what names the days, of both fields; empty: every day
    _rules: tuple[_Rule, ...]

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression of seven fields, or of five. Raises CronError, which names the field."""
        fields = text.split()
        if len(fields) == 5:
            fields = ["0", *fields, "*"]
        if len(fields) != 7:
            raise CronError(
                f"{text!r} has {len(fields)} fields; a schedule has 7 (second minute hour day month week year), or 5 "
                "(minute hour day month week)"
            )
        second, minute, hour, day, month, week, year = fields
        if day == week == "?":
            raise CronError(f"{text!r}: '?' says that the other of day and week decides, and may stand for one only")
        return cls(
            text=text,
            seconds=_union(_SECOND, second),
            minutes=_union(_MINUTE, minute),
            hours=_union(_HOUR, hour),
            months=_union(_MONTH, month),
            years=_union(_YEAR, year),
            _rules=(*_rules(day, _day_rule), *_rules(week, _week_rule)),
        )

    def matches(self, moment: datetime) -> bool:
        """Whether the schedule fires at this second."""
        return (
            moment.second in self.seconds
            and moment.minute in self.minutes
            and moment.hour in self.hours
            and moment.month in self.months
            and moment.year in self.years
            and moment.day in self._days(moment.year, moment.month)
        )

    def next_after(self, moment: datetime) -> datetime | None:
        """The first moment of the schedule after ``moment``; None where it fires no more."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        for year, month in self._months_from(start.year, start.month):
            for day in sorted(self._days(year, month)):
                midnight = start.replace(year=year, month=month, day=day, hour=0, minute=0, second=0)
                if midnight.date() < start.date():
                    continue
                found = self._within_day(midnight, start)
                if found is not None:
                    return found
        return None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The moments of the schedule after ``start`` up to and including ``end``, in order."""
        moment = self.next_after(start)
        while moment is not None and moment <= end:
            yield moment
            moment = self.next_after(moment)

    def _months_from(self, year: int, month: int) -> Iterator[tuple[int, int]]:
        for each_year in self.years:
            if each_year < year:
                continue
            for each_month in self.months:
                if each_year > year or each_month >= month:
                    yield each_year, each_month

    def _within_day(self, midnight: datetime, start: datetime) -> datetime | None:
        """The first moment of a day that is not before ``start``."""
        for hour in self.hours:
            if midnight.replace(hour=hour, minute=59, second=59) < start:
                continue
            for minute in self.minutes:
                if midnight.replace(hour=hour, minute=minute, second=59) < start:
                    continue
                for second in self.seconds:
                    moment = midnight.replace(hour=hour, minute=minute, second=second)
                    if moment >= start:
                        return moment
        return None

    def _days(self, year: int, month: int) -> set[int]:
        days = _Month(year, month)
        if not self._rules:
            return set(days.days)
        return {day for rule in self._rules for day in rule(days)}

    def __str__(self) -> str:
        return self.text


def _union(field: _Field, text: str) -> tuple[int, ...]:
    return tuple(sorted({value for item in text.split(",") for value in field.values(item)}))


def _rules(text: str, read: Callable[[str], _Rule]) -> list[_Rule]:
    """What the items of a field of days name; nothing where the field leaves that to the other one."""
    return [] if text in ("*", "?") else [read(item) for item in text.upper().split(",")]


def _day_rule(item: str) -> _Rule:
    if item == "L":
        return lambda month: {month.length}
    if item == "LW":
        return lambda month: {month.nearest_workday(month.length)}
    workday = re.fullmatch(r"(\d+)W", item, re.ASCII)
    if workday is not None:
        wanted = _DAY.number(workday[1])
        return lambda month: {month.nearest_workday(wanted)} if wanted <= month.length else set()
    values = _DAY.values(item)
    return lambda month: values & set(month.days)


def _week_rule(item: str) -> _Rule:
    name, mark, which = item.partition("#")
    if mark:
        if which not in ("1", "2", "3", "4", "5"):
            raise CronError(f"week: {item!r} must say which one of a month after the '#', from 1 to 5")
        numbered = _WEEKDAY.number(name)
        return lambda month: set(month.all_of({numbered})[int(which) - 1 : int(which)])
    if item.endswith("L") and item != "L":
        last = _WEEKDAY.number(item[:-1])
        return lambda month: set(month.all_of({last})[-1:])
    values = _WEEKDAY.values(item)
    return lambda month: set(month.all_of(values))
