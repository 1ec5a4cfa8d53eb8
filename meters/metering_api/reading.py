"""Points of stretches: the newest ones, the ends of series, all of them in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters.classic_statistics import Partials, join, partials
from meters.metering_api.conditions import Bounds
from meters.metering_api.ids import Position
from meters.metering_api.stretches import NEVER_US, Stretch, Stretches
from meters.store.points import Points
from meters.store.points import join as join_points
from meters.store.read import END, latest_points, points_by_day, read_points
from meters.store.write import FUTURE_ALLOWANCE
from meters.wsme.errors import bad
from telemetry_site.clock import from_us, now, to_us

DAY_US = 86_400_000_000
#: Points that are to be in memory together …
POINTS_A_READ = 5_000_000
#: … and that one question may read.
MAX_POINTS = 500_000_000
#: A day with no more is read whole where the newest points are looked for; of others a window
#: that grows.
WHOLE_DAY = 200_000
FIRST_WINDOW_US, GROWTH = 60_000_000, 8

Flags = npt.NDArray[np.bool_]
#: Which of the points (of stretches) are wanted.
Keep = Callable[[Points], Flags]


class Sample(NamedTuple):
    stretch: Stretch
    timestamp_us: int
    value: float


class Read(NamedTuple):
    """The time [start, stop) of the series from one place to before another."""

    start_us: int
    stop_us: int
    first: int
    end: int


class Day(NamedTuple):
    start_us: int
    stop_us: int
    points: int


def find_days(stretches: Stretches, bounds: Bounds) -> list[Day]:
    """Where there may be points, oldest first, cut to the bounds."""
    if not stretches.all:
        return []
    begin_us = max(bounds.start_us, min(one.revision.since_us for one in stretches.all))
    end_us = max(one.revision.until_us for one in stretches.all)
    stop_us = min(bounds.stop_us, end_us, to_us(END))
    if begin_us >= stop_us:
        return []
    counts = points_by_day(stretches.series_ids, from_us(begin_us), from_us(stop_us))
    found = []
    for day, count in sorted(counts.items()):
        start_us = to_us(day)
        low, high = max(start_us, begin_us), min(start_us + DAY_US, stop_us)
        found.append(Day(low, high, count))
    return found


def read(stretches: Stretches, one: Read) -> Points:
    ids = stretches.series_ids[one.first : one.end]
    points = read_points(ids, from_us(one.start_us), from_us(one.stop_us))
    return stretches.attribute(points._replace(index=points.index + one.first))


# --- the newest samples ------------------------------------------------------------------------


def newest(
    stretches: Stretches,
    bounds: Bounds,
    limit: int,
    after: Position | None = None,
    keep: Keep | None = None,
) -> tuple[list[Sample], bool]:
    """At most `limit` samples, newest first and at one time the series first made first; and
    whether there are more. They begin behind `after`. Raises `Fault` where too many are read.
    """
    if after is not None:
        stop_us = min(bounds.stop_us, after.timestamp_us + 1)
        bounds = Bounds(bounds.start_us, stop_us)
    series = np.array([one.series.pk for one in stretches.all], dtype=np.int64)
    found: list[Sample] = []
    seen = 0
    for low, high in _backwards(find_days(stretches, bounds)):
        points = read(stretches, Read(low, high, 0, len(stretches.series_ids)))
        seen += len(points.index)
        if after is not None:
            points = points.take(_behind(points, series, after))
        if keep is not None:
            points = points.take(keep(points))
        found += samples_of(stretches, points, newest_first(points)[: limit + 1 - len(found)])
        if len(found) > limit:
            return found[:limit], True
        refuse_more_than(MAX_POINTS, seen)
    return found, False


def newest_first(points: Points) -> npt.NDArray[np.int64]:
    order: npt.NDArray[np.int64] = np.lexsort((points.index, -points.timestamps))
    return order


def samples_of(stretches: Stretches, points: Points, order: npt.NDArray[np.int64]) -> list[Sample]:
    columns = (column[order].tolist() for column in points)
    return [
        Sample(stretches.all[place], at, value) for place, at, value in zip(*columns, strict=True)
    ]


def refuse_more_than(most: int, count: int) -> None:
    if count > most:
        raise bad(
            f"The query would read more than {most} samples: narrow it by timestamp, meter or "
            "resource"
        )


def _backwards(days: Sequence[Day]) -> Iterator[tuple[int, int]]:
    """Windows [low, high) over the days, newest first."""
    clock_us = to_us(now() + FUTURE_ALLOWANCE)
    for day in reversed(days):
        if day.points <= WHOLE_DAY:
            yield day.start_us, day.stop_us
            continue
        high, length = day.stop_us, FIRST_WINDOW_US
        longest = max(DAY_US * POINTS_A_READ // day.points, 1)
        if day.start_us < clock_us < high:
            yield clock_us, high
            high = clock_us
        while high > day.start_us:
            low = max(day.start_us, high - min(length, longest))
            yield low, high
            high, length = low, length * GROWTH


def _behind(points: Points, series: npt.NDArray[np.int64], after: Position) -> Flags:
    later = (points.timestamps == after.timestamp_us) & (series[points.index] > after.series)
    behind: Flags = (points.timestamps < after.timestamp_us) | later
    return behind


# --- the ends of series ------------------------------------------------------------------------


class End(NamedTuple):
    timestamp_us: int
    stretch: Stretch


def last_samples(stretches: Stretches, bounds: Bounds) -> dict[int, End]:
    """The newest sample of each series (by its id) that has one in its stretches."""
    found: dict[int, End] = {}
    if bounds.are_open:
        for pk, (moment, _) in latest_points(stretches.series_ids).items():
            stretch = stretches.at(pk, to_us(moment))
            if stretch is not None:
                found[pk] = End(to_us(moment), stretch)
    left = [one for one in stretches.all if one.series.pk not in found]
    return found | _ends(Stretches(left), bounds, newest=True)


def first_samples(stretches: Stretches, bounds: Bounds) -> dict[int, End]:
    """The oldest sample of each series (by its id) that has one in its stretches."""
    return _ends(stretches, bounds, newest=False)


def _ends(stretches: Stretches, bounds: Bounds, newest: bool) -> dict[int, End]:
    """Day by day, until each series has one."""
    found: dict[int, End] = {}
    days = find_days(stretches, bounds)
    for day in reversed(days) if newest else days:
        if not stretches.all:
            break
        for one in _parts(day, len(stretches.series_ids)):
            points = read(stretches, one)
            # Of equal keys the last one written stays, so the wanted end is written last.
            for row in _edges(points) if newest else _edges(points)[::-1]:
                stretch = stretches.all[points.index[row]]
                found[stretch.series.pk] = End(int(points.timestamps[row]), stretch)
        left = [one for one in stretches.all if one.series.pk not in found]
        stretches = Stretches(left)
    return found


def _edges(points: Points) -> list[int]:
    """The first and the last row of each stretch."""
    if not len(points.index):
        return []
    changes = np.flatnonzero(np.diff(points.index)) + 1
    firsts, lasts = np.append(0, changes), np.append(changes, len(points.index)) - 1
    return [row for pair in zip(firsts.tolist(), lasts.tolist(), strict=True) for row in pair]


# --- all of them -------------------------------------------------------------------------------


def everything(stretches: Stretches, bounds: Bounds, most: int, keep: Keep) -> Points:
    """All points that are wanted, oldest days first. Raises `Fault` for more than `most`."""
    parts = []
    count = 0
    for one in reads(stretches, bounds):
        points = read(stretches, one)
        parts.append(points.take(keep(points)))
        count += len(parts[-1].index)
        refuse_more_than(most, count)
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Points(empty, empty, np.empty(0))
    return join_points(parts)


def summarised(
    stretches: Stretches, bounds: Bounds, period_us: int | None
) -> tuple[Partials | None, int]:
    """What statistics are made of (None: no point), and where periods begin. Raises `Fault`."""
    origin_us = bounds.origin_us
    asked = reads(stretches, bounds)
    held: dict[Read, Points] = {}
    if origin_us is None and period_us is not None:
        origin_us = _first_time(stretches, asked, held)
    parts = []
    for one in asked:
        points = held.pop(one) if one in held else read(stretches, one)
        parts.append(partials(points, period_us, origin_us or 0))
    return (join(parts) if parts else None), origin_us or 0


def reads(stretches: Stretches, bounds: Bounds) -> list[Read]:
    """Whole days, some `POINTS_A_READ` points each, oldest first. Raises `Fault`."""
    days = find_days(stretches, bounds)
    refuse_more_than(MAX_POINTS, sum(day.points for day in days))
    return [
        one for day in _joined(days) for one in _parts(day, len(stretches.series_ids))
    ]  # fmt: skip


def _joined(days: Sequence[Day]) -> list[Day]:
    found: list[Day] = []
    for day in days:
        if found and found[-1].points + day.points <= POINTS_A_READ:
            found[-1] = Day(found[-1].start_us, day.stop_us, found[-1].points + day.points)
        else:
            found.append(day)
    return found


def _parts(day: Day, series: int) -> Iterator[Read]:
    """A day with very many points, some of the series at a time."""
    step = max(series * POINTS_A_READ // max(day.points, 1), 1)
    for first in range(0, series, step):
        yield Read(day.start_us, day.stop_us, first, min(first + step, series))


def _first_time(
    stretches: Stretches, asked: Sequence[Read], held: dict[Read, Points]
) -> int | None:
    """Of the first point that there is. What had to be read for it is `held`, if it is one read."""
    for _, group in groupby(asked, key=attrgetter("start_us")):
        of_one_time, firsts = list(group), []
        for one in of_one_time:
            points = read(stretches, one)
            firsts.append(int(points.timestamps.min(initial=NEVER_US)))
            if len(of_one_time) == 1:
                held[one] = points
        if min(firsts) < NEVER_US:
            return min(firsts)
    return None
