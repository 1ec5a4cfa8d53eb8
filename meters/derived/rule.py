"""How a sample is made of two of another meter in a row (sources.md 6.5). Arithmetic only.

A rate is the change a second: where a cumulative counter falls it began anew, so the new value is
what it grew by. That times the scale of the later sample's time, and not above the maximum. A
difference is the plain change; `growth_only` leaves out a fall. The first sample of a series gives
nothing, nor does one that is more than `LONGEST_US` behind the one before it, or that is another
project's: a rate tells nothing of what was nobody's to see. What is no finite number is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters.aggregation import Floats, Ints, steps
from meters.store.points import Points

#: A day: no sample is made of two that are further apart.
LONGEST_US = 86_400_000_000


class How(NamedTuple):
    """Of one series. From each of `since` on (ascending, µs) the resource has this owner (a number)
    and the meter this scale (NaN: none); the first reaches back for ever."""

    is_rate: bool
    is_counter: bool
    growth_only: bool
    most: float | None
    since: Ints
    owners: Ints
    scales: Floats


def derive(points: Points, hows: Sequence[How]) -> Points:
    """The derived samples of each series, at the times of the later ones. `points.index` is the
    place in `hows`."""
    if not len(points.index):
        return points
    owners, scales = _timelines(points, hows)
    apart = (np.diff(points.timestamps) > LONGEST_US) | (np.diff(owners) != 0)
    index = points.index[1:]
    found = steps(points, _each(index, [one.is_rate and one.is_counter for one in hows]))
    kept = found.kept & ~apart
    kept &= ~(_each(index, [one.growth_only for one in hows]) & (found.points.values < 0))
    seconds = np.diff(points.timestamps)[kept] / 1e6
    made = found.points.take(kept)
    with np.errstate(over="ignore", invalid="ignore"):
        rates = made.values / seconds * scales[1:][kept]
    limits = np.array([np.inf if one.most is None else one.most for one in hows])
    rates = np.minimum(rates, limits[made.index])
    is_rate = _each(made.index, [one.is_rate for one in hows])
    values = np.where(is_rate, rates, made.values)
    return made._replace(values=values).take(np.isfinite(values))


def _each(index: Ints, flags: Sequence[bool]) -> npt.NDArray[np.bool_]:
    return np.array(flags, dtype=np.bool_)[index]


def _timelines(points: Points, hows: Sequence[How]) -> tuple[Ints, Floats]:
    """(owner, scale) at each point. Most series have one of each."""
    owners = np.array([one.owners[0] for one in hows], dtype=np.int64)[points.index]
    scales = np.array([one.scales[0] for one in hows])[points.index]
    edges = np.searchsorted(points.index, np.arange(len(hows) + 1))
    for place, one in enumerate(hows):
        if len(one.since) > 1:
            part = slice(edges[place], edges[place + 1])
            times = points.timestamps[part]
            at = np.maximum(np.searchsorted(one.since, times, side="right") - 1, 0)
            owners[part], scales[part] = one.owners[at], one.scales[at]
    return owners, scales
