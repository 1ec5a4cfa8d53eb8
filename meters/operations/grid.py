"""A grid: several series on common rows of time, and what stands where one has no point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from meters.aggregation import Floats, Ints, between
from meters.operations.errors import Pairs, not_computable
from meters.operations.query import Fill, Query
from meters.store.points import Points

#: Rows times series that are held in memory at once, 8 bytes each; a few copies are made.
MAX_CELLS = 20_000_000
#: Up to so many steps of the raster a time, the times are found without sorting.
_STEPS_A_TIME = 8


class Grid(NamedTuple):
    """`values[row, i]` is that of the i-th series at ``timestamps[row]``; NaN is missing.

    Times are microseconds, ascending. `columns[i]` is the series' place in the caller's list of
    series; None when the grid's one column is an aggregate of any number of them. `combined`
    tells that series went into one another, so that no column bears the name of one series.
    """

    timestamps: Ints
    values: Floats
    granularity_us: int
    columns: tuple[int, ...] | None
    combined: bool = False


def load(
    points: Points, columns: Sequence[int], granularity_us: int, query: Query, references: Pairs
) -> Grid:
    """The points of the wanted series within the bounds, with the gaps treated as asked for.

    Raises `OperationsError` when the series overlap too little or need too many cells.
    """
    start_us = query.start_us
    if start_us is not None:
        start_us = start_us // granularity_us * granularity_us
    points = between(_of_series(points, columns), start_us, query.stop_us)
    grid = grid_of(points, columns, granularity_us, references)
    if query.fill is not None:
        return grid._replace(values=_filled(grid.values, query.fill))
    if query.needed_overlap is not None:
        return _overlapping(grid, query.needed_overlap, query, references)
    return grid


def grid_of(points: Points, columns: Sequence[int], granularity_us: int, references: Pairs) -> Grid:
    """Series `columns[i]` of the points as column i, on the rows that any of them has."""
    timestamps, rows = _rows(points.timestamps, granularity_us)
    if len(timestamps) * len(columns) > MAX_CELLS:
        size = f"{len(timestamps)} times and {len(columns)} series"
        limit = f"at most {MAX_CELLS} values are computed at once"
        raise not_computable(f"Too many points: {size}, {limit}", references)
    values = np.full((len(timestamps), len(columns)), np.nan)
    if len(columns):
        places = np.zeros(max(columns) + 1, dtype=np.int64)
        places[list(columns)] = np.arange(len(columns))
        values[rows, places[points.index]] = points.values
    return Grid(timestamps, values, granularity_us, tuple(columns))


def _rows(timestamps: Ints, granularity_us: int) -> tuple[Ints, Ints]:
    """(the different times ascending, for each time its place there).

    Buckets lie on a raster, where marking the steps that occur is far quicker than sorting; times
    off the raster, or few over a long time, are sorted.
    """
    if not len(timestamps):
        return timestamps, timestamps
    first = timestamps.min()
    steps = (timestamps - first) // granularity_us
    sparse = steps.max() > _STEPS_A_TIME * len(steps)
    if sparse or (steps * granularity_us + first != timestamps).any():
        return np.unique(timestamps, return_inverse=True)
    occurring = np.zeros(steps.max() + 1, dtype=np.bool_)
    occurring[steps] = True
    times = np.flatnonzero(occurring) * granularity_us + first
    return times, (np.cumsum(occurring) - 1)[steps]


def points_of(grid: Grid) -> Points:
    """The finite values as points of series 0, 1, …, the grid's columns in their order."""
    index, rows = np.nonzero(np.isfinite(grid.values.T))
    return Points(index, grid.timestamps[rows], grid.values[rows, index])


def _of_series(points: Points, columns: Sequence[int]) -> Points:
    wanted = np.sort(np.asarray(columns, dtype=np.int64))
    starts = np.searchsorted(points.index, wanted, side="left")
    counts = np.searchsorted(points.index, wanted, side="right") - starts
    if counts.sum() == len(points.index):
        return points
    skipped = starts - (np.cumsum(counts) - counts)
    rows = np.repeat(skipped, counts) + np.arange(counts.sum())
    return points.take(rows)


# --- missing values ----------------------------------------------------------------------------


def _filled(values: Floats, fill: Fill) -> Floats:
    if not isinstance(fill, str):
        return np.where(np.isnan(values), float(fill), values)
    match fill:
        case "ffill":
            return _forward(values)
        case "bfill":
            return _backward(values)
        case "full_ffill":
            return _backward(_forward(values))
        case "full_bfill":
            return _forward(_backward(values))
        case _:
            return values


def _forward(values: Floats) -> Floats:
    """Each missing value is the one before it in its column, if there is any."""
    rows = np.arange(len(values))[:, np.newaxis]
    last = np.maximum.accumulate(np.where(np.isnan(values), -1, rows), axis=0)
    found = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    return np.where(last < 0, np.nan, found)


def _backward(values: Floats) -> Floats:
    return _forward(values[::-1])[::-1]


def _overlapping(grid: Grid, needed: float, query: Query, references: Pairs) -> Grid:
    """The rows from the first to the last that all series have, on the sides without a bound.

    1. No row that all have is an error, unless none is needed.
    2. Rows before the first such row, and after the last, go where the query has no bound.
    3. Of what is left, `needed` percent must be such rows.
    """
    full = np.flatnonzero(~np.isnan(grid.values).any(axis=1))
    first, stop = 0, len(grid.timestamps)
    if len(full):
        first = int(full[0]) if query.start_us is None else first
        stop = int(full[-1]) + 1 if query.stop_us is None else stop
    elif needed > 0:
        raise not_computable("No overlap", references)
    percent = len(full) / (stop - first) * 100 if stop > first else 100.0
    if percent < needed:
        reason = f"Less than {needed:f}% of datapoints overlap in this timespan ({percent:.2f}%)"
        raise not_computable(reason, references)
    rows = slice(first, stop)
    return grid._replace(timestamps=grid.timestamps[rows], values=grid.values[rows])
