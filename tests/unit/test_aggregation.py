"""Aggregation against the worked examples of the metric API and a plain-Python oracle."""

from __future__ import annotations

import itertools
import math
import statistics as stats
from collections import defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters import aggregation as agg
from meters import classic_statistics as classic
from meters.store.points import Points

SECOND = 1_000_000
MINUTE = 60 * SECOND
#: 2014-10-06 14:33:00 UTC
START = 1_412_605_980 * SECOND

Series = dict[int, list[tuple[int, float]]]


def points_of(series: Series) -> Points:
    """Points of {series: [(µs, value)…]}, sorted and with the last of equal times."""
    rows = [
        (index, time, value)
        for index in sorted(series)
        for time, value in sorted(dict(series[index]).items())
    ]
    index, timestamps, values = zip(*rows, strict=True) if rows else ((), (), ())
    return Points(
        np.array(index, dtype=np.int64),
        np.array(timestamps, dtype=np.int64),
        np.array(values, dtype=np.float64),
    )


def at(*rows: tuple[float, float], index: int = 0) -> Points:
    """Points of one series: (seconds after 14:33:00, value)."""
    return points_of({index: [(START + round(s * SECOND), value) for s, value in rows]})


def by_minute(points: Points) -> dict[float, float]:
    """{minutes after 14:33: value}"""
    times = (points.timestamps - START) / MINUTE
    return dict(zip(times.tolist(), points.values.tolist(), strict=True))


EXAMPLE_A = at((0, 10), (10.25, 13), (10.75, 19), (70, 1), (80, 4))


@pytest.mark.parametrize(
    ("method", "first", "second"),
    [
        ("mean", 14.0, 2.5),
        ("sum", 42.0, 5.0),
        ("min", 10.0, 1.0),
        ("max", 19.0, 4.0),
        ("count", 3.0, 2.0),
        ("std", 4.58257569495584, 2.1213203435596424),
        ("median", 13.0, 2.5),
        ("first", 10.0, 1.0),
        ("last", 19.0, 4.0),
        ("95pct", 18.4, 3.8500000000000005),
        ("rate:mean", 4.5, -7.5),
        ("rate:last", 6.0, 3.0),
        ("rate:count", 2.0, 2.0),
        ("rate:std", 2.1213203435596424, 14.849242404917497),
    ],
)
def test_example_a_of_the_metric_api_by_minutes(method: str, first: float, second: float) -> None:
    assert by_minute(agg.aggregate(EXAMPLE_A, MINUTE, method)) == pytest.approx(
        {0: first, 1: second}, rel=1e-15
    )


def test_example_a_by_seconds_has_deviations_only_where_a_second_holds_two_points() -> None:
    std = agg.aggregate(EXAMPLE_A, SECOND, "std")
    assert (std.timestamps.tolist(), std.values.tolist()) == (
        [START + 10 * SECOND],
        [pytest.approx(4.242640687119285, rel=1e-15)],
    )
    rate = agg.aggregate(EXAMPLE_A, SECOND, "rate:std")
    assert rate.values.tolist() == [pytest.approx(2.1213203435596424, rel=1e-15)]


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("10pct", 1.4),
        ("50pct", 3.0),
        ("99pct", 4.96),
        ("median", 3.0),
        ("std", 1.5811388300841898),
        ("first", 5.0),
        ("last", 3.0),
    ],
)
def test_example_b_of_the_metric_api(method: str, wanted: float) -> None:
    points = at(*enumerate([5, 1, 4, 2, 3]))
    assert agg.aggregate(points, MINUTE, method).values == pytest.approx([wanted], rel=1e-15)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("rate:mean", [2.0, 5.833333333333333, 9.166666666666666]),
        ("rate:max", [3.0, 18.0, 38.0]),
        ("rate:95pct", [3.0, 15.0, 30.25]),
    ],
)
def test_example_c_of_the_metric_api(method: str, wanted: list[float]) -> None:
    values = [13, 13, 15, 18, 20, 22, 26, 30, 31, 37, 55, 62, 100, 102, 103, 104, 110]
    points = at((0, 10), *((70 + 10 * n, value) for n, value in enumerate(values)))
    assert by_minute(agg.aggregate(points, MINUTE, method)) == pytest.approx(
        dict(zip([1, 2, 3], wanted, strict=True)), rel=1e-15
    )


def test_buckets_are_aligned_to_the_epoch_so_seven_days_start_on_a_thursday() -> None:
    new_year_2020, thursday = 1_577_836_800 * SECOND, 1_577_318_400 * SECOND
    week = 7 * 24 * 60 * MINUTE
    points = points_of({0: [(new_year_2020, 1.0)]})
    assert agg.aggregate(points, week, "mean").timestamps.tolist() == [thursday]


def test_a_point_on_the_edge_belongs_to_the_later_bucket() -> None:
    points = at((0, 1), (59.999999, 2), (60, 4))
    assert by_minute(agg.aggregate(points, MINUTE, "sum")) == {0: 3.0, 1: 4.0}


def test_a_rate_reaches_over_any_gap_back_to_the_point_before() -> None:
    points = at((0, 100), (36_000, 700))
    assert by_minute(agg.aggregate(points, MINUTE, "rate:mean")) == {600: 600.0}


def test_a_rate_never_bridges_two_series() -> None:
    points = points_of({3: [(0, 5.0)], 4: [(10, 100.0), (20, 101.0)]})
    rates = agg.aggregate(points, MINUTE, "rate:sum")
    assert (rates.index.tolist(), rates.values.tolist()) == ([4], [1.0])


def test_group_rates_stay_true_when_a_series_joins_only_as_mean_of_rates() -> None:
    five = 5 * MINUTE
    points = points_of(
        {0: [(0, 100.0), (five, 160.0), (2 * five, 220.0)], 1: [(five, 0.0), (2 * five, 50.0)]}
    )
    means = agg.combine(agg.aggregate(points, five, "mean"), "mean")
    assert agg.differences(means).values.tolist() == [-20.0, 55.0]
    rates = agg.combine(agg.aggregate(points, five, "rate:mean"), "mean")
    assert rates.values.tolist() == [60.0, 55.0]


def test_a_counter_that_falls_began_anew_and_its_value_is_the_growth() -> None:
    points = at((0, 100), (10, 150), (20, 20), (30, 60))
    grown, resets = agg.increases(points)
    assert grown.values.tolist() == [50.0, 20.0, 40.0]
    assert resets.tolist() == [False, True, False]
    assert agg.differences(points).values.tolist() == [50.0, -130.0, 40.0]


def test_rates_a_second_divide_by_the_real_gap() -> None:
    points = at((0, 100), (10, 150), (30, 20), (30.5, 60))
    assert agg.rate_per_second(points).values.tolist() == [5.0, 1.0, 80.0]
    assert agg.rate_per_second(points, counter=False).values.tolist() == [5.0, -6.5, 80.0]


@pytest.mark.parametrize("method", ["mean", "median", "rate:max", "std", "95pct"])
def test_nothing_in_gives_nothing_out(method: str) -> None:
    assert len(agg.aggregate(points_of({}), MINUTE, method).values) == 0


def test_no_points_have_no_rates_no_group_and_no_statistics() -> None:
    empty = points_of({})
    assert len(agg.rate_per_second(empty).values) == 0
    assert len(agg.increases(empty).resets) == 0
    assert len(agg.combine(empty, "mean").values) == 0
    assert classic.statistics(empty, MINUTE) == []


def test_one_point_has_every_value_but_a_deviation_and_a_rate() -> None:
    one = at((7, 3.5))
    values = {name: agg.aggregate(one, MINUTE, name).values.tolist() for name in agg.METHODS}
    assert values.pop("std") == []
    assert values.pop("count") == [1.0]
    assert set(map(tuple, values.values())) == {(3.5,)}
    assert len(agg.aggregate(one, MINUTE, "rate:mean").values) == 0


def test_a_result_beyond_a_float_is_left_out_without_a_warning() -> None:
    points = at((0, 1.7e308), (1, 1.7e308), (60, -1.7e308))
    assert by_minute(agg.aggregate(points, MINUTE, "sum")) == {1: -1.7e308}
    assert by_minute(agg.aggregate(points, MINUTE, "median")) == {0: 1.7e308, 1: -1.7e308}
    assert agg.aggregate(points, MINUTE, "rate:sum").values.tolist() == [0.0]
    rows = classic.statistics(points, MINUTE)
    assert [(row["sum"], row["max"]) for row in rows] == [(None, 1.7e308), (-1.7e308, -1.7e308)]


@pytest.mark.parametrize(
    "name", ["mean", "rate:mean", "1pct", "99pct", "rate:50pct", "median", "last"]
)
def test_known_methods(name: str) -> None:
    assert agg.is_method(name)


@pytest.mark.parametrize(
    "name", ["", "rate:", "avg", "0pct", "100pct", "05pct", "5.5pct", "rate:rate:mean", "٣pct"]
)
def test_unknown_methods_are_refused_by_name(name: str) -> None:
    assert not agg.is_method(name)
    with pytest.raises(agg.AggregationError, match="is not an aggregation method"):
        agg.aggregate(EXAMPLE_A, MINUTE, name)


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(agg.AggregationError, match="granularity 0 µs is not positive"):
        agg.aggregate(EXAMPLE_A, 0, "mean")
    with pytest.raises(agg.AggregationError, match="period -1 µs is not positive"):
        classic.statistics(EXAMPLE_A, -1)


def test_between_includes_the_start_and_leaves_the_stop_out() -> None:
    points = at((0, 1), (10, 2), (20, 3))
    cut = agg.between(points, START, START + 20 * SECOND)
    assert cut.values.tolist() == [1.0, 2.0]
    assert agg.between(points, None, None).values.tolist() == [1.0, 2.0, 3.0]


def test_a_series_is_seen_back_to_its_timespan_before_its_own_newest_point() -> None:
    points = points_of({0: [(n * MINUTE, n) for n in range(6)], 2: [(7, 1.0)]})
    seen = agg.within_timespans(points, [3 * MINUTE, None, MINUTE])
    assert list(rows_of(seen)) == [
        (0, 3 * MINUTE, 3.0), (0, 4 * MINUTE, 4.0), (0, 5 * MINUTE, 5.0), (2, 7, 1.0),
    ]  # fmt: skip
    assert len(agg.within_timespans(points_of({}), [MINUTE]).values) == 0
    seen = agg.within_timespans(points, [MINUTE, None, None], {0: 6 * MINUTE})
    assert list(rows_of(seen)) == [(2, 7, 1.0)]
    assert agg.within_timespans(points, [None, None, None]).values.tolist() == [*range(6), 1.0]


@pytest.mark.parametrize(
    ("method", "newest"),
    [
        ("mean", 4.0), ("sum", 4.0), ("min", 4.0), ("max", 4.0), ("count", 1.0), ("median", 4.0),
        ("first", 4.0), ("last", 4.0), ("95pct", 4.0), ("rate:mean", 3.0), ("rate:last", 3.0),
        ("rate:count", 1.0),
    ],
)  # fmt: skip
def test_example_a_by_seconds_keeps_ten_of_each_method(method: str, newest: float) -> None:
    seen = agg.within_timespans(agg.aggregate(EXAMPLE_A, SECOND, method), [10 * SECOND])
    assert list(rows_of(seen)) == [(0, START + 80 * SECOND, newest)]


def test_deviations_by_seconds_are_older_as_each_method_is_cut_on_its_own_newest() -> None:
    seen = agg.within_timespans(agg.aggregate(EXAMPLE_A, SECOND, "std"), [10 * SECOND])
    assert seen.timestamps.tolist() == [START + 10 * SECOND]


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("mean", [4.0, 5.0, math.nan, math.inf, -math.inf]),
        ("median", [4.0, 5.0, math.nan, 3.0, -math.inf]),
        ("std", [2.0, 0.0, math.nan, math.nan, math.nan]),
        ("var", [4.0, 0.0, math.nan, math.nan, math.nan]),
        ("min", [2.0, 5.0, math.nan, 1.0, -math.inf]),
        ("max", [6.0, 5.0, math.nan, math.inf, 1.0]),
        ("sum", [8.0, 5.0, 0.0, math.inf, -math.inf]),
        ("count", [2.0, 1.0, 0.0, 3.0, 3.0]),
    ],
)
def test_across_takes_each_row_without_its_missing_values(method: str, wanted: list[float]) -> None:
    nan, inf = math.nan, math.inf
    rows = [
        [2.0, nan, 6.0], [nan, nan, 5.0], [nan, nan, nan], [3.0, inf, 1.0], [-inf, 1.0, -inf],
    ]  # fmt: skip
    got = agg.across(np.array(rows), method)
    assert got.tolist() == pytest.approx(wanted, rel=1e-15, nan_ok=True)


def test_across_knows_no_other_methods_and_no_rows_give_no_values() -> None:
    assert len(agg.across(np.empty((0, 3)), "median")) == 0
    assert agg.across(np.empty((2, 0)), "sum").tolist() == [0.0, 0.0]
    with pytest.raises(agg.AggregationError, match="'last' is not one of mean, median, std"):
        agg.across(np.empty((0, 3)), "last")


# --- classic statistics ------------------------------------------------------------------------


def test_statistics_of_the_classic_example_divide_the_deviation_by_n() -> None:
    points = at(*enumerate([2, 4, 4, 4, 5, 5, 7, 9]))
    (row,) = classic.statistics(points)
    assert row["stddev"] == 2.0
    assert (row["count"], row["sum"], row["avg"], row["min"], row["max"]) == (8, 40, 5, 2, 9)


def test_statistics_count_distinct_labels_without_the_null_one() -> None:
    points = points_of({n: [(n, 1.0)] for n in range(6)})
    labels = {"user_id": [0, 1, 2, 0, 1, -1], "project_id": [-1] * 6}
    (row,) = classic.statistics(points, labels=labels)
    assert row["cardinality"] == {"user_id": 3, "project_id": 0}


def test_periods_start_at_the_first_sample_and_lose_none_at_the_end() -> None:
    points = at(*((600 * n, 2.0**n) for n in range(6)))
    rows = classic.statistics(points, 1200 * SECOND)
    assert [row["count"] for row in rows] == [2, 2, 2]
    assert [row["period_start"] - START for row in rows] == [0, 1200 * SECOND, 2400 * SECOND]
    assert [row["duration"] for row in rows] == [600.0, 600.0, 600.0]
    (whole,) = classic.statistics(points)
    assert (whole["avg"], whole["sum"], whole["count"]) == (10.5, 63.0, 6)
    assert whole["stddev"] == pytest.approx(10.828203913853857, rel=1e-15)
    assert (whole["period_start"], whole["period_end"]) == (START, START + 3000 * SECOND)


def test_periods_start_at_the_lower_bound_when_there_is_one_and_empty_ones_are_left_out() -> None:
    points = at((900, 1), (8100, 2), (30_000, 4))
    rows = classic.statistics(points, 7200 * SECOND, origin_us=START)
    assert [(row["period_start"] - START) // SECOND for row in rows] == [0, 7200, 28_800]
    assert [row["period_end"] - row["period_start"] for row in rows] == [7200 * SECOND] * 3


def test_statistics_of_groups_take_all_series_of_a_group_together() -> None:
    points = points_of(
        {0: [(0, 1.0), (MINUTE, 2.0)], 1: [(5, 10.0)], 2: [(7, 3.0), (MINUTE + 1, 5.0)]}
    )
    rows = classic.statistics(points, MINUTE, groups=[1, 0, 1])
    assert [(row["period_start"], row["group"], row["sum"], row["count"]) for row in rows] == [
        (0, 0, 10.0, 1),
        (0, 1, 4.0, 2),
        (MINUTE, 1, 7.0, 2),
    ]
    assert [row["duration"] for row in rows] == [0.0, 7e-6, 1e-6]


def test_a_duration_is_cut_to_the_bounds_and_gone_when_nothing_is_left() -> None:
    hour = 3600 * SECOND
    points = at((0, 1), (3600, 2))
    (row,) = classic.statistics(points)
    cut = classic.clamp_duration(row, START + hour // 3, START + 2 * hour // 3)
    assert (cut["duration"], cut["duration_start"]) == (1200.0, START + hour // 3)
    assert (cut["period_start"], cut["period_end"]) == (START, START + hour)
    assert classic.clamp_duration(row, None, None) == row
    gone = classic.clamp_duration(row, START + 2 * hour, None)
    assert (gone["duration"], gone["duration_start"], gone["duration_end"]) == (None, None, None)


# --- the oracle --------------------------------------------------------------------------------

GRANULARITIES = st.sampled_from([1, 7, 10, 60, 1000, MINUTE, 300 * SECOND])
VALUES = st.floats(-1e9, 1e9, allow_subnormal=False)


@st.composite
def some_series(draw: st.DrawFn) -> Series:
    """Up to 4 series whose points lie near bucket edges."""
    step = draw(GRANULARITIES)
    offset = st.integers(-1, 1)
    times = st.builds(lambda n, o: max(0, n * step + o), st.integers(0, 12), offset)
    rows = st.lists(st.tuples(times, VALUES), max_size=25)
    return draw(st.dictionaries(st.integers(0, 5), rows, max_size=4))


def percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    position = Fraction((len(values) - 1) * percent, 100)
    lower = math.floor(position)
    upper = min(lower + 1, len(values) - 1)
    share = position - lower
    return float(Fraction(ordered[lower]) * (1 - share) + Fraction(ordered[upper]) * share)


ORACLE: dict[str, Callable[[list[float]], float]] = {
    "mean": stats.fmean,
    "min": min,
    "max": max,
    "sum": math.fsum,
    "count": len,
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
    "std": stats.stdev,
    "median": stats.median,
    "5pct": lambda values: percentile(values, 5),
    "73pct": lambda values: percentile(values, 73),
}


def rows_of(points: Points) -> Iterable[tuple[int, int, float]]:
    return zip(*(column.tolist() for column in points), strict=True)


def oracle_steps(series: Series, counter: bool) -> list[tuple[int, int, float, float]]:
    """(series, later time, step, gap in seconds), with resets handled for counters."""
    steps = []
    for index in sorted(series):
        rows = sorted(dict(series[index]).items())
        for (before, old), (time, new) in itertools.pairwise(rows):
            grown = new if counter and new < old else new - old
            steps.append((index, time, grown, (time - before) / 1e6))
    return steps


def oracle_aggregate(series: Series, width: int, method: str) -> dict[tuple[int, int], float]:
    base = method.removeprefix("rate:")
    if base == method:
        rows = [(i, time, value) for i, time, value in rows_of(points_of(series))]
    else:
        rows = [step[:3] for step in oracle_steps(series, counter=False)]
    buckets = defaultdict(list)
    for index, time, value in rows:
        buckets[index, time // width * width].append(value)
    return {
        key: float(ORACLE[base](values))
        for key, values in buckets.items()
        if base != "std" or len(values) > 1
    }


@given(some_series(), GRANULARITIES, st.sampled_from(sorted(ORACLE)), st.booleans())
def test_aggregates_equal_those_of_plain_python(
    series: Series, width: int, method: str, rate: bool
) -> None:
    name = f"rate:{method}" if rate else method
    got = agg.aggregate(points_of(series), width, name)
    keys = [(index, time) for index, time, _ in rows_of(got)]
    assert keys == sorted(set(keys))
    assert dict(zip(keys, got.values.tolist(), strict=True)) == pytest.approx(
        oracle_aggregate(series, width, name), rel=1e-9, abs=1e-5
    )


@given(some_series(), st.booleans())
def test_rates_a_second_equal_those_of_plain_python(series: Series, counter: bool) -> None:
    got = agg.rate_per_second(points_of(series), counter)
    wanted = [(i, time, step / gap) for i, time, step, gap in oracle_steps(series, counter)]
    assert list(rows_of(got)) == wanted


@given(some_series(), st.none() | GRANULARITIES, st.none() | st.integers(0, 100))
def test_statistics_equal_those_of_plain_python(
    series: Series, period: int | None, origin: int | None
) -> None:
    points = points_of(series)
    groups = [0, 1, 0, 1, 2, 0]
    rows = classic.statistics(points, period, origin, groups)
    base = min(points.timestamps.tolist(), default=0) if origin is None else origin
    wanted = defaultdict(list)
    for index, time, value in rows_of(points):
        wanted[(time - base) // period if period else 0, groups[index]].append((time, value))
    assert [
        (row["group"], row["count"], row["duration_start"], row["duration_end"]) for row in rows
    ] == [
        (group, len(found), min(found)[0], max(found)[0])
        for (_, group), found in sorted(wanted.items())
    ]
    for row, (_, found) in zip(rows, sorted(wanted.items()), strict=True):
        values = [value for _, value in found]
        assert row["avg"] == pytest.approx(stats.fmean(values), rel=1e-9, abs=1e-6)
        assert row["stddev"] == pytest.approx(stats.pstdev(values), rel=1e-9, abs=1e-5)
        assert (row["min"], row["max"]) == (min(values), max(values))


def test_a_large_offset_does_not_eat_the_deviation() -> None:
    points = at(*((n, 1e9 + n % 2) for n in range(60)))
    (std,) = agg.aggregate(points, MINUTE, "std").values.tolist()
    assert std == pytest.approx(stats.stdev([0.0, 1.0] * 30), rel=1e-9)
