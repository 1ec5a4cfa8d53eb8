"""All points of stretches, read in parts: some days at a time, of many series some."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from operator import attrgetter

import numpy as np

from meters.classic_statistics import Partials, join, partials
from meters.metering_api import reading
from meters.metering_api.conditions import Bounds
from meters.metering_api.reading import (
    MAX_POINTS,
    Day,
    Keep,
    Read,
    find_days,
    parts_of,
    read,
    read_blocks,
    refuse_more_than,
)
from meters.metering_api.stretches import NEVER_US, Stretches
from meters.store.points import Points
from meters.store.points import join as join_points
from meters.wsme.errors import bad

#: Threads that unpack, and parts that wait for them.
UNPACKING, AHEAD = 2, 2


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


def refuse_more_rows_than(most: int, count: int) -> None:
    if count > most:
        raise bad(
            f"The answer would have more than {most} rows: take a longer period, narrow the time, "
            "or group by less"
        )


def summarised(
    stretches: Stretches, bounds: Bounds, period_us: int | None, most_rows: int
) -> tuple[Partials | None, int]:
    """What statistics are made of (None: no point), and where periods begin. Raises `Fault`, also
    as soon as there are points in more periods than there may be rows."""
    origin_us = bounds.origin_us
    asked = reads(stretches, bounds)
    held: dict[Read, list[Points]] = {}
    if origin_us is None and period_us is not None:
        origin_us = _first_time(stretches, asked, held)
    begin_us = origin_us or 0

    def part(unpacked: Iterable[Points]) -> list[Partials]:
        return [partials(points, period_us, begin_us) for points in unpacked]

    blocks = (held.pop(one) if one in held else read_blocks(stretches, one) for one in asked)
    parts: list[Partials] = []
    count, looked_at = 0, most_rows
    for one in _side_by_side(part, blocks):
        parts.append(one)
        count += len(one.counts)
        if period_us is not None and count > looked_at:
            looked_at = 2 * count  # not at each part, or the first would be gone through again
            periods = np.unique(np.concatenate([each.period for each in parts]))
            refuse_more_rows_than(most_rows, len(periods))
    return (join(parts) if parts else None), begin_us


def _side_by_side(
    work: Callable[[Iterable[Points]], list[Partials]], fetched: Iterable[Iterable[Points]]
) -> Iterator[Partials]:
    """In order. Parts are unpacked and summed up in threads while the next one is fetched, which is
    the database's work; no more than `AHEAD` of them wait. Most of unpacking needs no interpreter.
    """
    with ThreadPoolExecutor(UNPACKING) as workers:
        waiting: deque[Future[list[Partials]]] = deque()
        for one in fetched:
            waiting.append(workers.submit(work, one))
            if len(waiting) > AHEAD:
                yield from waiting.popleft().result()
        for future in waiting:
            yield from future.result()


def reads(stretches: Stretches, bounds: Bounds) -> list[Read]:
    """Whole days, some `POINTS_A_READ` points each, oldest first. Raises `Fault`."""
    days = find_days(stretches, bounds)
    refuse_more_than(MAX_POINTS, sum(day.points for day in days))
    return [
        one for day in _joined(days) for one in parts_of(day, len(stretches.series_ids))
    ]  # fmt: skip


def _joined(days: Sequence[Day]) -> list[Day]:
    found: list[Day] = []
    for day in days:
        if found and found[-1].points + day.points <= reading.POINTS_A_READ:
            found[-1] = Day(found[-1].start_us, day.stop_us, found[-1].points + day.points)
        else:
            found.append(day)
    return found


def _first_time(
    stretches: Stretches, asked: Sequence[Read], held: dict[Read, list[Points]]
) -> int | None:
    """Of the first point that there is. What had to be read for it is `held`, if it is one read."""
    for _, group in groupby(asked, key=attrgetter("start_us")):
        of_one_time, firsts = list(group), []
        for one in of_one_time:
            blocks = list(read_blocks(stretches, one))
            firsts += [int(points.timestamps.min(initial=NEVER_US)) for points in blocks]
            if len(of_one_time) == 1:
                held[one] = blocks
        if (first := min(firsts, default=NEVER_US)) < NEVER_US:
            return first
    return None
