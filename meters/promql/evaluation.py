"""An expression at many instants at once, over points that were read before."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from meters.aggregation import Floats, Ints
from meters.promql.functions import (
    AGGREGATIONS,
    CHOOSING,
    FUNCTIONS,
    QUANTILE,
    chosen,
    quantiles,
)
from meters.promql.matching import combined, setwise
from meters.promql.parsing import SETS
from meters.promql.ranges import NUMBER_FIRST, OVER_RANGES
from meters.promql.tables import (
    Flags,
    Labels,
    PromqlError,
    Ranges,
    Table,
    anywhere,
    merged,
    of_scalar,
    stacked,
    take,
    unnamed,
)
from meters.promql.tree import (
    LOOK_BACK_US,
    Aggregate,
    Binary,
    Call,
    Node,
    Number,
    Selector,
)
from meters.store.points import Points

#: Points that ranges may look at, each as often as it lies in one.
MAX_LOOKED_AT = 50_000_000
_LONGEST_LINE = 2**63 - 1
_ARITHMETIC: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "%": np.fmod, "^": np.power,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[Floats, Floats], Flags]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


class Element(NamedTuple):
    labels: Labels
    value: float


def evaluate(node: Node, points: Points, labels: Sequence[Labels], now_us: int) -> list[Element]:
    """The elements at `now_us` (exclusive), in the order of the series; of a scalar, one.

    `points.index` is the place in `labels`. Raises `PromqlError` where elements can't be matched.
    """
    table = evaluate_over(node, points, labels, np.array([now_us], dtype=np.int64))
    rows = np.flatnonzero(table.there[:, 0]).tolist()
    return [Element(table.labels[row], float(table.values[row, 0])) for row in rows]


def evaluate_over(node: Node, points: Points, labels: Sequence[Labels], instants: Ints) -> Table:
    """The same at each of the instants, microseconds in their order; equal labels stand in one
    row. Raises `PromqlError`."""
    with np.errstate(all="ignore"):
        evaluation = _Evaluation(points, labels, instants)
        return evaluation.vector(node)


class _Evaluation:
    def __init__(self, points: Points, labels: Sequence[Labels], instants: Ints) -> None:
        self.points = points
        self.labels = labels
        self.instants = instants
        self.size = len(instants)
        self._first = int(points.timestamps.min()) if len(points.timestamps) else 0
        last = int(points.timestamps.max()) if len(points.timestamps) else 0
        #: Series after series on one line: a search finds places in all of them at once.
        self._length = last - self._first + 2
        if self._length * len(labels) > _LONGEST_LINE:
            raise PromqlError(
                f"The expression's {len(labels)} series have points too far apart to be looked at "
                "together: narrow the time or the series."
            )
        self._line = points.index * self._length + (points.timestamps - self._first)
        self._looked_at = 0

    def of(self, node: Node) -> Table | Floats:
        """A scalar is its values by instants."""
        match node:
            case Number():
                return np.full(self.size, node.value)
            case Selector():
                points = self._ranges(node)
                return Table(points.labels, points.last(points.values), points.counts > 0)
            case Call():
                return self._call(node)
            case Aggregate():
                return self._aggregate(node)
            case Binary():
                return self._binary(node)

    def vector(self, node: Node) -> Table:
        found = self.of(node)
        return found if isinstance(found, Table) else of_scalar(found)

    def _scalar(self, node: Node) -> Floats:
        found = self.of(node)
        assert not isinstance(found, Table)
        return found

    def _ranges(self, node: Selector) -> Ranges:
        """The series that match and have points at any of the instants."""
        places = np.array(
            [place for place, one in enumerate(self.labels) if node.matches(one)], dtype=np.int64
        )
        stops = self.instants - node.offset_us
        starts = stops - (node.range_us or LOOK_BACK_US)
        low, high = self._found(places, starts), self._found(places, stops)
        rows = np.flatnonzero((high > low).any(axis=1))
        return Ranges(
            [self.labels[place] for place in places[rows]],
            self.points.timestamps, self.points.values, low[rows], high[rows], starts, stops,
        )  # fmt: skip

    def _found(self, places: Ints, moments: Ints) -> Ints:
        """Where each of these series reaches each of these moments."""
        within = np.clip(moments - self._first, 0, self._length - 1)
        wanted = places[:, np.newaxis] * self._length + within
        found: Ints = np.searchsorted(self._line, wanted)
        return found

    # --- functions ---------------------------------------------------------------------------

    def _call(self, node: Call) -> Table | Floats:
        name = node.function
        if name in OVER_RANGES:
            return self._over_ranges(name, list(node.arguments))
        if name == "time":
            return self.instants // 1000 / 1e3
        first, *others = node.arguments
        if name == "vector":
            return of_scalar(self._scalar(first))
        if name == "timestamp" and isinstance(first, Selector):
            points = self._ranges(first)
            labels = [unnamed(one) for one in points.labels]
            return Table(labels, points.last(points.timestamps) / 1e6, points.counts > 0)
        found = self.vector(first)
        match name:
            case "timestamp":
                return found.computed(np.broadcast_to(self.instants / 1e6, found.values.shape))
            case "scalar":
                return _only(found)
            case "absent":
                told = first.wanted if isinstance(first, Selector) else {}
                there = ~anywhere(found.there)
                return Table([told], np.ones((1, self.size)), there[np.newaxis])
            case "sort" | "sort_desc":
                return _sorted(found, name == "sort_desc")
        function = FUNCTIONS[name]
        numbers = [self._scalar(one) for one in others]
        numbers += [np.full(self.size, one) for one in function.defaults[len(others) :]]
        if name == "clamp":  # between limits the wrong way round there is nothing
            low, high = numbers
            found = found.where(np.broadcast_to(~(high < low), found.there.shape))
        return found.computed(function.compute(found.values, *numbers))

    def _over_ranges(self, name: str, arguments: list[Node]) -> Table:
        if name in NUMBER_FIRST:
            arguments.reverse()
        selector, *others = arguments
        assert isinstance(selector, Selector)
        points = self._ranges(selector)
        self._looked_at += int(points.counts.sum())
        if self._looked_at > MAX_LOOKED_AT:
            raise PromqlError(
                f"The expression looks at more than {MAX_LOOKED_AT} points: narrow the time, the "
                "ranges or the series, or take longer steps."
            )
        function = OVER_RANGES[name]
        values = function.compute(points, *map(self._scalar, others))
        labels = points.labels
        if name != "last_over_time":  # which is a value of the metric itself
            labels = [unnamed(one) for one in labels]
        return Table(labels, values, points.counts >= function.least)

    # --- several into one ----------------------------------------------------------------------

    def _aggregate(self, node: Aggregate) -> Table:
        table = self.vector(node.node)
        groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
        for row, labels in enumerate(table.labels):
            key = tuple(sorted(node.grouping.key(labels).items()))
            groups.setdefault(key, []).append(row)
        parameter = None if node.parameter is None else self._scalar(node.parameter)
        parts = [
            _of_group(node.operator, take(table, rows), dict(key), parameter)
            for key, rows in groups.items()
        ]
        return stacked(parts, self.size)

    # --- two sides -----------------------------------------------------------------------------

    def _binary(self, node: Binary) -> Table | Floats:
        left, right = self.of(node.left), self.of(node.right)
        if node.operator in SETS:
            if not isinstance(left, Table) or not isinstance(right, Table):
                raise PromqlError(f"The expression has {node.operator} with a number.")
            return setwise(node, left, right)
        if isinstance(left, Table):
            if isinstance(right, Table):
                pairs = combined(node, left, right)
                return _decided(node, pairs.table, pairs.left, pairs.right)
            return _decided(node, left, left.values, np.broadcast_to(right, left.values.shape))
        if isinstance(right, Table):
            return _decided(node, right, np.broadcast_to(left, right.values.shape), right.values)
        return _computed(node.operator, left, right)


def _decided(node: Binary, kept: Table, left: Floats, right: Floats) -> Table:
    """Of arithmetic the results; of a comparison what is `kept` where it holds."""
    if node.chooses:
        return kept.where(_COMPARISONS[node.operator](left, right))
    return kept.computed(_computed(node.operator, left, right))


def _computed(name: str, left: Floats, right: Floats) -> Floats:
    if name in _COMPARISONS:
        return _COMPARISONS[name](left, right).astype(np.float64)
    return _ARITHMETIC[name](left, right)


def _only(table: Table) -> Floats:
    """The value of the only element; NaN where there are more or none."""
    total = np.where(table.there, table.values, 0.0).sum(axis=0)
    found: Floats = np.where(table.there.sum(axis=0) == 1, total, np.nan)
    return found


def _sorted(table: Table, is_descending: bool) -> Table:
    """By the values at the last instant."""
    if not table.values.size:
        return table
    ranked = -table.values[:, -1] if is_descending else table.values[:, -1]
    return take(table, np.argsort(ranked, kind="stable").tolist())


def _of_group(name: str, group: Table, labels: Labels, parameter: Floats | None) -> Table:
    if name in CHOOSING:
        assert parameter is not None
        return group._replace(there=chosen(name, group.values, group.there, parameter))
    if name == QUANTILE:
        assert parameter is not None
        values = quantiles(group.values, group.there, parameter)
    else:
        values = AGGREGATIONS[name](group.values, group.there)
    return Table([labels], values[np.newaxis], anywhere(group.there)[np.newaxis])


def unique(table: Table) -> Table:
    """Equal labels in one row. Raises `PromqlError` where two are there at one instant."""
    keys = [tuple(sorted(labels.items())) for labels in table.labels]
    if len(set(keys)) == len(keys):
        return table
    rows = merged(table, keys, "of its result")
    values = [values for values, _ in rows.values()]
    there = [there for _, there in rows.values()]
    return Table([dict(key) for key in rows], np.stack(values), np.stack(there))
