"""Aggregation of raw points, in numpy: many series at once and no Python loop over points.

Every function takes `Points` as the store hands them out (sorted by series and time, no two
points of one series at one time) and gives `Points` or rows of buckets. Buckets are aligned to
the epoch, ``[k·granularity, (k+1)·granularity)``, and are named by their start. A bucket without
a point does not exist: no zero, no null.

Formulas follow gnocchi 4.7.1, since its clients compare: `std` divides by n-1 and has no value
for n = 1; `Npct` interpolates between the two values around position (n-1)·N/100; ``rate:X`` is
X over the plain differences of consecutive points, each in the bucket of its later point, with
the previous point of the series as predecessor *whatever the gap*. (gnocchi's own result depends
on how the points were batched.) So who wants ``rate:`` from some time on must hand in each
series' last point before that time too, and may cut its bucket off with `between`.

A result that is no finite number (the sum of two huge values) is left out, as `Points` holds
finite values only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters.runs import Floats as Floats
from meters.runs import Ints as Ints
from meters.runs import (
    Runs,
    cut,
    maxima,
    means,
    minima,
    reduce_runs,
    square_deviations,
    sums,
)
from meters.store.points import Points

Flags = npt.NDArray[np.bool_]

RATE_PREFIX = "rate:"
_PERCENTILE = re.compile(r"([1-9][0-9]?)pct", re.ASCII)


class AggregationError(ValueError):
    """An unknown method, or a bucket width that is not positive."""


class Increases(NamedTuple):
    """What was added between consecutive points; `resets` marks where the counter began anew."""

    points: Points
    resets: Flags


class Steps(NamedTuple):
    """What lies between each point and the one before it, at the later one's time; which of these
    are within one series and finite; and at which a counter began anew."""

    points: Points
    kept: Flags
    resets: Flags


# --- methods: one value a run ------------------------------------------------------------------


def _count(runs: Runs) -> Floats:
    return runs.counts.astype(np.float64)


def _first(runs: Runs) -> Floats:
    return runs.values[runs.starts]


def _last(runs: Runs) -> Floats:
    ends = runs.starts + runs.counts
    return np.take(runs.values, ends - 1)


def _std(runs: Runs) -> Floats:
    """NaN, hence no point, for runs of one value."""
    divisors = np.where(runs.counts > 1, runs.counts - 1.0, np.nan)
    deviations: Floats = np.sqrt(square_deviations(runs) / divisors)
    return deviations


def _population_variance(runs: Runs) -> Floats:
    variances: Floats = square_deviations(runs) / runs.counts
    return variances


def _population_std(runs: Runs) -> Floats:
    return np.sqrt(_population_variance(runs))


def _percentile(runs: Runs, fraction: float) -> Floats:
    """Value at position (n-1)·fraction of each sorted run, interpolated.

    Runs of equal length are sorted together as the rows of one matrix. There are at most
    √(2·points) different lengths, and in practice a handful.
    """
    result = np.empty(len(runs.starts))
    for length in np.unique(runs.counts):
        chosen = runs.counts == length
        position = (length - 1) * fraction
        lower, upper = math.floor(position), math.ceil(position)
        rows = _rows(runs, chosen, int(length))
        rows.partition((lower, upper), axis=1)
        values, weight = rows[:, lower], position - lower
        if weight:  # else 0 · infinity would spoil the value
            values = values * (1.0 - weight) + rows[:, upper] * weight
        result[chosen] = values
    return result


def _rows(runs: Runs, chosen: Flags, length: int) -> Floats:
    """A fresh matrix of the chosen runs, all of `length`, one a row."""
    if chosen.all():
        return runs.values.reshape(-1, length).copy()
    return np.take(runs.values, runs.starts[chosen][:, np.newaxis] + np.arange(length))


_REDUCERS: dict[str, Callable[[Runs], Floats]] = {
    "mean": means,
    "min": minima,
    "max": maxima,
    "sum": sums,
    "count": _count,
    "first": _first,
    "last": _last,
    "std": _std,
    "median": lambda runs: _percentile(runs, 0.5),
}
#: All names but the percentiles, ``1pct`` to ``99pct``; each may have ``rate:`` in front.
METHODS = tuple(_REDUCERS)

_ACROSS: dict[str, Callable[[Runs], Floats]] = {
    "mean": means,
    "median": _REDUCERS["median"],
    "std": _population_std,
    "min": minima,
    "max": maxima,
    "sum": sums,
    "var": _population_variance,
    "count": _count,
}
#: What makes one value of several series' values at one time.
ACROSS = tuple(_ACROSS)


def every_method() -> list[str]:
    """All names there are: of values, then of rates."""
    plain = [*METHODS, *(f"{percent}pct" for percent in range(1, 100))]
    return [*plain, *(RATE_PREFIX + name for name in plain)]


def is_method(name: str) -> bool:
    base = name.removeprefix(RATE_PREFIX)
    return base in _REDUCERS or _PERCENTILE.fullmatch(base) is not None


def _reducer(name: str) -> Callable[[Runs], Floats]:
    """The function of a method's name without ``rate:``."""
    if name in _REDUCERS:
        return _REDUCERS[name]
    match = _PERCENTILE.fullmatch(name)
    if match is None:
        raise AggregationError(f"{name!r} is not an aggregation method")
    fraction = int(match[1]) / 100
    return lambda runs: _percentile(runs, fraction)


# --- over time ---------------------------------------------------------------------------------


def aggregate(points: Points, granularity_us: int, method: str) -> Points:
    """One point a series and bucket; `timestamps` are the buckets' starts.

    Raises `AggregationError` on an unknown method or a granularity below 1 µs.
    """
    if granularity_us < 1:
        raise AggregationError(f"granularity {granularity_us} µs is not positive")
    return aggregate_by(points, lambda times: times // granularity_us * granularity_us, method)


def aggregate_by(points: Points, start_of: Callable[[Ints], Ints], method: str) -> Points:
    """One point a series and bucket; `start_of` gives the start of each time's bucket.

    Raises `AggregationError` on an unknown method.
    """
    base = method.removeprefix(RATE_PREFIX)
    reducer = _reducer(base)
    if base != method:
        points = differences(points)
    if not len(points.values):
        return points
    buckets = start_of(points.timestamps)
    runs = cut(points.values, points.index, buckets)
    values = reduce_runs(reducer, runs)
    result = Points(points.index[runs.starts], buckets[runs.starts], values)
    return result.take(np.isfinite(values))


def between(points: Points, start_us: int | None, stop_us: int | None) -> Points:
    """The points with start ≤ time < stop; None is no bound."""
    if start_us is None and stop_us is None:
        return points
    wanted = np.ones(len(points.timestamps), dtype=np.bool_)
    if start_us is not None:
        wanted &= points.timestamps >= start_us
    if stop_us is not None:
        wanted &= points.timestamps < stop_us
    return points.take(wanted)


def within_timespans(
    points: Points, timespans_us: Sequence[int | None], newest_us: Mapping[int, int] | None = None
) -> Points:
    """The points of each series that are younger than its own newest one minus its timespan.

    That is gnocchi's retention: relative to the series, not to the clock. A timespan of None is
    without end. `newest_us` tells the newest times of series (by index) of which `points` may
    lack them.
    """
    newest = np.zeros(len(timespans_us), dtype=np.int64)
    newest[points.index] = points.timestamps  # sorted: the last one of each series stays
    for index, time_us in (newest_us or {}).items():
        newest[index] = time_us
    endless = np.iinfo(np.int64).min
    cuts = [
        endless if span is None else time_us - span
        for time_us, span in zip(newest.tolist(), timespans_us, strict=True)
    ]
    return points.take(points.timestamps > np.array(cuts, dtype=np.int64)[points.index])


def merge(points: Points, groups: npt.NDArray[np.int64] | None = None) -> Points:
    """The points of each group's series as one series; `groups[i]` is the group of series i.

    Without `groups` all series become series 0.
    """
    index = np.zeros_like(points.index) if groups is None else groups[points.index]
    order = np.lexsort((points.timestamps, index))
    return Points(index, points.timestamps, points.values).take(order)


def combine(points: Points, method: str, groups: npt.NDArray[np.int64] | None = None) -> Points:
    """One value a timestamp over the series of each group: the second half of its aggregate.

    Meant for what `aggregate` gave. The order of the two matters for rates of a group: the mean
    of ``rate:mean`` stays true when a series joins, the rate of means jumps.
    """
    # Equal times of one group fall into one bucket of a microsecond.
    return aggregate(merge(points, groups), 1, method)


def across(values: Floats, method: str) -> Floats:
    """One value a row of a matrix, by a method of `ACROSS` over the row's values but NaN.

    Of a row of nothing but NaN the `sum` and the `count` are 0, all else is NaN. `std` and `var`
    are those of the population (divisor n), unlike the stored `std`; gnocchi's dynamic
    aggregates differ from its stored ones in that. Infinities stay in the result.

    Raises `AggregationError` on a method that is not in `ACROSS`.
    """
    if method not in ACROSS:
        raise AggregationError(f"{method!r} is not one of {', '.join(ACROSS)}")
    present = ~np.isnan(values)
    counts = np.count_nonzero(present, axis=1)
    filled = np.flatnonzero(counts)
    result = np.full(len(values), 0.0 if method in ("sum", "count") else np.nan)
    if len(filled):
        starts = np.cumsum(counts[filled]) - counts[filled]
        runs = Runs(values[present], starts, counts[filled])
        result[filled] = reduce_runs(_ACROSS[method], runs)
    return result


# --- differences and rates ---------------------------------------------------------------------


def differences(points: Points) -> Points:
    """Each point minus the one before it in its series, at the later one's time."""
    found, kept, _ = steps(points, counter=False)
    return found.take(kept)


def increases(points: Points) -> Increases:
    """What a cumulative counter grew by between consecutive points, at the later one's time.

    A value below its predecessor means that the counter began anew at zero (a domain started
    again), so the value itself is the growth: 100, 150, 20, 60 → 50, 20, 40 with a reset at 20.
    """
    found, kept, resets = steps(points, counter=True)
    return Increases(found.take(kept), resets[kept])


def rate_per_second(points: Points, counter: bool = True) -> Points:
    """Change a second between consecutive points of a series, at the later one's time.

    With `counter` a decrease is a reset (see `increases`), without it a gauge may fall.
    """
    found, kept, _ = steps(points, counter)
    found = found.take(kept)
    seconds = np.diff(points.timestamps)[kept] / 1e6
    with np.errstate(over="ignore"):
        values = found.values / seconds
    return found._replace(values=values).take(np.isfinite(values))


def steps(points: Points, counter: bool | Flags) -> Steps:
    """Between all neighbours; `counter` may tell it of each point but the first."""
    with np.errstate(over="ignore"):
        values = np.diff(points.values)
    resets = (values < 0) & counter
    later = points.values[1:]
    values = np.where(resets, later, values)
    kept = (points.index[1:] == points.index[:-1]) & np.isfinite(values)
    return Steps(Points(points.index[1:], points.timestamps[1:], values), kept, resets)
