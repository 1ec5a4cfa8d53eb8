"""Functions over ranges of one series and over values, with Prometheus' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from meters.aggregation import Floats, Ints


class Range(NamedTuple):
    """Points of one series in (start, stop], in microseconds; at least one."""

    timestamps: Ints
    values: Floats
    start_us: int
    stop_us: int


class Function(NamedTuple):
    """`compute(value, *scalars)`; `scalars` is how many numbers follow."""

    compute: Callable[..., float]
    scalars: int = 0


def _extrapolated(points: Range, is_counter: bool, a_second: bool) -> float | None:
    """Prometheus' increase: what is between the points, stretched to the range's ends where they
    are near, but never to before a counter's zero."""
    count = len(points.values)
    if count < 2:
        return None
    steps = np.diff(points.values)
    grown = float(points.values[-1] - points.values[0])
    if is_counter:
        grown += float(points.values[:-1][steps < 0].sum())
    sampled = float(points.timestamps[-1] - points.timestamps[0]) / 1e6
    usual = sampled / (count - 1)
    to_start = float(points.timestamps[0] - points.start_us) / 1e6
    to_end = float(points.stop_us - points.timestamps[-1]) / 1e6
    to_start = usual / 2 if to_start >= usual * 1.1 else to_start
    to_end = usual / 2 if to_end >= usual * 1.1 else to_end
    first = float(points.values[0])
    if is_counter and grown > 0 and first >= 0:
        to_start = min(to_start, sampled * (first / grown))
    result = grown * (sampled + to_start + to_end) / sampled
    return result / ((points.stop_us - points.start_us) / 1e6) if a_second else result


def _between_last(points: Range, is_counter: bool, a_second: bool) -> float | None:
    if len(points.values) < 2:
        return None
    before, last = map(float, points.values[-2:])
    step = last if is_counter and last < before else last - before
    seconds = float(points.timestamps[-1] - points.timestamps[-2]) / 1e6
    return step / seconds if a_second else step


#: What makes one value of a range; None where it has too few points.
OVER_RANGES: dict[str, Callable[[Range], float | None]] = {
    "rate": lambda points: _extrapolated(points, True, True),
    "increase": lambda points: _extrapolated(points, True, False),
    "delta": lambda points: _extrapolated(points, False, False),
    "irate": lambda points: _between_last(points, True, True),
    "idelta": lambda points: _between_last(points, False, False),
    "avg_over_time": lambda points: float(points.values.mean()),
    "min_over_time": lambda points: float(points.values.min()),
    "max_over_time": lambda points: float(points.values.max()),
    "sum_over_time": lambda points: float(points.values.sum()),
    "count_over_time": lambda points: float(len(points.values)),
    "last_over_time": lambda points: float(points.values[-1]),
    "stddev_over_time": lambda points: float(points.values.std()),
}


def _floor(value: float) -> float:
    return float(math.floor(value)) if math.isfinite(value) else value


def _ceil(value: float) -> float:
    return float(math.ceil(value)) if math.isfinite(value) else value


FUNCTIONS: dict[str, Function] = {
    "abs": Function(abs),
    "ceil": Function(_ceil),
    "floor": Function(_floor),
    "sqrt": Function(lambda value: float(np.sqrt(value))),
    "exp": Function(lambda value: float(np.exp(value))),
    "ln": Function(lambda value: float(np.log(value))),
    "clamp_min": Function(lambda value, low: value if math.isnan(value) else max(value, low), 1),
    "clamp_max": Function(lambda value, high: value if math.isnan(value) else min(value, high), 1),
    "absent": Function(lambda value: value),
    "scalar": Function(lambda value: value),
    "vector": Function(lambda value: value),
}


def aggregate(operator: str, values: Sequence[float]) -> float:
    """One value of at least one."""
    numbers = np.array(values, dtype=np.float64)
    match operator:
        case "sum":
            return float(numbers.sum())
        case "avg":
            return float(numbers.mean())
        case "min":
            return float(np.fmin.reduce(numbers))
        case "max":
            return float(np.fmax.reduce(numbers))
        case "count":
            return float(len(numbers))
        case "stddev":
            return float(numbers.std())
        case "stdvar":
            return float(numbers.var())
    raise KeyError(operator)
