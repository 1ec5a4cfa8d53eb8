"""Runs operations over small series, times being minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from meters.operations.errors import OperationsError
from meters.operations.evaluation import Inputs, Result, evaluate
from meters.operations.parsing import parse
from meters.operations.query import Query
from meters.operations.tree import Reference
from meters.store.points import Points

MINUTE = 60_000_000
NAN, INF = math.nan, math.inf

#: {minute: value}
Minutes = dict[float, float]
EXAMPLE: dict[str, Minutes] = {
    "A": {0: 1.0, 1: 2.0, 2: 4.0, 3: 8.0},
    "B": {1: 10.0, 2: 20.0, 3: 30.0, 5: 50.0},
}


def points_of(*series: Minutes) -> Points:
    rows = [
        (index, round(minute * MINUTE), value)
        for index, one in enumerate(series)
        for minute, value in sorted(one.items())
    ]
    index, times, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Points(
        np.array(index, dtype=np.int64),
        np.array(times, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def inputs_of(series: Mapping[str, Minutes]) -> Inputs:
    """Each series under its name with `mean`, at a granularity of a minute."""
    columns = {Reference(name, "mean"): [place] for place, name in enumerate(series)}
    return Inputs(columns, {MINUTE: points_of(*series.values())})


def minutes_of(result: Result, names: list[str]) -> dict[str, Minutes]:
    """By the series' names, one granularity."""
    return {
        "aggregated" if one.column is None else names[one.column]: dict(
            zip((one.timestamps / MINUTE).tolist(), one.values.tolist(), strict=True)
        )
        for one in result.series
    }


def run(text: str, series: Mapping[str, Minutes] | None = None, **query: Any) -> dict[str, Minutes]:
    chosen = EXAMPLE if series is None else series
    result = evaluate(parse(text), inputs_of(chosen), Query(**query))
    return minutes_of(result, list(chosen))


def failing(
    text: str, series: Mapping[str, Minutes] | None = None, **query: Any
) -> OperationsError:
    with pytest.raises(OperationsError) as caught:
        run(text, series, **query)
    return caught.value


def approx(wanted: dict[str, Minutes]) -> dict[str, Any]:
    """For comparing but for rounding; a gap equals a gap."""
    return {name: pytest.approx(one, rel=1e-15, abs=0, nan_ok=True) for name, one in wanted.items()}
