"""Values cut into runs, and one value a run: what every aggregation begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Runs(NamedTuple):
    """Values cut into runs: run k is ``values[starts[k] : starts[k] + counts[k]]``, never empty."""

    values: Floats
    starts: Ints
    counts: Ints


def cut(values: Floats, *keys: Ints) -> Runs:
    """Cut where any key changes. At least one value."""
    changes = np.zeros(len(values), dtype=np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    starts = np.flatnonzero(changes)
    return Runs(values, starts, np.diff(starts, append=len(values)))


def reduce_runs(reducer: Callable[[Runs], Floats], runs: Runs) -> Floats:
    """Overflow gives infinities and NaN here, which the callers leave out."""
    with np.errstate(over="ignore", invalid="ignore"):
        return reducer(runs)


def sums(runs: Runs) -> Floats:
    found: Floats = np.add.reduceat(runs.values, runs.starts)
    return found


def means(runs: Runs) -> Floats:
    found: Floats = sums(runs) / runs.counts
    return found


def minima(runs: Runs) -> Floats:
    return np.minimum.reduceat(runs.values, runs.starts)


def maxima(runs: Runs) -> Floats:
    return np.maximum.reduceat(runs.values, runs.starts)


def square_deviations(runs: Runs) -> Floats:
    """Σ(v - mean)² of each run, in two passes: one pass loses all digits of large values."""
    deviations = runs.values - np.repeat(means(runs), runs.counts)
    return sums(runs._replace(values=deviations * deviations))
