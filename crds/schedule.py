"""
Cron schedules of disruption budgets, in UTC.

Five fields (minute, hour, day of month, month, day of week 0-6), or a macro such as ``@daily``; names of months and
weekdays are allowed. When both days are restricted, either may match. The grammar is that of robfig/cron v3, which
Karpenter reads its budgets with: https://pkg.go.dev/github.com/robfig/cron/v3#hdr-CRON_Expression_Format.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass

from crds import wording

MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_WEEKDAYS = {name: number for number, name in enumerate(_WEEKDAY_NAMES)}
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _WEEKDAYS),
)
_LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MINUTE = 60
_DAY = 86_400


class ScheduleError(ValueError):
    """A text that is not a schedule; its message is one sentence that also says what to write."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The minutes, hours, days, months and weekdays at which something begins."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    both_days: bool
    """Whether day of month and day of week must both match, which is so when either is unrestricted."""

    def fires(self, after: int, until: int) -> bool:
        """Whether the schedule fires in (after, until], in whole seconds since the epoch."""
        first = after // _MINUTE + 1
        last = until // _MINUTE
        for day in range(first * _MINUTE // _DAY, last * _MINUTE // _DAY + 1):
            if first <= last and self._on(day):
                start = day * _DAY // _MINUTE
                if any(first <= start + 60 * hour + minute <= last for hour in self.hours for minute in self.minutes):
                    return True
        return False

    def _on(self, day: int) -> bool:
        date = datetime.date(1970, 1, 1) + datetime.timedelta(days=day)
        if date.month not in self.months:
            return False
        matches = (date.day in self.days, date.isoweekday() % 7 in self.weekdays)
        return all(matches) if self.both_days else any(matches)


@functools.lru_cache(maxsize=1024)
def parse(text: str) -> Schedule:
    """
    The schedule that a text describes.

    Raises `ScheduleError`.
    """
    parts = MACROS.get(text.strip(), text).split()
    if len(parts) != len(_FIELDS):
        raise ScheduleError(
            f"{wording.shown(text)} is not a schedule: write minute, hour, day of month, month and day of week, "
            'such as "0 9 * * mon-fri", or one of ' + ", ".join(MACROS)
        )
    sets: list[frozenset[int]] = []
    stars: list[bool] = []
    for part, (name, low, high, names) in zip(parts, _FIELDS, strict=True):
        try:
            numbers, star = _field(part, low, high, names)
        except ValueError:
            raise ScheduleError(
                f"{wording.shown(text)} is not a schedule: {wording.shown(part)} is no {name}, "
                f"write *, numbers from {low} to {high}, ranges such as {low}-{high} or steps such as */2"
            ) from None
        sets.append(numbers)
        stars.append(star)
    found = Schedule(sets[0], sets[1], sets[2], sets[3], sets[4], both_days=stars[2] or stars[4])
    if found.both_days and not any(day <= _LONGEST_MONTH[month - 1] for month in found.months for day in found.days):
        raise ScheduleError(f"{wording.shown(text)} is a date that never comes: write a day that the month has")
    return found


def _field(text: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """The numbers that one field names, and whether it is unrestricted; ValueError when it is no field."""
    numbers: set[int] = set()
    star = False
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, {}) if slash else 1
        begin, dash, end = span.partition("-")
        if begin in ("*", "?"):
            first, last = low, high
            star = star or step == 1
        else:
            first = _number(begin, names)
            last = _number(end, names) if dash else (high if slash else first)
        if not low <= first <= last <= high or step == 0:
            raise ValueError
        numbers.update(range(first, last + 1, step))
    return frozenset(numbers), star


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not (text.isascii() and text.isdigit() and len(text) <= len("0059")):
        raise ValueError
    return int(text)
