"""Points of stretches, and the newest ones of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters.derived.reading import Fetched, fetch_points, points_by_day
from meters.metering_api.conditions import Bounds
from meters.metering_api.ids import Position
from meters.metering_api.stretches import Stretch, Stretches
from meters.store.chunks import DAY_US
from meters.store.points import Points
from meters.store.read import END
from meters.store.write import FUTURE_ALLOWANCE
from meters.wsme.errors import bad
from telemetry_site.clock import from_us, now, to_us

#: Points that are to be in memory together; some such parts are, one behind the other, …
POINTS_A_READ = 2_000_000
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
    return stretches.attribute(_fetched(stretches, one).points(), one.first)


def read_blocks(stretches: Stretches, one: Read) -> Iterator[Points]:
    """The same points, some series' at a time. They are fetched now, and unpacked as they are taken
    out, which may be in another thread.
    """
    blocks = _fetched(stretches, one).blocks()
    return (stretches.attribute(points, one.first) for points in blocks)


def _fetched(stretches: Stretches, one: Read) -> Fetched:
    ids = stretches.series_ids[one.first : one.end]
    return fetch_points(ids, from_us(one.start_us), from_us(one.stop_us))


def parts_of(day: Day, series: int) -> Iterator[Read]:
    """A day with very many points, some of the series at a time."""
    step = max(series * POINTS_A_READ // max(day.points, 1), 1)
    for first in range(0, series, step):
        yield Read(day.start_us, day.stop_us, first, min(first + step, series))


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
