"""The oldest and the newest sample of series: the store tells them of series that fit as a whole,
of all others they are read day by day until each has one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from meters.metering_api.conditions import Bounds
from meters.metering_api.reading import find_days, parts_of, read
from meters.metering_api.stretches import Stretch, Stretches
from meters.store.moments import first_times, last_times
from meters.store.points import Points


class End(NamedTuple):
    timestamp_us: int
    stretch: Stretch


def last_samples(stretches: Stretches, bounds: Bounds) -> dict[int, End]:
    """The newest sample of each series (by its id) that has one in its stretches."""
    return _found(stretches, bounds, newest=True)


def first_samples(stretches: Stretches, bounds: Bounds) -> dict[int, End]:
    """The oldest sample of each series (by its id) that has one in its stretches."""
    return _found(stretches, bounds, newest=False)


def _found(stretches: Stretches, bounds: Bounds, newest: bool) -> dict[int, End]:
    found: dict[int, End] = {}
    times = (last_times if newest else first_times)(stretches.series_ids)
    for pk, at in times.items():
        stretch = stretches.at(pk, at)
        if stretch is not None and bounds.start_us <= at < bounds.stop_us:
            found[pk] = End(at, stretch)
    left = [one for one in stretches.all if one.series.pk in times and one.series.pk not in found]
    return found | _ends(Stretches(left), bounds, newest)


def _ends(stretches: Stretches, bounds: Bounds, newest: bool) -> dict[int, End]:
    """Day by day, until each series has one."""
    found: dict[int, End] = {}
    days = find_days(stretches, bounds)
    for day in reversed(days) if newest else days:
        if not stretches.all:
            break
        for one in parts_of(day, len(stretches.series_ids)):
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
