"""Cron expressions of time constraints: five fields, a sixth with seconds, a seventh with years.

Lists, ranges (also over the end: ``fri-mon``), steps, names of months and days, ``l`` for a month's
last day, ``@daily`` and its like. Where both days are given one of them is enough, as in cron.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

ALIASES = {
    "@midnight": "0 0 * * *", "@hourly": "0 * * * *", "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}  # fmt: skip
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LAST = 0  # in `days`: the month's last day
_LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
MAX_LENGTH = 1000
COLUMNS = "Exactly 5, 6 or 7 columns has to be specified for iterator expression."


class CronError(ValueError):
    """No cron expression, or one that never comes."""


@dataclass(frozen=True)
class Cron:
    """When it comes, in local time. `days` are of the month, 0 its last one; `weekdays` begin with
    Sunday as 0. `any_day` and `any_weekday` are for fields that do not limit."""

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    years: frozenset[int] | None
    any_day: bool
    any_weekday: bool

    def has_day(self, day: date) -> bool:
        """Whether it comes on this day at all."""
        if day.month not in self.months or (self.years is not None and day.year not in self.years):
            return False
        is_last = (day + timedelta(days=1)).month != day.month
        in_month = day.day in self.days or (is_last and _LAST in self.days)
        in_week = (day.weekday() + 1) % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return in_month and in_week
        return in_month or in_week


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59), _Field("hour", 0, 23), _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS), _Field("day of week", 0, 7, _DAYS), _Field("second", 0, 59),
    _Field("year", 1970, 2099),
)  # fmt: skip
_PART = re.compile(r"(\*|\?|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d{1,4}))?", re.ASCII)


def parse_cron(text: str) -> Cron:
    """Raises `CronError`."""
    if len(text) > MAX_LENGTH:
        raise CronError(f"is longer than {MAX_LENGTH} characters")
    words = ALIASES.get(text.strip().lower(), text.lower()).split()
    if not 5 <= len(words) <= 7:
        raise CronError(COLUMNS)
    found = [_values(word, field) for word, field in zip(words, _FIELDS, strict=False)]
    cron = Cron(
        seconds=tuple(sorted(found[5])) if len(found) > 5 else (0,),
        minutes=tuple(sorted(found[0])),
        hours=tuple(sorted(found[1])),
        days=frozenset(found[2]),
        months=frozenset(found[3]),
        weekdays=frozenset(day % 7 for day in found[4]),
        years=frozenset(found[6]) if len(found) > 6 and words[6] != "*" else None,
        any_day=words[2] in ("*", "?"),
        any_weekday=words[4] in ("*", "?"),
    )
    if cron.any_weekday and not any(_comes(cron, month) for month in cron.months):
        raise CronError(f"[{text}] never comes: no such day in such a month")
    return cron


def _comes(cron: Cron, month: int) -> bool:
    return min(cron.days) <= _LONGEST_MONTH.get(month, 31)


def _values(word: str, field: _Field) -> set[int]:
    found: set[int] = set()
    for part in word.split(","):
        if part == "l" and field.name == "day of month":
            found.add(_LAST)
        else:
            found |= _range(part, word, field)
    return found


def _range(part: str, word: str, field: _Field) -> set[int]:
    match = _PART.fullmatch(part)
    if match is None or (match[1] == "?" and "day" not in field.name):
        raise CronError(f"[{word}] is not acceptable as {field.name}")
    first, last, step = match[1], match[2], int(match[3] or 1)
    if step < 1:
        raise CronError(f"[{word}] has a step of 0")
    if first in ("*", "?"):
        if last:
            raise CronError(f"[{word}] is not acceptable as {field.name}")
        return set(range(field.low, field.high + 1, step))
    low = _number(first, word, field)
    high = _number(last, word, field) if last else field.high if match[3] else low
    if low <= high:
        return set(range(low, high + 1, step))
    top = 6 if field.name == "day of week" else field.high
    around = [*range(low, top + 1), *range(field.low, high + 1)]
    return set(around[::step])


def _number(text: str, word: str, field: _Field) -> int:
    if text in field.names:
        return field.names.index(text) + field.low
    if not text.isdigit() or not field.low <= int(text[:6]) <= field.high:
        raise CronError(f"[{word}] is not acceptable, out of range for {field.name}")
    return int(text)
