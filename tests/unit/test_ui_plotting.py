from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.store.points import Points
from meters.ui import plotting
from meters.ui.plotting import Plan, as_json, curves, load, plan, summary
from meters.ui.sparkline import sparkline

SECOND = 1_000_000
DAY_S = 86_400.0


def series(*points: tuple[float, float]) -> Points:
    """Of (seconds, value)."""
    times = np.array([int(second * SECOND) for second, _ in points], dtype=np.int64)
    values = np.array([value for _, value in points], dtype=np.float64)
    return Points(np.zeros(len(points), dtype=np.int64), times, values)


def every(seconds: int, count: int) -> Points:
    return series(*((place * seconds, float(place % 7)) for place in range(count)))


def drawn(
    points: Points, asked: str = "auto", span_s: float = 3600.0, counter: bool | None = None
) -> tuple[int, plotting.Curve]:
    how = plan(asked, span_s)
    granularity, (curve,) = curves([load(points, how, "mean", counter)], how, "mean")
    return granularity, curve


@pytest.mark.parametrize(
    ("hours", "granularity"), [(1, 5), (6, 30), (24, 300), (24 * 7, 900), (24 * 30, 3600)]
)
def test_auto_takes_one_granularity_that_fits_the_range(hours: int, granularity: int) -> None:
    assert plan("auto", hours * 3600).granularity_s == granularity


def test_few_points_are_shown_as_they_are() -> None:
    granularity, curve = drawn(every(10, 360))
    assert granularity == plotting.RAW
    assert len(curve.values) == 360
    assert curve.low is None


def test_a_month_of_seconds_is_a_curve_with_its_minimum_and_maximum_and_never_empty() -> None:
    points = every(1, 30 * 86_400)
    points.values[1_000_000] = 500.0
    granularity, curve = drawn(points, span_s=30 * DAY_S)
    assert granularity == 3600
    assert 700 < len(curve.values) <= 750
    assert curve.high is not None
    assert curve.high.max() == 500.0


def test_a_granularity_that_is_too_fine_is_coarsened_with_a_sentence() -> None:
    how = plan("1", 30 * DAY_S)
    assert how.granularity_s == 900
    assert "2,592,000 buckets" in how.note


def test_a_granularity_that_fits_is_kept() -> None:
    assert plan("60", DAY_S) == Plan(60, raw=False)


def test_all_curves_have_one_granularity() -> None:
    how = plan("auto", 7200)
    parts = [load(points, how, "mean", None) for points in (every(1, 7200), every(60, 120))]
    granularity, (busy, calm) = curves(parts, how, "mean")
    assert granularity == how.granularity_s
    assert not (busy.timestamps % (granularity * SECOND)).any()
    assert not (calm.timestamps % (granularity * SECOND)).any()


def test_a_gap_is_a_gap_and_never_zero() -> None:
    points = series((0, 5), (10, 5), (20, 5), (600, 6), (610, 6))
    _, curve = drawn(points)
    assert as_json(curve)["v"] == [5, 5, 5, None, 6, 6]


def test_points_that_come_every_ten_minutes_are_no_gaps_at_five() -> None:
    _, curve = drawn(every(600, 30), asked="300", span_s=5 * 3600.0)
    assert np.isfinite(curve.values).all()


def test_a_counter_is_a_rate_with_its_reset_marked() -> None:
    points = series((0, 100), (10, 150), (20, 20), (30, 60))
    _, curve = drawn(points, counter=True)
    assert curve.values.tolist() == [5.0, 2.0, 4.0]
    assert curve.resets == [20 * SECOND]


def test_a_gauge_may_have_a_falling_rate() -> None:
    _, curve = drawn(series((0, 10), (10, 0)), counter=False)
    assert curve.values.tolist() == [-1.0]


def test_an_empty_series_stays_empty() -> None:
    granularity, curve = drawn(series())
    assert granularity == plotting.RAW
    assert as_json(curve) == {"t": [], "v": [], "resets": []}
    assert summary(curve) == {"last": None, "min": None, "max": None, "mean": None}


def test_rows_of_the_csv_leave_gaps_out() -> None:
    _, curve = drawn(series((0, 5), (10, 5), (20, 5), (600, 6)))
    assert [moment // SECOND for moment in plotting.known(curve)[0]] == [0, 10, 20, 600]


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.lists(st.tuples(st.integers(0, 10**6), finite), max_size=60, unique_by=lambda pair: pair[0]),
    st.sampled_from(["auto", "raw", "60", "3600"]),
    st.sampled_from([None, True, False]),
)
def test_any_finite_series_gives_valid_json(
    points: list[tuple[int, float]], asked: str, counter: bool | None
) -> None:
    _, curve = drawn(series(*sorted(points)), asked, DAY_S, counter)
    text = json.dumps([as_json(curve), summary(curve)], allow_nan=False)
    made = json.loads(text)[0]
    assert len(made["t"]) == len(made["v"])
    assert made["t"] == sorted(made["t"])


@given(st.lists(st.tuples(st.integers(0, 3600), finite), min_size=1, max_size=40))
def test_a_sparkline_stays_in_its_box_whatever_the_values(points: list[tuple[int, float]]) -> None:
    one = series(*sorted({second: value for second, value in points}.items()))
    made = sparkline(one.timestamps, one.values, 0, 3600 * SECOND, from_zero=True)
    assert made is not None
    for pair in made.line.replace("M", "L").replace("h1.5", "").split("L")[1:]:
        x, y = map(float, pair.split())
        assert 0 <= x <= 240
        assert 0 <= y <= 40
        assert math.isfinite(y)


def test_a_sparkline_breaks_at_a_gap() -> None:
    times = np.array([0, 60, 120, 1800, 1860], dtype=np.int64) * SECOND
    made = sparkline(times, np.ones(5), 0, 3600 * SECOND)
    assert made is not None
    assert made.line.count("M") == 2
