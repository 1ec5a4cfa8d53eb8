"""Computes operations over grids of series (metric-api.md 17.2), granularity by granularity."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from meters.aggregation import RATE_PREFIX, Floats, Ints, across, aggregate
from meters.operations.errors import OperationsError, not_computable
from meters.operations.functions import FUNCTIONS
from meters.operations.grid import Grid, grid_of, load, points_of
from meters.operations.pairing import pair
from meters.operations.query import Query
from meters.operations.tree import (
    Aggregate,
    Change,
    Math,
    Metric,
    Node,
    Reference,
    Resample,
    Rolling,
    references,
)
from meters.store.points import Points

#: Values that all windows of one `rolling` hold together, and that are in memory at a time.
MAX_WINDOWED = 200_000_000
_WINDOWED_AT_ONCE = 1_000_000


class Series(NamedTuple):
    """One series of the answer at one granularity, ascending in time, times in microseconds.

    `column` is its place in the caller's list of series, None when it is an aggregate. NaN and
    infinities are in `values` only where the query asks for them.
    """

    column: int | None
    granularity_us: int
    timestamps: Ints
    values: Floats


class Result(NamedTuple):
    """`series` are ordered by column, then coarsest granularity first.

    With `aggregated` they are all of the one nameless series. Otherwise every series of the
    operations' last node is there, the empty ones too.
    """

    aggregated: bool
    series: tuple[Series, ...]


class Inputs(NamedTuple):
    """The series that operations work on.

    `columns[reference]` are the places of the series that the reference means, in the caller's
    list: one for an id, any number for a name. `owners[place]` is the resource of each; where
    it is given, a function of two series is computed resource by resource, else in the order of
    the series. For a group of resources only `columns` need be others.

    `points[granularity]` (microseconds) are the stored aggregates, `Points.index` being the
    place. There must be at least one granularity, if without points.
    """

    columns: Mapping[Reference, Sequence[int]]
    points: Mapping[int, Points]
    owners: Sequence[Hashable] | None = None


def evaluate(operations: Node, inputs: Inputs, query: Query) -> Result:
    """The value of the operations over the inputs.

    Raises `OperationsError` where the series don't fit: no granularity, too little overlap, a
    window longer than its series, operands on different rows, more than one series as the
    result of combining some.
    """
    if not inputs.points:
        raise not_computable("No granularity match", references(operations))
    grids = [
        _Evaluation(operations, inputs, query, granularity_us).result()
        for granularity_us in sorted(inputs.points, reverse=True)
    ]
    aggregated = grids[0].combined
    found = [one for grid in grids for one in _series(grid, query.drops_missing)]
    if not aggregated:
        found.sort(key=lambda one: one.column or 0)
    return Result(aggregated, tuple(found))


def _series(grid: Grid, finite_only: bool) -> list[Series]:
    columns: Sequence[int | None] = [None] if grid.combined else (grid.columns or ())
    found = []
    for place, column in enumerate(columns):
        timestamps, values = grid.timestamps, grid.values[:, place]
        if finite_only:
            kept = np.isfinite(values)
            timestamps, values = timestamps[kept], values[kept]
        found.append(Series(column, grid.granularity_us, timestamps, values))
    return found


class _Evaluation:
    """The operations at one granularity."""

    def __init__(self, operations: Node, inputs: Inputs, query: Query, granularity_us: int) -> None:
        self.operations = operations
        self.inputs = inputs
        self.references = references(operations)
        wanted = self._columns(self.references)
        points = inputs.points[granularity_us]
        self.loaded = load(points, wanted, granularity_us, query, self.references)

    def result(self) -> Grid:
        """What the tree gives, with one column if combined."""
        with np.errstate(all="ignore"):
            grid = self._compute(self.operations)
        assert isinstance(grid, Grid)  # parsing lets no tree through that names no metric
        if not grid.combined or grid.values.shape[1] == 1:
            return grid
        if grid.values.shape[1] == 0:
            return grid._replace(values=np.full((len(grid.timestamps), 1), np.nan))
        count = grid.values.shape[1]
        raise self._error(f"The operations give {count} series without names, aggregate them")

    def _compute(self, node: Node | float) -> Grid | float:
        match node:
            case Metric():
                return self._metric(node)
            case Aggregate():
                return self._aggregate(node)
            case Rolling():
                return self._rolling(node)
            case Resample():
                return self._resample(node)
            case Change():
                return self._change(node)
            case Math():
                return self._math(node)
            case _:
                return node

    def _grid(self, node: Node) -> Grid:
        grid = self._compute(node)
        assert isinstance(grid, Grid)
        return grid

    def _metric(self, node: Metric) -> Grid:
        assert self.loaded.columns is not None
        columns = self._columns(node.references)
        if columns == self.loaded.columns:
            return self.loaded
        places = {column: place for place, column in enumerate(self.loaded.columns)}
        values = self.loaded.values[:, [places[column] for column in columns]]
        return self.loaded._replace(values=values, columns=columns)

    def _columns(self, wanted: Sequence[Reference]) -> tuple[int, ...]:
        found = (column for one in wanted for column in self.inputs.columns.get(one, ()))
        return tuple(dict.fromkeys(found))

    # --- operations over series and rows -----------------------------------------------------

    def _aggregate(self, node: Aggregate) -> Grid:
        grids = [self._grid(one) for one in node.nodes]
        self._check_aligned(grids)
        method = node.method.removeprefix(RATE_PREFIX)
        values = across(np.hstack([grid.values for grid in grids]), method)
        grid = grids[0]._replace(values=values[:, np.newaxis], columns=None, combined=True)
        return grid if method == node.method else _differences(grid)

    def _rolling(self, node: Rolling) -> Grid:
        grid = self._grid(node.node)
        rows, columns = grid.values.shape
        if node.window > rows:
            window = f"Rolling window '{node.window}' is greater than serie length '{rows}'"
            raise self._error(window)
        if (rows - node.window + 1) * columns * node.window > MAX_WINDOWED:
            size = f"window {node.window} over {rows} rows of {columns} series"
            raise self._error(f"Too much to roll: {size}, at most {MAX_WINDOWED} values")
        method = node.method.removeprefix(RATE_PREFIX)
        values = _rolled(grid.values, node.window, method)
        grid = grid._replace(timestamps=grid.timestamps[node.window - 1 :], values=values)
        return grid if method == node.method else _differences(grid)

    def _resample(self, node: Resample) -> Grid:
        grid = self._grid(node.node)
        points = aggregate(points_of(grid), node.span_us, node.method)
        resampled = grid_of(points, range(grid.values.shape[1]), node.span_us, self.references)
        return resampled._replace(columns=grid.columns, combined=grid.combined)

    def _change(self, node: Change) -> Grid:
        grid = self._grid(node.node)
        changes = _differences(grid)
        if not node.per_second or not len(grid.timestamps):
            return changes
        seconds = np.diff(grid.timestamps)[:, np.newaxis] / 1e6
        unknown = np.full((1, grid.values.shape[1]), np.nan)
        return grid._replace(values=np.vstack([unknown, changes.values / seconds]))

    # --- functions value by value ------------------------------------------------------------

    def _math(self, node: Math) -> Grid | float:
        operands = [self._compute(one) for one in node.arguments]
        compute = FUNCTIONS[node.function].compute
        grids = [one for one in operands if isinstance(one, Grid)]
        if not grids:
            return float(compute(*operands))
        if len(grids) == 1:
            values = [one.values if isinstance(one, Grid) else one for one in operands]
            return grids[0]._replace(values=compute(*values))
        self._check_aligned(grids)
        paired, columns = pair(grids, self.inputs.owners, self.references)
        matched = iter(paired)
        values = [next(matched) if isinstance(one, Grid) else one for one in operands]
        return grids[0]._replace(values=compute(*values), columns=columns, combined=True)

    def _check_aligned(self, grids: Sequence[Grid]) -> None:
        first = grids[0]
        for other in grids[1:]:
            if other.granularity_us != first.granularity_us:
                both = f"{first.granularity_us / 1e6} <> {other.granularity_us / 1e6}"
                raise self._error(f"Can't compute timeseries with different granularity {both}")
            if not np.array_equal(other.timestamps, first.timestamps):
                raise self._error("Can't compute timeseries with different timestamps")

    def _error(self, reason: str) -> OperationsError:
        return not_computable(reason, self.references)


def _differences(grid: Grid) -> Grid:
    """Each row minus the one before; the first row has none and goes."""
    values = np.diff(grid.values, axis=0)
    return grid._replace(timestamps=grid.timestamps[1:], values=values)


def _rolled(values: Floats, window: int, method: str) -> Floats:
    """`method` over each `window` consecutive rows of each column, some rows at a time."""
    windows = sliding_window_view(values, window, axis=0)
    rows, columns = windows.shape[:2]
    step = max(1, _WINDOWED_AT_ONCE // max(1, columns * window))
    result = np.empty((rows, columns))
    for row in range(0, rows, step):
        some = windows[row : row + step]
        result[row : row + step] = across(some.reshape(-1, window), method).reshape(some.shape[:2])
    return result
