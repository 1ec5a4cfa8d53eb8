"""The classic statistics (telemetry-api.md 4), in one pass over the points.

Points are cut into runs of one series in one period, each of which becomes a row of `Partials`;
those of several reads are joined, and what is left to do is the combination of few rows. So points
are sorted no more than the store has sorted them, and no read must hold all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict, cast

import numpy as np
import numpy.typing as npt

from meters.aggregation import AggregationError
from meters.runs import (
    Floats,
    Ints,
    Runs,
    cut,
    maxima,
    minima,
    reduce_runs,
    square_deviations,
    sums,
)
from meters.store.points import Points


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


class Partials(NamedTuple):
    """One row a run of points of one series in one period; `squares` is Σ(v - the run's mean)²."""

    index: Ints  # type: ignore[assignment]  # hides tuple.index, on purpose
    period: Ints
    counts: Ints
    sums: Floats
    squares: Floats
    minima: Floats
    maxima: Floats
    first: Ints
    last: Ints

    def take(self, chosen: npt.NDArray[np.bool_] | Ints) -> Partials:
        columns: Any = [column[chosen] for column in self]
        return Partials(*columns)


def partials(points: Points, period_us: int | None = None, origin_us: int = 0) -> Partials:
    """Of points sorted by (index, time). Raises `AggregationError` for a period below 1 µs."""
    if period_us is not None and period_us < 1:
        raise AggregationError(f"period {period_us} µs is not positive")
    times = points.timestamps
    if not len(times):
        none, nothing = np.empty(0, dtype=np.int64), np.empty(0)
        return Partials(none, none, none, nothing, nothing, nothing, nothing, none, none)
    if period_us is None:
        runs = cut(points.values, points.index)
        period = np.zeros_like(runs.starts)
    else:
        periods = (times - origin_us) // period_us
        runs = cut(points.values, points.index, periods)
        period = periods[runs.starts]
    return Partials(
        points.index[runs.starts],
        period,
        runs.counts,
        reduce_runs(sums, runs),
        reduce_runs(square_deviations, runs),
        minima(runs),
        maxima(runs),
        times[runs.starts],
        times[runs.starts + runs.counts - 1],
    )


def join(parts: Sequence[Partials]) -> Partials:
    """One after the other; at least one."""
    return Partials(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def rows(
    found: Partials,
    period_us: int | None = None,
    origin_us: int = 0,
    groups: npt.ArrayLike | None = None,
    labels: Mapping[str, npt.ArrayLike] | None = None,
) -> list[Statistic]:
    """Over all series of a group together, in each period; ordered by period, then group.

    `groups[i]` is the group of series i (none given: all in group 0) and `labels[name][i]` a
    number for what is counted by ``cardinality`` (-1 = null, not counted). A caller whose owner
    or metadata change in time splits a series into one index a revision beforehand. Number the
    groups in the order of their first inserted sample.
    """
    if not len(found.counts):
        return []
    group = np.zeros_like(found.index) if groups is None else _codes(groups, found.index)
    order = np.lexsort((group, found.period))
    found, group = found.take(order), group[order]
    runs = cut(found.sums, found.period, group)
    columns = _columns(found, runs)
    columns["group"] = group[runs.starts].tolist()
    columns["cardinality"] = _cardinalities(labels or {}, found, runs)
    if period_us is not None:
        starts = origin_us + found.period[runs.starts] * period_us
        columns["period_start"] = starts.tolist()
        columns["period_end"] = (starts + period_us).tolist()
    return cast("list[Statistic]", _rows_of(columns))


def statistics(
    points: Points,
    period_us: int | None = None,
    origin_us: int | None = None,
    groups: npt.ArrayLike | None = None,
    labels: Mapping[str, npt.ArrayLike] | None = None,
) -> list[Statistic]:
    """Rows (as `rows` has them) of points that are all at hand.

    Period k is ``[origin + k·period, origin + (k+1)·period)`` in exact integer microseconds;
    `origin_us` is the query's lower bound, None the time of the first point. Every point is in
    exactly one period, whatever the query's upper bound. Without `period_us` the whole span is
    one period, from the first to the last point of each group.

    No points give no rows. Raises `AggregationError` for a period below 1 µs.
    """
    if origin_us is None:
        origin_us = int(points.timestamps.min(initial=np.iinfo(np.int64).max))
    return rows(partials(points, period_us, origin_us), period_us, origin_us, groups, labels)


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


def _columns(found: Partials, runs: Runs) -> dict[str, list[Any]]:
    """The columns of `Statistic` that hold without a period. `runs` are of rows of `found`."""
    counts: Ints = np.add.reduceat(found.counts, runs.starts)
    first = np.minimum.reduceat(found.first, runs.starts)
    last = np.maximum.reduceat(found.last, runs.starts)
    totals = reduce_runs(sums, runs)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = totals / counts
        between = found.sums / found.counts - np.repeat(mean, runs.counts)
        squares = found.squares + found.counts * between * between
        deviation = np.sqrt(np.add.reduceat(squares, runs.starts) / counts)
    return {
        "count": counts.tolist(),
        "sum": _finite_or_none(totals),
        "avg": _finite_or_none(mean),
        "min": np.minimum.reduceat(found.minima, runs.starts).tolist(),
        "max": np.maximum.reduceat(found.maxima, runs.starts).tolist(),
        "stddev": _finite_or_none(deviation),
        "duration": ((last - first) / 1e6).tolist(),
        "duration_start": first.tolist(),
        "duration_end": last.tolist(),
        "period_start": first.tolist(),
        "period_end": last.tolist(),
    }


def _cardinalities(
    labels: Mapping[str, npt.ArrayLike], found: Partials, runs: Runs
) -> list[dict[str, int]]:
    """One dict a run: name → number of different codes, -1 not counted."""
    counts = {name: _distinct(_codes(codes, found.index), runs) for name, codes in labels.items()}
    return _rows_of(counts) if counts else [{} for _ in runs.starts]


def _rows_of(columns: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """A dict a row out of columns of equal length."""
    columns_of_rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in columns_of_rows]


def _finite_or_none(values: Floats) -> list[float | None]:
    return [
        value if finite else None
        for value, finite in zip(values.tolist(), np.isfinite(values).tolist(), strict=True)
    ]


def _codes(codes: npt.ArrayLike, index: Ints) -> Ints:
    """A number a series spread over rows of series."""
    return np.asarray(codes, dtype=np.int64)[index]


def _distinct(codes: Ints, runs: Runs) -> list[int]:
    """How many different codes each run holds, -1 not counted."""
    run = np.repeat(np.arange(len(runs.starts)), runs.counts)
    order = np.lexsort((codes, run))
    codes, run = codes[order], run[order]
    new = np.ones(len(codes), dtype=np.bool_)
    new[1:] = (codes[1:] != codes[:-1]) | (run[1:] != run[:-1])
    counts: list[int] = np.bincount(run[new & (codes >= 0)], minlength=len(runs.starts)).tolist()
    return counts
