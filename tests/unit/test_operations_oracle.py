"""Operations against a plain-Python oracle."""

from __future__ import annotations

import contextlib
import itertools
import math
import statistics as stats
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.aggregation import aggregate
from meters.operations.errors import OperationsError
from meters.operations.evaluation import Inputs, Result, evaluate
from meters.operations.parsing import parse
from meters.operations.query import Fill, Query
from meters.operations.tree import Reference
from tests.unit.operations_series import MINUTE, NAN, Minutes, approx, failing, points_of, run

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False)
SERIES = st.lists(st.dictionaries(st.integers(0, 9).map(float), VALUES, max_size=8),
                  min_size=1, max_size=4)  # fmt: skip
ACROSS: dict[str, Callable[[list[float]], float]] = {
    "mean": stats.fmean,
    "median": stats.median,
    "std": stats.pstdev,
    "var": stats.pvariance,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": len,
}


def reduced(values: list[float], method: str) -> float:
    """By the oracle; NaN where nothing is there, but 0 as a sum and a count."""
    present = [value for value in values if not math.isnan(value)]
    if not present:
        return 0.0 if method in ("sum", "count") else NAN
    return float(ACROSS[method](present))


def named(series: list[Minutes]) -> dict[str, Minutes]:
    return {f"s{place}": one for place, one in enumerate(series)}


def all_of(series: list[Minutes]) -> str:
    return f"(metric {' '.join(f'({name} mean)' for name in named(series))})"


def rows_of(series: list[Minutes]) -> dict[float, list[float]]:
    minutes = sorted({minute for one in series for minute in one})
    return {minute: [one.get(minute, NAN) for one in series] for minute in minutes}


def stepped(row: Minutes) -> Minutes:
    """Each value minus the one before."""
    pairs = itertools.pairwise(sorted(row.items()))
    return {minute: value - before for (_, before), (minute, value) in pairs}


def close(wanted: dict[str, Minutes]) -> dict[str, Any]:
    return {
        name: pytest.approx(one, rel=1e-7, abs=1e-3, nan_ok=True) for name, one in wanted.items()
    }


@given(SERIES, st.sampled_from(sorted(ACROSS)), st.booleans())
def test_aggregates_equal_those_of_plain_python(
    series: list[Minutes], method: str, rate: bool
) -> None:
    wanted = {minute: reduced(row, method) for minute, row in rows_of(series).items()}
    text = f"(aggregate {'rate:' * rate}{method} {all_of(series)})"
    got = run(text, named(series), fill="null")
    assert got == close({"aggregated": stepped(wanted) if rate else wanted})


@given(SERIES, st.sampled_from(sorted(ACROSS)), st.booleans(), st.integers(1, 10))
def test_windows_equal_those_of_plain_python(
    series: list[Minutes], method: str, rate: bool, window: int
) -> None:
    rows = rows_of(series)
    text = f"(rolling {'rate:' * rate}{method} {window} {all_of(series)})"
    if window > len(rows):
        assert "is greater than serie length" in failing(text, named(series)).reason
        return
    minutes = list(rows)
    wanted = {}
    for place, name in enumerate(named(series)):
        column = [row[place] for row in rows.values()]
        rolled = {
            minutes[end - 1]: reduced(column[end - window : end], method)
            for end in range(window, len(minutes) + 1)
        }
        wanted[name] = stepped(rolled) if rate else rolled
    assert run(text, named(series), fill="null") == close(wanted)


@given(SERIES, st.sampled_from(["mean", "last", "rate:sum", "90pct", "std"]), st.integers(1, 5))
def test_resampled_series_equal_the_stored_aggregates_of_their_points(
    series: list[Minutes], method: str, span: int
) -> None:
    points = aggregate(points_of(*series), span * MINUTE, method)
    wanted: dict[str, Minutes] = {name: {} for name in named(series)}
    for index, time, value in zip(*(column.tolist() for column in points), strict=True):
        wanted[f"s{index}"][time / MINUTE] = value
    got = run(f"(resample {method} {span * 60} {all_of(series)})", named(series))
    assert got == wanted


def carried(values: list[float]) -> list[float]:
    """Forward filled."""
    found, last = [], NAN
    for value in values:
        last = last if math.isnan(value) else value
        found.append(last)
    return found


def carried_back(values: list[float]) -> list[float]:
    return carried(values[::-1])[::-1]


FILLS: dict[Fill, Callable[[list[float]], list[float]]] = {
    "ffill": carried,
    "bfill": carried_back,
    "full_ffill": lambda values: carried_back(carried(values)),
    "full_bfill": lambda values: carried(carried_back(values)),
    "dropna": lambda values: values,
    7.5: lambda values: [7.5 if math.isnan(value) else value for value in values],
}


@given(SERIES, st.sampled_from(list(FILLS)))
def test_fills_equal_those_of_plain_python(series: list[Minutes], fill: Fill) -> None:
    rows = rows_of(series)
    wanted = {}
    for place, name in enumerate(named(series)):
        filled = FILLS[fill]([row[place] for row in rows.values()])
        pairs = zip(rows, filled, strict=True)
        wanted[name] = {minute: value for minute, value in pairs if not math.isnan(value)}
    assert run(all_of(series), named(series), fill=fill) == wanted


@given(
    SERIES,
    st.sampled_from([0.0, 1.0, 34.0, 50.0, 100.0]),
    st.none() | st.integers(0, 9),
    st.none() | st.integers(0, 10),
)
def test_overlaps_equal_those_of_plain_python(
    series: list[Minutes], needed: float, start: int | None, stop: int | None
) -> None:
    inside = [
        {m: v for m, v in one.items() if (start or 0) <= m < (99 if stop is None else stop)}
        for one in series
    ]
    rows = rows_of(inside)
    full = [minute for minute, row in rows.items() if not any(map(math.isnan, row))]
    if full:
        rows = {
            minute: row
            for minute, row in rows.items()
            if (start is not None or minute >= full[0]) and (stop is not None or minute <= full[-1])
        }
    bounds = {
        "start_us": None if start is None else start * MINUTE,
        "stop_us": None if stop is None else stop * MINUTE,
    }
    if needed > 0 and (not full or len(full) / len(rows) * 100 < needed):
        reason = failing(all_of(series), named(series), needed_overlap=needed, **bounds).reason
        assert reason.startswith("Less than" if full else "No overlap")
        return
    wanted = {
        name: {minute: row[place] for minute, row in rows.items()}
        for place, name in enumerate(named(series))
    }
    got = run(all_of(series), named(series), needed_overlap=needed, **bounds)
    assert got == approx(wanted)


NODES = st.recursive(
    st.sampled_from(["(metric s0 mean)", "(metric (s0 mean) (s1 mean))", "(metric s* mean)"]),
    lambda inner: st.one_of(
        st.builds(lambda f, n: f"({f} {n})", st.sampled_from(["abs", "tan", "rateofchange",
                  "rateofchangesec", "aggregate rate:std", "aggregate median", "rolling var 2",
                  "resample rate:last 90", "resample 10pct 300", "clip 0", "/ 0"]), inner),
        st.builds(lambda f, a, b: f"({f} {a} {b})", st.sampled_from(["+", "/", "**", "%", "max",
                  "<=", "clip_min", "aggregate sum"]), inner, inner),
    ),
    max_leaves=6,
)  # fmt: skip


@given(SERIES, NODES, st.sampled_from(["dropna", "null", 0.0, "ffill", None]), st.booleans())
def test_whatever_is_computed_gives_ordered_series_or_the_one_error(
    series: list[Minutes], text: str, fill: Fill | None, by_resource: bool
) -> None:
    places = list(range(len(series)))
    columns = {
        Reference("s0", "mean"): [0],
        Reference("s1", "mean"): places[1:2],
        Reference("s*", "mean"): places,
    }
    owners = ["r0", "r1", "r0", "r2"][: len(series)] if by_resource else None
    inputs = Inputs(columns, {MINUTE: points_of(*series)}, owners)
    with contextlib.suppress(OperationsError):
        check(evaluate(parse(text), inputs, Query(fill=fill)), fill in ("null", 0.0))


def check(result: Result, with_gaps: bool) -> None:
    for one in result.series:
        assert (one.column is None) == result.aggregated
        assert len(one.timestamps) == len(one.values)
        assert (np.diff(one.timestamps) > 0).all()
        assert np.isfinite(one.values).all() or with_gaps
