"""Functions over ranges of a series, with Prometheus' formulas (promql/functions.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from meters.aggregation import Floats
from meters.promql.tables import Flags, Ranges

#: Values that are in memory at once to be sorted.
_SORTED_AT_ONCE = 1 << 20


class OverRange(NamedTuple):
    """`compute(ranges, *scalars)`, scalars by instants; there is a result where a range has at
    least so many points."""

    compute: Callable[..., Floats]
    least: int = 1
    scalars: int = 0


def _seconds(times: npt.NDArray[Any]) -> Floats:
    """Of microseconds."""
    seconds: Floats = times / 1e6
    return seconds


def _grown(points: Ranges, is_counter: bool) -> Floats:
    """From the first to the last point; a counter that falls has begun anew."""
    grown = points.last(points.values) - points.first(points.values)
    if not is_counter:
        return grown
    lost = _running(_lost_before(points))
    found: Floats = grown + points.last(lost) - points.first(lost)
    return found


def _lost_before(points: Ranges) -> Floats:
    """At each point that lies below the one before it: what that one had reached."""
    values = points.values
    lost = np.zeros(len(values))
    fell = values[1:] < values[:-1]
    lost[1:][fell] = values[:-1][fell]
    return lost


def _running(column: Floats) -> Floats:
    total: Floats = np.cumsum(column)
    return total


def _extrapolated(points: Ranges, is_counter: bool, a_second: bool) -> Floats:
    """Prometheus' increase: what is between the points, stretched to the range's ends where they
    are near, but never to before a counter's zero."""
    grown = _grown(points, is_counter)
    first_at, last_at = points.first(points.timestamps), points.last(points.timestamps)
    sampled = _seconds(last_at - first_at)
    usual = sampled / (points.counts - 1)
    to_start = _seconds(first_at - points.starts)
    to_end = _seconds(points.stops - last_at)
    to_start = np.where(to_start >= usual * 1.1, usual / 2, to_start)
    to_end = np.where(to_end >= usual * 1.1, usual / 2, to_end)
    if is_counter:
        first = points.first(points.values)
        to_zero = np.where((grown > 0) & (first >= 0), sampled * (first / grown), np.inf)
        to_start = np.minimum(to_start, to_zero)
    result: Floats = grown * (sampled + to_start + to_end) / sampled
    return result / _seconds(points.stops - points.starts) if a_second else result


def _between_last(points: Ranges, is_counter: bool, a_second: bool) -> Floats:
    before, last = points.last(points.values, 1), points.last(points.values)
    step = last - before
    if is_counter:
        step = np.where(last < before, last, step)
    if not a_second:
        return step
    found: Floats = step / _seconds(
        points.last(points.timestamps) - points.last(points.timestamps, 1)
    )
    return found


def _changes(points: Ranges, differs: Callable[[Floats, Floats], Flags]) -> Floats:
    """How many points differ so from the one before them in the range."""
    marks = np.zeros(len(points.values))
    marks[1:] = differs(points.values[:-1], points.values[1:])
    total = _running(marks)
    found: Floats = points.last(total) - points.first(total)
    return found


def _differ(before: Floats, after: Floats) -> Flags:
    differs: Flags = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return differs


def _mean(points: Ranges) -> Floats:
    total: Floats = points.reduced(np.add, points.values) / points.counts
    return total


def _variance(points: Ranges) -> Floats:
    """Around a number near all values, so that no digits are lost."""
    finite = points.values[np.isfinite(points.values)]
    near = points.values - (finite.mean() if len(finite) else 0.0)
    mean = points.reduced(np.add, near) / points.counts
    square = points.reduced(np.add, near * near) / points.counts
    found: Floats = np.maximum(square - mean * mean, 0.0)
    return found


class _Line(NamedTuple):
    """value = at_stop + slope × seconds after the range's end"""

    slope: Floats
    at_stop: Floats


def _line(points: Ranges) -> _Line:
    """The straight line with the least squares."""
    origin = float(points.timestamps[0]) if len(points.timestamps) else 0.0
    times = _seconds(points.timestamps - origin)
    counts = points.counts
    mean_time = points.reduced(np.add, times) / counts
    mean = points.reduced(np.add, points.values) / counts
    both = points.reduced(np.add, times * points.values) / counts - mean_time * mean
    spread = points.reduced(np.add, times * times) / counts - mean_time * mean_time
    slope = both / spread
    stop = _seconds(points.stops - origin)
    return _Line(slope, mean + slope * (stop - mean_time))


def _predicted(points: Ranges, seconds: Floats) -> Floats:
    line = _line(points)
    found: Floats = line.at_stop + line.slope * seconds
    return found


def _quantiles(points: Ranges, wanted: Floats) -> Floats:
    """Ranges with equally many points together, some at a time."""
    found = np.full(points.low.shape, np.nan)
    low, counts = points.low.ravel(), points.counts.ravel()
    order = np.argsort(counts, kind="stable")
    sizes, firsts = np.unique(counts[order], return_index=True)
    for size, part in zip(sizes.tolist(), np.split(order, firsts[1:]), strict=True):
        step = max(_SORTED_AT_ONCE // max(size, 1), 1)
        for at in range(0, len(part) if size else 0, step):
            chosen = part[at : at + step]
            values = points.values[low[chosen].reshape(-1, 1) + np.arange(size)]
            instants = chosen % len(wanted)
            ordered, full = np.sort(values, axis=1), np.full(len(chosen), size)
            found.ravel()[chosen] = quantile(ordered, full, wanted[instants])
    return found


def quantile(ordered: Floats, counts: npt.NDArray[np.int64], wanted: Floats) -> Floats:
    """Of the first `counts` values of each row, between the neighbours; beyond 0 and 1 it is
    infinite, of nothing NaN."""
    if not ordered.size:
        return np.full(len(counts), np.nan)
    rank = np.where((wanted >= 0) & (wanted <= 1), wanted, 0.0) * np.maximum(counts - 1, 0)
    low = np.floor(rank)
    weight = rank - low
    below = low.astype(np.int64)
    above = np.maximum(np.minimum(below + 1, counts - 1), 0)
    rows = np.arange(len(counts))
    found = ordered[rows, below] * (1 - weight) + ordered[rows, above] * weight
    found = np.where(weight == 0, ordered[rows, below], found)
    found = np.where(wanted < 0, -np.inf, np.where(wanted > 1, np.inf, found))
    result: Floats = np.where((counts > 0) & ~np.isnan(wanted), found, np.nan)
    return result


OVER_RANGES: dict[str, OverRange] = {
    "rate": OverRange(lambda points: _extrapolated(points, True, True), 2),
    "increase": OverRange(lambda points: _extrapolated(points, True, False), 2),
    "delta": OverRange(lambda points: _extrapolated(points, False, False), 2),
    "irate": OverRange(lambda points: _between_last(points, True, True), 2),
    "idelta": OverRange(lambda points: _between_last(points, False, False), 2),
    "deriv": OverRange(lambda points: _line(points).slope, 2),
    "predict_linear": OverRange(_predicted, 2, scalars=1),
    "changes": OverRange(lambda points: _changes(points, _differ)),
    "resets": OverRange(lambda points: _changes(points, lambda before, after: after < before)),
    "avg_over_time": OverRange(_mean),
    "min_over_time": OverRange(lambda points: points.reduced(np.fmin, points.values)),
    "max_over_time": OverRange(lambda points: points.reduced(np.fmax, points.values)),
    "sum_over_time": OverRange(lambda points: points.reduced(np.add, points.values)),
    "count_over_time": OverRange(lambda points: points.counts.astype(np.float64)),
    "last_over_time": OverRange(lambda points: points.last(points.values)),
    "present_over_time": OverRange(lambda points: np.ones(points.low.shape)),
    "stddev_over_time": OverRange(lambda points: np.sqrt(_variance(points))),
    "stdvar_over_time": OverRange(_variance),
    "quantile_over_time": OverRange(_quantiles, scalars=1),
}
#: Those whose number stands before the range.
NUMBER_FIRST = frozenset(["quantile_over_time"])
