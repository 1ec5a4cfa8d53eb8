"""When time constraints let an alarm be evaluated: pure functions of the instant (alarms.md 2.10).

A constraint is open from 60 s (exclusive) before each of its starts until `duration` after it
(inclusive), as aodh has it; an alarm with several is evaluated while one of them is open. Starts
are wall times of the constraint's zone, made instants and compared in UTC: a wall time that exists
twice opens twice, one that is skipped opens right after the gap (alarms.md 11).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from alarms.cron import Cron, parse_cron
from alarms.definition.constraints import TimeConstraint

EARLY = timedelta(seconds=60)
_INSTANT = timedelta(microseconds=1)
#: No zone moves its clocks by more (Samoa once left out a day), nor twice in so short a time.
_LONGEST_SHIFT = timedelta(hours=26)


def is_open(constraints: Sequence[TimeConstraint], now: datetime) -> bool:
    """Whether an alarm with these constraints is evaluated at an instant; without any it is."""
    return not constraints or any(_is_open(one, now.astimezone(UTC)) for one in constraints)


def _is_open(one: TimeConstraint, now: datetime) -> bool:
    duration = timedelta(seconds=one.duration)
    start = latest_start(one, now + EARLY - _INSTANT, now - duration)
    return start is not None and start + duration >= now


def latest_start(one: TimeConstraint, before: datetime, since: datetime) -> datetime | None:
    """The last start at or before an instant, in UTC; None where there is none from `since` on."""
    zone = ZoneInfo(one.timezone or "UTC")
    cron = _cron(one.start)
    floor = _wall(since - _LONGEST_SHIFT, zone)
    found = [
        start
        for wall in _walls(zone, before)
        if (latest := _latest(cron, wall, floor))
        for start in _instants(latest, zone)
        if since <= start <= before
    ]
    return max(found, default=None)


@lru_cache(maxsize=10_000)
def _cron(text: str) -> Cron:
    return parse_cron(text)


def _walls(zone: ZoneInfo, instant: datetime) -> Iterator[datetime]:
    """Up to which wall times to look back: the present one, and the last of the hour before the
    clocks were put back, while that is later."""
    here = _wall(instant, zone)
    yield here
    earlier = instant - _LONGEST_SHIFT
    if _offset(earlier, zone) > _offset(instant, zone):
        turned = _wall(_change(zone, earlier, instant) - timedelta(seconds=1), zone)
        if turned > here:
            yield turned


def _instants(wall: datetime, zone: ZoneInfo) -> list[datetime]:
    """When the clocks show a wall time: once or twice; if never, when they jump over it."""
    first, second = (
        wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)
    )  # fmt: skip
    real = [one for one in (first, second) if _wall(one, zone) == wall]
    return real or [_change(zone, second, first)]


def _change(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first second at which the zone's offset is that of `high`; at `low` it is another."""
    low = low.replace(microsecond=0)
    after = _offset(high, zone)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (low, middle) if _offset(middle, zone) == after else (middle, high)
    return high.replace(microsecond=0)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


# --- wall times -------------------------------------------------------------------------------


def _latest(cron: Cron, wall: datetime, floor: datetime) -> datetime | None:
    """The cron's last time at or before `wall`, not looked for in days before that of `floor`."""
    for day in _days(cron, wall.date(), floor.date()):
        limit = wall.time() if day == wall.date() else time.max
        moment = _last_of_day(cron, limit)
        if moment:
            return datetime.combine(day, moment)
    return None


def _days(cron: Cron, day: date, first: date) -> Iterator[date]:
    """The cron's days backwards; months without one are passed over at once."""
    while day >= first:
        if day.month not in cron.months:
            day = day.replace(day=1)
        elif cron.has_day(day):
            yield day
        day -= timedelta(days=1)


def _last_of_day(cron: Cron, limit: time) -> time | None:
    hour = _at_most(cron.hours, limit.hour)
    if hour == limit.hour:
        minute = _at_most(cron.minutes, limit.minute)
        if minute == limit.minute:
            second = _at_most(cron.seconds, limit.second)
            if second is not None:
                return time(hour, minute, second)
            minute = _at_most(cron.minutes, limit.minute - 1)
        if minute is not None:
            return time(hour, minute, cron.seconds[-1])
        hour = _at_most(cron.hours, limit.hour - 1)
    return None if hour is None else time(hour, cron.minutes[-1], cron.seconds[-1])


def _at_most(values: Sequence[int], limit: int) -> int | None:
    place = bisect_right(values, limit)
    return values[place - 1] if place else None
