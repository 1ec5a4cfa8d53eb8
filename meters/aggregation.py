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
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np
import numpy.typing as npt

from meters.store.points import Points

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

RATE_PREFIX = "rate:"
_PERCENTILE = re.compile(r"([1-9][0-9]?)pct", re.ASCII)


class AggregationError(ValueError):
    """An unknown method, or a bucket width that is not positive."""


class Runs(NamedTuple):
    """Values cut into runs: run k is ``values[starts[k] : starts[k] + counts[k]]``, never empty."""

    values: Floats
    starts: Ints
    counts: Ints


class Increases(NamedTuple):
    """What was added between consecutive points; `resets` marks where the counter began anew."""

    points: Points
    resets: Flags


class Statistic(TypedDict):
    """One row of the classic statistics: one group in one period.

    Times are microseconds since the epoch, `duration` is seconds; the three are None when
    `clamp_duration` found nothing left. `stddev` is that of the population (divisor n), unlike
    the method `std`. `sum`, `avg` and `stddev` are None where they overflow a float.
    `cardinality` counts distinct labels.
    """

    group: int
    count: int
    sum: float | None
    avg: float | None
    min: float
    max: float
    stddev: float | None
    duration: float | None
    duration_start: int | None
    duration_end: int | None
    period_start: int
    period_end: int
    cardinality: dict[str, int]


# --- methods: one value a run ------------------------------------------------------------------


def _sum(runs: Runs) -> Floats:
    sums: Floats = np.add.reduceat(runs.values, runs.starts)
    return sums


def _count(runs: Runs) -> Floats:
    return runs.counts.astype(np.float64)


def _mean(runs: Runs) -> Floats:
    means: Floats = _sum(runs) / runs.counts
    return means


def _min(runs: Runs) -> Floats:
    return np.minimum.reduceat(runs.values, runs.starts)


def _max(runs: Runs) -> Floats:
    return np.maximum.reduceat(runs.values, runs.starts)


def _first(runs: Runs) -> Floats:
    return runs.values[runs.starts]


def _last(runs: Runs) -> Floats:
    ends = runs.starts + runs.counts
    return np.take(runs.values, ends - 1)


def _square_deviations(runs: Runs) -> Floats:
    """Σ(v - mean)² of each run, in two passes: one pass loses all digits of large values."""
    deviations = runs.values - np.repeat(_mean(runs), runs.counts)
    return _sum(runs._replace(values=deviations * deviations))


def _std(runs: Runs) -> Floats:
    """NaN, hence no point, for runs of one value."""
    divisors = np.where(runs.counts > 1, runs.counts - 1.0, np.nan)
    deviations: Floats = np.sqrt(_square_deviations(runs) / divisors)
    return deviations


def _population_variance(runs: Runs) -> Floats:
    variances: Floats = _square_deviations(runs) / runs.counts
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
    "mean": _mean,
    "min": _min,
    "max": _max,
    "sum": _sum,
    "count": _count,
    "first": _first,
    "last": _last,
    "std": _std,
    "median": lambda runs: _percentile(runs, 0.5),
}
#: All names but the percentiles, ``1pct`` to ``99pct``; each may have ``rate:`` in front.
METHODS = tuple(_REDUCERS)

_ACROSS: dict[str, Callable[[Runs], Floats]] = {
    "mean": _mean,
    "median": _REDUCERS["median"],
    "std": _population_std,
    "min": _min,
    "max": _max,
    "sum": _sum,
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
    runs = _runs(points.values, points.index, buckets)
    values = _reduce(reducer, runs)
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
        result[filled] = _reduce(_ACROSS[method], runs)
    return result


# --- differences and rates ---------------------------------------------------------------------


def differences(points: Points) -> Points:
    """Each point minus the one before it in its series, at the later one's time."""
    steps, kept, _ = _steps(points, counter=False)
    return steps.take(kept)


def increases(points: Points) -> Increases:
    """What a cumulative counter grew by between consecutive points, at the later one's time.

    A value below its predecessor means that the counter began anew at zero (a domain started
    again), so the value itself is the growth: 100, 150, 20, 60 → 50, 20, 40 with a reset at 20.
    """
    steps, kept, resets = _steps(points, counter=True)
    return Increases(steps.take(kept), resets[kept])


def rate_per_second(points: Points, counter: bool = True) -> Points:
    """Change a second between consecutive points of a series, at the later one's time.

    With `counter` a decrease is a reset (see `increases`), without it a gauge may fall.
    """
    steps, kept, _ = _steps(points, counter)
    steps = steps.take(kept)
    seconds = np.diff(points.timestamps)[kept] / 1e6
    with np.errstate(over="ignore"):
        values = steps.values / seconds
    return steps._replace(values=values).take(np.isfinite(values))


def _steps(points: Points, counter: bool) -> tuple[Points, Flags, Flags]:
    """(steps between all neighbours, which of them are within one series and finite, resets)."""
    with np.errstate(over="ignore"):
        values = np.diff(points.values)
    resets = values < 0 if counter else np.zeros(len(values), dtype=np.bool_)
    later = points.values[1:]
    values = np.where(resets, later, values)
    kept = (points.index[1:] == points.index[:-1]) & np.isfinite(values)
    return Points(points.index[1:], points.timestamps[1:], values), kept, resets


# --- classic statistics ------------------------------------------------------------------------


def statistics(
    points: Points,
    period_us: int | None = None,
    origin_us: int | None = None,
    groups: npt.ArrayLike | None = None,
    labels: Mapping[str, npt.ArrayLike] | None = None,
) -> list[Statistic]:
    """Rows of the classic statistics: over all series of a group together, in each period.

    Period k is ``[origin + k·period, origin + (k+1)·period)`` in exact integer microseconds;
    `origin_us` is the query's lower bound, None the time of the first point. Every point is in
    exactly one period, whatever the query's upper bound. Without `period_us` the whole span is
    one period, from the first to the last point of each group.

    `groups[i]` is the group of series i (none given: all in group 0) and `labels[name][i]` a
    number for what is counted by ``cardinality`` (-1 = null, not counted). A caller whose owner
    or metadata change in time splits a series into one index a revision beforehand.

    Rows are ordered by period, then group: so number the groups in the order of their first
    inserted sample. No points give no rows. Raises `AggregationError` for a period below 1 µs.
    """
    if period_us is not None and period_us < 1:
        raise AggregationError(f"period {period_us} µs is not positive")
    if not len(points.values):
        return []
    group = _per_point(groups, points) if groups is not None else np.zeros_like(points.index)
    origin = int(points.timestamps.min()) if origin_us is None else origin_us
    period = (
        np.zeros_like(group) if period_us is None else (points.timestamps - origin) // period_us
    )
    order = np.lexsort((points.timestamps, group, period))
    points, group, period = points.take(order), group[order], period[order]
    runs = _runs(points.values, period, group)
    columns = _statistic_columns(points.timestamps, runs)
    columns["group"] = group[runs.starts].tolist()
    columns["cardinality"] = _cardinalities(labels or {}, points, runs)
    if period_us is not None:
        starts = origin + period[runs.starts] * period_us
        columns["period_start"] = starts.tolist()
        columns["period_end"] = (starts + period_us).tolist()
    return cast("list[Statistic]", _rows_of(columns))


def clamp_duration(row: Statistic, lower_us: int | None, upper_us: int | None) -> Statistic:
    """The row with its duration cut to the query's bounds; all None when nothing is left."""
    start, end = row["duration_start"], row["duration_end"]
    if start is None or end is None:
        return row
    start = start if lower_us is None else max(start, lower_us)
    end = end if upper_us is None else min(end, upper_us)
    if start > end:
        return {**row, "duration": None, "duration_start": None, "duration_end": None}
    return {
        **row,
        "duration": (end - start) / 1e6,
        "duration_start": start,
        "duration_end": end,
    }


def _statistic_columns(timestamps: Ints, runs: Runs) -> dict[str, list[Any]]:
    """The columns of `Statistic` that hold without a period."""
    first = timestamps[runs.starts]
    last = timestamps[runs.starts + runs.counts - 1]
    return {
        "count": runs.counts.tolist(),
        "sum": _finite_or_none(_reduce(_sum, runs)),
        "avg": _finite_or_none(_reduce(_mean, runs)),
        "min": _min(runs).tolist(),
        "max": _max(runs).tolist(),
        "stddev": _finite_or_none(_reduce(_population_std, runs)),
        "duration": ((last - first) / 1e6).tolist(),
        "duration_start": first.tolist(),
        "duration_end": last.tolist(),
        "period_start": first.tolist(),
        "period_end": last.tolist(),
    }


def _cardinalities(
    labels: Mapping[str, npt.ArrayLike], points: Points, runs: Runs
) -> list[dict[str, int]]:
    """One dict a run: name → number of different codes, -1 not counted."""
    counts = {name: _distinct(_per_point(codes, points), runs) for name, codes in labels.items()}
    return _rows_of(counts) if counts else [{} for _ in runs.starts]


def _rows_of(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """A dict a row out of columns of equal length."""
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _finite_or_none(values: Floats) -> list[float | None]:
    return [
        value if finite else None
        for value, finite in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]


def _per_point(codes: npt.ArrayLike, points: Points) -> Ints:
    """A number a series spread over the series' points."""
    return np.asarray(codes, dtype=np.int64)[points.index]


def _distinct(codes: Ints, runs: Runs) -> list[int]:
    """How many different codes each run holds, -1 not counted."""
    run = np.repeat(np.arange(len(runs.starts)), runs.counts)
    order = np.lexsort((codes, run))
    codes, run = codes[order], run[order]
    new = np.ones(len(codes), dtype=np.bool_)
    new[1:] = (codes[1:] != codes[:-1]) | (run[1:] != run[:-1])
    counts: list[int] = np.bincount(run[new & (codes >= 0)], minlength=len(runs.starts)).tolist()
    return counts


# --- runs --------------------------------------------------------------------------------------


def _runs(values: Floats, *keys: Ints) -> Runs:
    """Cut where any key changes. At least one value."""
    changes = np.zeros(len(values), dtype=np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(changes)
    return Runs(values, starts, np.diff(starts, append=len(values)))


def _reduce(reducer: Callable[[Runs], Floats], runs: Runs) -> Floats:
    """Overflow gives infinities and NaN here, which the callers leave out."""
    with np.errstate(over="ignore", invalid="ignore"):
        return reducer(runs)
