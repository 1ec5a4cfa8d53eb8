"""The functions of operations that work value by value. A missing value, NaN, stays missing.

Comparisons give 1.0 and 0.0. A missing value compares as nothing, so that it stays absent: plain
floats would answer "false" there, and a gap would come out as 0. Only `max` takes the other value
in place of a missing one, as gnocchi documents it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

#: An array of floats, or a float.
Values = Any
Compute = Callable[..., Values]


class Function(NamedTuple):
    """`compute` takes as many arrays or floats as `arity` has numbers."""

    name: str
    arity: tuple[int, ...]
    compute: Compute


def _comparison(compare: Compute) -> Compute:
    def compute(left: Values, right: Values) -> Values:
        unknown = np.isnan(left) | np.isnan(right)
        return np.where(unknown, np.nan, compare(left, right))

    return compute


def _clip(values: Values, low: Values, high: Values = np.inf) -> Values:
    return np.minimum(np.maximum(values, low), high)


_TABLE: tuple[tuple[str, tuple[int, ...], Compute], ...] = (
    ("+ add", (2,), np.add),
    ("- sub", (2,), np.subtract),
    ("* × mul", (2,), np.multiply),
    ("/ ÷ div", (2,), np.divide),
    ("** ^ pow", (2,), np.power),
    ("% mod", (2,), np.mod),
    ("== = eq", (2,), _comparison(np.equal)),
    ("!= ≠ ne", (2,), _comparison(np.not_equal)),
    ("< lt", (2,), _comparison(np.less)),
    ("> gt", (2,), _comparison(np.greater)),
    ("<= ≤ le", (2,), _comparison(np.less_equal)),
    (">= ≥ ge", (2,), _comparison(np.greater_equal)),
    ("max", (2,), np.fmax),
    ("clip", (2, 3), _clip),
    ("clip_min", (2,), np.maximum),
    ("clip_max", (2,), np.minimum),
    ("abs absolute", (1,), np.abs),
    ("neg negative", (1,), np.negative),
    ("cos", (1,), np.cos),
    ("sin", (1,), np.sin),
    ("tan", (1,), np.tan),
    ("floor", (1,), np.floor),
    ("ceil", (1,), np.ceil),
)
#: Every name of every function.
FUNCTIONS = {
    alias: Function(names.split()[0], arity, compute)
    for names, arity, compute in _TABLE
    for alias in names.split()
}
