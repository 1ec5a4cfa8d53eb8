"""Functions of values, and aggregations of several into one, with Prometheus' formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from meters.aggregation import Floats
from meters.promql.ranges import quantile
from meters.promql.tables import Flags


class Function(NamedTuple):
    """`compute(values, *scalars)`, scalars by instants; of scalars at least `least` must follow,
    and the others are what `defaults` say."""

    compute: Callable[..., Floats]
    scalars: int = 0
    defaults: tuple[float, ...] = ()

    @property
    def least(self) -> int:
        return self.scalars - len(self.defaults)


def _rounded(values: Floats, to: Floats) -> Floats:
    """Halves upwards."""
    found: Floats = np.floor(values / to + 0.5) * to
    return found


def _clamped(values: Floats, low: Floats, high: Floats) -> Floats:
    """NaN stays."""
    found: Floats = np.where(np.isnan(values), values, np.minimum(np.maximum(values, low), high))
    return found


_INFINITE = np.array(np.inf)

FUNCTIONS: dict[str, Function] = {
    "abs": Function(np.abs),
    "ceil": Function(np.ceil),
    "floor": Function(np.floor),
    "round": Function(_rounded, 1, (1.0,)),
    "sqrt": Function(np.sqrt),
    "exp": Function(np.exp),
    "ln": Function(np.log),
    "log2": Function(np.log2),
    "log10": Function(np.log10),
    "sgn": Function(np.sign),
    "clamp": Function(_clamped, 2),
    "clamp_min": Function(lambda values, low: _clamped(values, low, _INFINITE), 1),
    "clamp_max": Function(lambda values, high: _clamped(values, -_INFINITE, high), 1),
}
#: What is no function of single values: who evaluates knows them.
SPECIAL = ("absent", "scalar", "sort", "sort_desc", "time", "timestamp", "vector")


def _masked(values: Floats, there: Flags, other: float) -> Floats:
    return np.where(there, values, other)


def _sum(values: Floats, there: Flags) -> Floats:
    total: Floats = _masked(values, there, 0.0).sum(axis=0)
    return total


def _mean(values: Floats, there: Flags) -> Floats:
    mean: Floats = _sum(values, there) / there.sum(axis=0)
    return mean


def _variance(values: Floats, there: Flags) -> Floats:
    away = values - _mean(values, there)
    return _mean(away * away, there)


def _least(values: Floats, there: Flags) -> Floats:
    """Of numbers, if there are any: NaN only where there is nothing else."""
    least: Floats = np.fmin.reduce(_masked(values, there, np.nan), axis=0)
    return least


def _greatest(values: Floats, there: Flags) -> Floats:
    greatest: Floats = np.fmax.reduce(_masked(values, there, np.nan), axis=0)
    return greatest


#: Of the elements of a group, by instants; what comes out where none is there counts for nothing.
AGGREGATIONS: dict[str, Callable[[Floats, Flags], Floats]] = {
    "sum": _sum,
    "avg": _mean,
    "min": _least,
    "max": _greatest,
    "count": lambda values, there: there.sum(axis=0).astype(np.float64),
    "group": lambda values, there: np.ones(values.shape[1]),
    "stddev": lambda values, there: np.sqrt(_variance(values, there)),
    "stdvar": _variance,
}
#: Aggregations that take a number.
CHOOSING = ("topk", "bottomk")
QUANTILE = "quantile"


def chosen(name: str, values: Floats, there: Flags, numbers: Floats) -> Flags:
    """Which elements are among the `numbers` largest or smallest, an instant at a time. NaN is
    behind all numbers."""
    ranked = np.where(there, values if name == "bottomk" else -values, np.inf)
    order = np.argsort(ranked, axis=0, kind="stable")
    places = np.argsort(order, axis=0, kind="stable")
    keeps: Flags = there & (places < np.nan_to_num(numbers, nan=0.0))
    return keeps


def quantiles(values: Floats, there: Flags, wanted: Floats) -> Floats:
    """Of each instant's elements. NaN is below all numbers."""
    order = np.lexsort((values, ~np.isnan(values), ~there), axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    return quantile(ordered.T, there.sum(axis=0), wanted)
