"""Operations computed: the worked examples of the metric API and its rules."""

from __future__ import annotations

import math
import statistics as stats
from collections.abc import Callable

import numpy as np
import pytest

from meters.aggregation import aggregate
from meters.operations import evaluation, grid
from meters.operations.errors import OperationsError
from meters.operations.evaluation import Inputs, evaluate
from meters.operations.parsing import parse
from meters.operations.query import Fill, Query
from meters.operations.tree import Reference
from meters.store.points import Points
from tests.unit.operations_series import (
    EXAMPLE,
    INF,
    MINUTE,
    NAN,
    Minutes,
    approx,
    failing,
    inputs_of,
    minutes_of,
    points_of,
    run,
)

BOTH = "(metric (A mean) (B mean))"


# --- worked examples of 17.4 -------------------------------------------------------------------


def test_by_default_each_series_has_its_own_points() -> None:
    assert run(BOTH) == EXAMPLE
    assert run(BOTH, fill="dropna") == EXAMPLE


A, B = EXAMPLE["A"], EXAMPLE["B"]


@pytest.mark.parametrize(
    ("fill", "wanted"),
    [
        ("null", {"A": {**A, 5: NAN}, "B": {0: NAN, **B}}),
        ("ffill", {"A": {**A, 5: 8.0}, "B": B}),
        ("bfill", {"A": A, "B": {0: 10.0, **B}}),
        ("full_ffill", {"A": {**A, 5: 8.0}, "B": {0: 10.0, **B}}),
        ("full_bfill", {"A": {**A, 5: 8.0}, "B": {0: 10.0, **B}}),
        (-1.5, {"A": {**A, 5: -1.5}, "B": {0: -1.5, **B}}),
    ],
)
def test_fills(fill: Fill, wanted: dict[str, Minutes]) -> None:
    assert run(BOTH, fill=fill) == approx(wanted)


def test_forward_then_backward_differs_from_backward_then_forward_in_the_middle() -> None:
    series = {"A": {1: 1.0, 3: 3.0}, "B": {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0}}
    assert run(BOTH, series, fill="full_ffill")["A"] == {0: 1, 1: 1, 2: 1, 3: 3, 4: 3}
    assert run(BOTH, series, fill="full_bfill")["A"] == {0: 1, 1: 1, 2: 3, 3: 3, 4: 3}


@pytest.mark.parametrize("needed", [0, 50, 100])
def test_overlap_without_bounds_leaves_the_rows_that_all_have(needed: float) -> None:
    assert run(BOTH, needed_overlap=needed) == {
        "A": {1: 2.0, 2: 4.0, 3: 8.0},
        "B": {1: 10.0, 2: 20.0, 3: 30.0},
    }


def test_overlap_within_bounds_is_counted_over_all_rows() -> None:
    error = failing(BOTH, needed_overlap=100.0, start_us=0, stop_us=6 * MINUTE)
    assert error.cause == "Metrics cannot be aggregated"
    assert error.reason == ("Less than 100.000000% of datapoints overlap in this timespan (60.00%)")
    assert error.detail == [["A", "mean"], ["B", "mean"]]
    kept = run(BOTH, needed_overlap=60.0, start_us=0, stop_us=6 * MINUTE)
    assert kept == approx({"A": {**A, 5: NAN}, "B": {0: NAN, **B}})


def test_overlap_cuts_only_the_side_without_a_bound() -> None:
    assert run(BOTH, needed_overlap=50.0, start_us=0) == approx(
        {"A": {0: 1, 1: 2, 2: 4, 3: 8}, "B": {0: NAN, 1: 10, 2: 20, 3: 30}}
    )
    assert run(BOTH, needed_overlap=50.0, stop_us=6 * MINUTE) == approx(
        {"A": {1: 2, 2: 4, 3: 8, 5: NAN}, "B": {1: 10, 2: 20, 3: 30, 5: 50}}
    )


def test_no_overlap_is_an_error_unless_none_is_needed() -> None:
    apart = {"A": {0: 1.0}, "B": {1: 2.0}}
    assert failing(BOTH, apart, needed_overlap=0.1).reason == "No overlap"
    assert run(BOTH, apart, needed_overlap=0) == approx(
        {"A": {0: 1.0, 1: NAN}, "B": {0: NAN, 1: 2.0}}
    )
    assert run(BOTH, {"A": {}, "B": {}}, needed_overlap=0) == {"A": {}, "B": {}}


def test_fill_wins_over_needed_overlap() -> None:
    assert run(BOTH, fill="dropna", needed_overlap=100, start_us=0) == EXAMPLE


@pytest.mark.parametrize(
    ("method", "wanted"),
    [
        ("mean", [1, 6, 12, 19, 50]),
        ("sum", [1, 12, 24, 38, 50]),
        ("min", [1, 2, 4, 8, 50]),
        ("max", [1, 10, 20, 30, 50]),
        ("std", [0, 4, 8, 11, 0]),
        ("var", [0, 16, 64, 121, 0]),
        ("median", [1, 6, 12, 19, 50]),
        ("count", [1, 2, 2, 2, 1]),
    ],
)
def test_aggregates_across_series(method: str, wanted: list[float]) -> None:
    assert run(f"(aggregate {method} {BOTH})") == {
        "aggregated": dict(zip([0, 1, 2, 3, 5], wanted, strict=True))
    }


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"(aggregate rate:mean {BOTH})", {"aggregated": {1: 5, 2: 6, 3: 7, 5: 31}}),
        (f"(aggregate rate:sum {BOTH})", {"aggregated": {1: 11, 2: 12, 3: 14, 5: 12}}),
        ("(rateofchange (metric A mean))", {"A": {1: 1, 2: 2, 3: 4}}),
        ("(rateofchangesec (metric A mean))", {"A": {1: 1 / 60, 2: 2 / 60, 3: 4 / 60}}),
        ("(rolling mean 2 (metric A mean))", {"A": {1: 1.5, 2: 3, 3: 6}}),
        ("(rolling rate:mean 2 (metric A mean))", {"A": {2: 1.5, 3: 3}}),
        ("(resample sum 120 (metric A mean))", {"A": {0: 3, 2: 12}}),
        ("(resample rate:mean 300 (metric A mean))", {"A": {0: 2.3333333333333335}}),
        ("(+ (metric A mean) (metric B mean))", {"aggregated": {1: 12, 2: 24, 3: 38}}),
        ("(/ (metric A mean) 0)", {"A": {}}),
        ("(> (metric A mean) 3)", {"A": {0: 0, 1: 0, 2: 1, 3: 1}}),
        ("(clip (metric A mean) 2 5)", {"A": {0: 2, 1: 2, 2: 4, 3: 5}}),
        ("(max (metric A mean) 3)", {"A": {0: 3, 1: 3, 2: 4, 3: 8}}),
        ("(** (metric A mean) 2)", {"A": {0: 1, 1: 4, 2: 16, 3: 64}}),
        ("(% (metric A mean) 3)", {"A": {0: 1, 1: 2, 2: 1, 3: 2}}),
        ("(- 100 (metric A mean))", {"A": {0: 99, 1: 98, 2: 96, 3: 92}}),
    ],
)
def test_worked_examples_of_operations(text: str, wanted: dict[str, Minutes]) -> None:
    assert run(text) == approx(wanted)


def test_resampled_series_bear_the_granularity_of_the_span() -> None:
    result = evaluate(parse("(resample sum 120 (metric A mean))"), inputs_of(EXAMPLE), Query())
    assert [one.granularity_us for one in result.series] == [2 * MINUTE]


def test_infinities_are_given_out_only_where_gaps_are() -> None:
    text = "(/ (metric A mean) 0)"
    infinite = {"A": dict.fromkeys([0, 1, 2, 3], INF)}
    assert run(text, fill="null") == infinite
    assert run(text, fill=0.0) == infinite
    assert run(text, needed_overlap=0) == infinite
    assert run(text, fill="ffill") == {"A": {}}


def test_the_first_row_of_a_rate_per_second_is_there_and_missing() -> None:
    wanted = {"A": {0: NAN, 1: 1 / 60, 2: 2 / 60, 3: 4 / 60}}
    assert run("(rateofchangesec (metric A mean))", fill="null") == approx(wanted)
    assert run("(rateofchangesec (metric A mean))", {"A": {}}, fill="null") == {"A": {}}


# --- known trouble -----------------------------------------------------------------------------


def test_the_mean_of_rates_stays_true_when_a_series_joins_and_the_rate_of_means_jumps() -> None:
    five = 5 * MINUTE
    means = points_of({0: 100.0, 5: 160.0, 10: 220.0}, {5: 0.0, 10: 50.0})
    rates = aggregate(means, five, "rate:mean")
    query = Query(start_us=0, stop_us=3 * five, needed_overlap=0)
    columns = {Reference("cpu", "mean"): [0, 1], Reference("cpu", "rate:mean"): [0, 1]}

    def values(text: str, points: Points) -> list[float]:
        result = evaluate(parse(text), Inputs(columns, {five: points}), query)
        found: list[float] = result.series[0].values.tolist()
        return found

    assert values("(aggregate rate:mean (metric cpu mean))", means) == [-20, 55]
    assert values("(aggregate mean (metric cpu rate:mean))", rates) == [60, 55]


def test_start_is_rounded_down_to_the_bucket_and_stop_is_exclusive() -> None:
    series = {"A": {635.0: 1.0, 640.0: 2.0, 645.0: 3.0, 650.0: 4.0}}
    inputs = inputs_of(series)._replace(points={5 * MINUTE: points_of(*series.values())})
    query = Query(start_us=643 * MINUTE, stop_us=648 * MINUTE)
    result = evaluate(parse("(metric A mean)"), inputs, query)
    assert minutes_of(result, ["A"]) == {"A": {640: 2.0, 645: 3.0}}
    exact = evaluate(parse("(metric A mean)"), inputs, query._replace(stop_us=645 * MINUTE))
    assert minutes_of(exact, ["A"]) == {"A": {640: 2.0}}


# --- shape of the result -----------------------------------------------------------------------


def test_granularities_come_coarsest_first_in_each_series() -> None:
    fine = points_of(*EXAMPLE.values())
    points = {MINUTE: fine, 5 * MINUTE: aggregate(fine, 5 * MINUTE, "mean")}
    inputs = inputs_of(EXAMPLE)._replace(points=points)
    result = evaluate(parse("(metric (B mean) (A mean))"), inputs, Query())
    assert [(one.column, one.granularity_us // MINUTE) for one in result.series] == [
        (0, 5), (0, 1), (1, 5), (1, 1),
    ]  # fmt: skip
    assert not result.aggregated
    combined = evaluate(parse(f"(aggregate sum {BOTH})"), inputs, Query())
    assert combined.aggregated
    found = [(one.column, one.granularity_us // MINUTE) for one in combined.series]
    assert found == [(None, 5), (None, 1)]
    assert combined.series[0].values.tolist() == [23.75, 50.0]
    assert combined.series[1].values.tolist() == [1.0, 12.0, 24.0, 38.0, 50.0]


def test_a_series_without_points_is_there_and_empty() -> None:
    assert run(BOTH, {"A": {}, "B": B}) == {"A": {}, "B": B}
    assert run(BOTH, {"A": {}, "B": {}}) == {"A": {}, "B": {}}
    assert run(f"(aggregate mean {BOTH})", {"A": {}, "B": {}}) == {"aggregated": {}}
    assert run("(+ (metric A mean) (metric B mean))", {"A": {}, "B": B}) == {"aggregated": {}}
    assert run("(rateofchange (metric A mean))", {"A": {}}) == {"A": {}}
    assert run("(resample mean 60 (metric A mean))", {"A": {}}) == {"A": {}}


def test_no_granularity_is_an_error() -> None:
    with pytest.raises(OperationsError, match="No granularity match"):
        evaluate(parse(BOTH), inputs_of(EXAMPLE)._replace(points={}), Query())


def test_a_group_is_computed_over_its_own_series_only() -> None:
    points = {MINUTE: points_of({0: 1.0, 1: 2.0}, {0: 10.0, 7: 1.0}, {0: 100.0})}
    operations = parse("(aggregate sum (metric cpu mean))")
    cpu = Reference("cpu", "mean")
    groups = [evaluate(operations, Inputs({cpu: places}, points), Query(fill="null"))
              for places in ([2, 0], [1])]  # fmt: skip
    assert [minutes_of(one, [])["aggregated"] for one in groups] == [
        {0: 101.0, 1: 2.0},
        {0: 10.0, 7: 1.0},
    ]


def test_a_wildcard_gives_each_series_once_whatever_names_it() -> None:
    columns = {Reference("cpu", "mean"): [1], Reference("c*", "mean"): [0, 1]}
    inputs = Inputs(columns, {MINUTE: points_of({0: 1.0}, {0: 2.0})})
    operations = parse("(metric (cpu mean) (c* mean))")
    result = evaluate(operations, inputs, Query())
    assert [(one.column, one.values.tolist()) for one in result.series] == [(0, [1.0]), (1, [2.0])]
    total = parse("(aggregate sum (metric (cpu mean) (c* mean)))")
    assert minutes_of(evaluate(total, inputs, Query()), []) == {"aggregated": {0: 3.0}}


# --- rules of single operations ----------------------------------------------------------------


def test_a_window_longer_than_the_series_is_an_error() -> None:
    error = failing("(rolling mean 9 (metric A mean))")
    assert error.reason == "Rolling window '9' is greater than serie length '4'"
    assert (error.cause, error.detail) == ("Metrics cannot be aggregated", [["A", "mean"]])
    assert run("(rolling sum 4 (metric A mean))") == {"A": {3: 15.0}}


def test_windows_pass_over_missing_points() -> None:
    assert run(f"(rolling mean 2 {BOTH})", fill="null") == approx(
        {
            "A": {1: 1.5, 2: 3, 3: 6, 5: 8},
            "B": {1: 10, 2: 15, 3: 25, 5: 40},
        }
    )
    assert run(f"(rolling sum 1 {BOTH})")["A"] == {**A, 5: 0.0}


def test_too_much_to_roll_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_WINDOWED", 17)
    error = failing(f"(rolling mean 3 {BOTH})")
    assert error.reason == "Too much to roll: window 3 over 5 rows of 2 series, at most 17 values"
    monkeypatch.setattr(evaluation, "MAX_WINDOWED", 18)
    assert run(f"(rolling mean 3 {BOTH})")


def test_windows_are_computed_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(f"(rolling median 2 {BOTH})", fill="null")
    monkeypatch.setattr(evaluation, "_WINDOWED_AT_ONCE", 5)
    assert run(f"(rolling median 2 {BOTH})", fill="null") == approx(whole)


def test_too_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "MAX_CELLS", 9)
    assert failing(BOTH).reason == (
        "Too many points: 5 times and 2 series, at most 9 values are computed at once"
    )
    monkeypatch.setattr(grid, "MAX_CELLS", 10)
    assert run(BOTH) == EXAMPLE


@pytest.mark.parametrize("times", [(0.0, 0.5, 1.0), (0.0, 1.0, 1e7), (-3.0, -1.0, 4.0)])
def test_rows_are_the_times_of_all_series_on_the_raster_or_off(times: tuple[float, ...]) -> None:
    first, middle, last = times
    series = {"A": {last: 3.0, first: 1.0}, "B": {middle: 2.0}}
    assert run(BOTH, series, fill=0.0) == {
        "A": {first: 1.0, middle: 0.0, last: 3.0},
        "B": {first: 0.0, middle: 2.0, last: 0.0},
    }


def test_times_far_apart_take_no_memory_for_what_lies_between() -> None:
    apart = Points(np.zeros(2, dtype=np.int64), np.array([0, 9 * 10**15]), np.array([1.0, 2.0]))
    assert grid.grid_of(apart, [0], 1, []).values.tolist() == [[1.0], [2.0]]


def test_resampling_takes_missing_points_as_absent() -> None:
    assert run(f"(resample mean 120 {BOTH})") == {
        "A": {0: 1.5, 2: 6.0},
        "B": {0: 10.0, 2: 25.0, 4: 50.0},
    }
    assert run(f"(resample last 120 {BOTH})", fill="null") == approx(
        {"A": {0: 2, 2: 8, 4: NAN}, "B": {0: 10, 2: 30, 4: 50}}
    )


def test_resampling_divides_the_deviation_by_one_less() -> None:
    assert run("(resample std 240 (metric A mean))") == {
        "A": {0: pytest.approx(stats.stdev([1, 2, 4, 8]), rel=1e-15)}
    }
    assert run("(resample std 60 (metric A mean))") == {"A": {}}


def test_values_that_are_not_finite_are_not_resampled() -> None:
    series = {"A": {0: 0.0, 1: 2.0, 2: 0.0}}
    assert run("(resample sum 120 (/ 4 (metric A mean)))", series, fill="null") == {"A": {0: 2.0}}
    assert run("(resample rate:sum 120 (/ 4 (metric A mean)))", series) == {"A": {}}


def test_a_missing_value_compares_as_nothing_and_is_not_zero() -> None:
    assert run(f"(> {BOTH} 3)")["B"] == {1: 1, 2: 1, 3: 1, 5: 1}
    assert run("(!= (metric A mean) (metric B mean))") == {"aggregated": {1: 1, 2: 1, 3: 1}}
    gaps = run(f"(<= {BOTH} 3)", fill="null")
    assert gaps == approx(
        {"A": {0: 1, 1: 1, 2: 0, 3: 0, 5: NAN}, "B": {0: NAN, 1: 0, 2: 0, 3: 0, 5: 0}}
    )


def test_the_larger_of_two_passes_over_a_missing_one() -> None:
    assert run("(max (metric A mean) (metric B mean))") == {
        "aggregated": {0: 1, 1: 10, 2: 20, 3: 30, 5: 50}
    }


def test_the_sum_and_count_of_nothing_are_zero_and_its_mean_is_missing() -> None:
    assert run("(+ (aggregate sum (metric A mean)) (aggregate sum (metric B mean)))") == {
        "aggregated": {0: 1, 1: 12, 2: 24, 3: 38, 5: 50}
    }
    assert run("(+ (aggregate count (metric A mean)) (aggregate mean (metric B mean)))") == {
        "aggregated": {1: 11, 2: 21, 3: 31, 5: 50}
    }


def test_functions_of_numbers_alone_are_numbers() -> None:
    text = "(* (metric A mean) (+ (clip 7 1 3) (abs (- 2 (== 1 1)))))"
    assert run(text) == {"A": {0: 4, 1: 8, 2: 16, 3: 32}}


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("abs", abs), ("neg", lambda x: -x), ("cos", math.cos), ("sin", math.sin),
        ("tan", math.tan), ("floor", math.floor), ("ceil", math.ceil),
        ("+ 2", lambda x: 2 + x), ("- 2", lambda x: 2 - x), ("* 2", lambda x: 2 * x),
        ("/ 2", lambda x: 2 / x), ("** 2", lambda x: 2.0**x), ("% 2", lambda x: 2 % x),
        ("== -1.5", lambda x: x == -1.5), ("!= -1.5", lambda x: x != -1.5),
        ("< -1.5", lambda x: x > -1.5), ("> -1.5", lambda x: x < -1.5),
        ("<= -1.5", lambda x: x >= -1.5), (">= -1.5", lambda x: x <= -1.5),
        ("max 0.5", lambda x: max(x, 0.5)), ("clip_min 0", lambda x: max(x, 0)),
        ("clip_max 0", lambda x: min(x, 0)), ("clip 0", lambda x: max(x, 0)),
    ],
)  # fmt: skip
def test_functions_value_by_value(text: str, function: Callable[[float], float]) -> None:
    values = {0: -1.5, 1: 0.25, 2: 2.0, 3: -7.0, 4: 1.5}
    wanted = {minute: float(function(value)) for minute, value in values.items()}
    assert run(f"({text} (metric A mean))", {"A": values}) == approx({"A": wanted})


def test_results_that_no_number_is_are_missing() -> None:
    series = {"A": {0: -4.0, 1: 4.0}}
    assert run("(** (metric A mean) 0.5)", series) == {"A": {1: 2.0}}
    assert run("(% (metric A mean) 0)", series) == {"A": {}}
    assert run("(** (metric A mean) 1000)", series, fill="null") == {"A": {0: INF, 1: INF}}


# --- functions of several series ---------------------------------------------------------------


def test_operands_on_other_rows_or_of_another_granularity_are_refused() -> None:
    error = failing("(- (rateofchange (metric A mean)) (metric A mean))")
    assert error.reason == "Can't compute timeseries with different timestamps"
    error = failing("(- (resample mean 120 (metric A mean)) (metric A mean))")
    assert error.reason == "Can't compute timeseries with different granularity 120.0 <> 60.0"
    assert error.detail == [["A", "mean"]]
    error = failing("(aggregate mean (metric A mean) (rolling mean 2 (metric B mean)))")
    assert error.reason == "Can't compute timeseries with different timestamps"
    assert run("(- (resample mean 120 (metric A mean)) (resample min 120 (metric A mean)))") == {
        "aggregated": {0: 0.5, 2: 2.0}
    }


def test_further_nodes_of_an_aggregate_are_joined() -> None:
    text = "(aggregate mean (metric A mean) (metric B mean))"
    assert run(text) == run(f"(aggregate mean {BOTH})")
    assert run("(aggregate sum (metric A mean) (* 2 (metric B mean)))") == {
        "aggregated": {0: 1, 1: 22, 2: 44, 3: 68, 5: 100}
    }


FOUR = {"A": {0: 1.0}, "B": {0: 2.0}, "C": {0: 10.0}, "D": {0: 20.0}}


def test_several_series_go_with_several_in_their_order() -> None:
    text = "(aggregate sum (- (metric (C mean) (D mean)) (metric (B mean) (A mean))))"
    assert run(text, FOUR) == {"aggregated": {0: 27.0}}
    text = "(aggregate max (* (metric (A mean) (B mean)) (metric D mean)))"
    assert run(text, FOUR) == {"aggregated": {0: 40.0}}
    error = failing("(+ (metric (A mean) (B mean) (C mean)) (metric (A mean) (B mean)))", FOUR)
    assert error.reason == "Operands of 3 and 2 series don't go together"


def test_several_series_without_a_name_must_be_aggregated() -> None:
    error = failing("(+ (metric (A mean) (B mean)) (metric (C mean) (D mean)))", FOUR)
    assert error.reason == "The operations give 2 series without names, aggregate them"


OWNED = Inputs(
    {
        Reference("used", "mean"): [0, 1, 2],
        Reference("size", "mean"): [3, 4],
        Reference("disk.*", "mean"): [5, 6],
        Reference("one", "mean"): [7],
        Reference("none", "mean"): [],
    },
    {MINUTE: points_of(*({0: value} for value in (1.0, 2.0, 4.0, 40.0, 10.0, 3.0, 5.0, 7.0)))},
    owners=["r1", "r2", "r3", "r3", "r1", "r1", "r1", "r9"],
)


def owned(text: str) -> dict[str, Minutes]:
    return minutes_of(evaluate(parse(text), OWNED, Query()), [])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(aggregate sum (/ (metric used mean) (metric size mean)))", 1 / 10 + 4 / 40),
        ("(aggregate max (/ (metric size mean) (metric used mean)))", 10.0),
        ("(aggregate sum (* (/ (metric used mean) (metric size mean)) (metric used mean)))",
         0.1 * 1 + 0.1 * 4),
        ("(aggregate sum (- (metric used mean) (aggregate min (metric used mean))))", 4.0),
        ("(/ (aggregate sum (metric used mean)) (aggregate sum (metric size mean)))", 0.14),
    ],
)  # fmt: skip
def test_series_of_resources_go_by_resource(text: str, wanted: float) -> None:
    assert owned(text) == {"aggregated": {0: pytest.approx(wanted, rel=1e-15)}}


def test_a_resource_that_is_missing_on_one_side_gives_no_result() -> None:
    assert owned("(/ (metric used mean) (metric one mean))") == {"aggregated": {}}
    assert owned("(/ (metric used mean) (metric none mean))") == {"aggregated": {}}
    assert owned("(metric none mean)") == {}


def test_several_series_of_one_resource_are_refused_in_a_function_of_two() -> None:
    with pytest.raises(OperationsError, match="several series of one resource, aggregate them"):
        owned("(aggregate sum (/ (metric disk.* mean) (metric used mean)))")


# --- the deprecated aggregation ----------------------------------------------------------------


def test_the_deprecated_aggregation_is_an_aggregate_that_needs_all_to_overlap() -> None:
    assert run(f"(aggregate mean {BOTH})", needed_overlap=100) == {
        "aggregated": {1: 6.0, 2: 12.0, 3: 19.0}
    }
    text = f"(aggregate mean (resample mean 120 {BOTH}))"
    assert run(text, needed_overlap=100) == {"aggregated": {0: 6.0, 2: 15.5}}
