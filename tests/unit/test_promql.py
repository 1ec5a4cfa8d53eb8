"""The PromQL subset: what is read, what is refused, and what comes out, with an oracle."""

from __future__ import annotations

import re
import time
from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.promql.evaluation import Element, evaluate, evaluate_over, unique
from meters.promql.parsing import PromqlError, parse, parse_query, parse_selector
from meters.promql.patterns import pattern_of
from meters.promql.tree import selectors
from meters.store.points import Points

S = 1_000_000
NOW = 10_000 * S
LABELS = [
    {"__name__": "cpu", "host": "a", "project": "p"},
    {"__name__": "cpu", "host": "b", "project": "p"},
    {"__name__": "mem", "host": "a", "project": "p"},
    {"__name__": "mem", "host": "c", "project": "p"},
]
#: Ages in seconds and values of each series.
SERIES = [
    [(240, 10.0), (180, 20.0), (120, 5.0), (60, 15.0)],
    [(250, 1.0), (190, 2.0), (130, 3.0), (70, 4.0)],
    [(60, 100.0)],
    [(301, 7.0)],
]


def points(series: list[list[tuple[int, float]]] = SERIES) -> Points:
    rows = [
        (place, NOW - age * S, value)
        for place, found in enumerate(series)
        for age, value in sorted(found, reverse=True)
    ]
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    index, times, values = columns
    return Points(np.array(index, np.int64), np.array(times, np.int64), np.array(values, float))


def ask(query: str) -> list[tuple[dict[str, str], float]]:
    return [tuple(one) for one in evaluate(parse_query(query), points(), LABELS, NOW)]


def values(query: str) -> list[float]:
    return [value for _, value in ask(query)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("cpu", [15.0, 4.0]),
        ("mem", [100.0]),  # the other one is older than five minutes
        ('cpu{host="a"}', [15.0]),
        ('cpu{host!="a"}', [4.0]),
        ('cpu{host=~"a|x.*"}', [15.0]),
        ('cpu{host!~"a|x.*"}', [4.0]),
        ('cpu{nosuch=""}', [15.0, 4.0]),
        ('{__name__="mem"}', [100.0]),
        ("cpu offset 1m", [5.0, 4.0]),
        ("-cpu", [-15.0, -4.0]),
        ("cpu + 1", [16.0, 5.0]),
        ("2 ^ cpu", [2.0**15, 16.0]),
        ("cpu % 4", [3.0, 0.0]),
        ("cpu / 0", [float("inf"), float("inf")]),
        ("cpu > 5", [15.0]),
        ("5 < cpu", [15.0]),
        ("cpu > bool 5", [1.0, 0.0]),
        ("sum(cpu)", [19.0]),
        ("avg by (project) (cpu)", [9.5]),
        ("max without (host) (cpu)", [15.0]),
        ("min(cpu)", [4.0]),
        ("count(cpu)", [2.0]),
        ("stddev(cpu)", [5.5]),
        ("stdvar(cpu)", [30.25]),
        ("cpu / on(host) mem", [0.15]),
        ("cpu + ignoring(nosuch) cpu", [30.0, 8.0]),
        ("cpu and on(host) mem", [15.0]),
        ("cpu unless on(host) mem", [4.0]),
        ("cpu or mem", [15.0, 4.0]),
        ('cpu{host="b"} or mem', [4.0, 100.0]),
        ("absent(cpu)", []),
        ("absent(nosuch)", [1.0]),
        ('scalar(cpu{host="a"}) * 2 + vector(1)', [31.0]),
        ("clamp_max(clamp_min(cpu, 5), 10)", [10.0, 5.0]),
        ("abs(floor(cpu * -0.3))", [5.0, 2.0]),
        ("ceil(sqrt(cpu))", [4.0, 2.0]),
        ("ln(exp(cpu))", [15.0, 4.0]),
        ("avg_over_time(cpu[5m])", [12.5, 2.5]),
        ("min_over_time(cpu[2m30s])", [5.0, 3.0]),
        ("max_over_time(cpu[5m])", [20.0, 4.0]),
        ("sum_over_time(cpu[5m])", [50.0, 10.0]),
        ("count_over_time(cpu[150s])", [2.0, 2.0]),
        ("last_over_time(cpu[5m])", [15.0, 4.0]),
        ("stddev_over_time(cpu[150s])", [5.0, 0.5]),
        ("irate(cpu[5m])", [10 / 60, 1 / 60]),
        ("idelta(cpu[5m])", [10.0, 1.0]),
        ("idelta(mem[5m])", []),
        ("topk(1, cpu)", [15.0]),
        ("bottomk(5, cpu)", [15.0, 4.0]),
        ("topk by (host) (1, cpu)", [15.0, 4.0]),
        ("quantile(0.5, cpu)", [9.5]),
        ("quantile(2, cpu)", [float("inf")]),
        ("group(cpu)", [1.0]),
        ("sort(cpu)", [4.0, 15.0]),
        ("sort_desc(cpu)", [15.0, 4.0]),
        ("round(cpu / 10)", [2.0, 0.0]),
        ("round(cpu, 10)", [20.0, 0.0]),
        ("clamp(cpu, 5, 10)", [10.0, 5.0]),
        ("sgn(cpu - 10)", [1.0, -1.0]),
        ("log2(cpu + 1)", [4.0, 2.321928]),
        ("timestamp(cpu)", [9940.0, 9930.0]),
        ("timestamp(cpu * 2)", [10_000.0, 10_000.0]),
        ("time() - timestamp(cpu)", [60.0, 70.0]),
        ("changes(cpu[5m])", [3.0, 3.0]),
        ("resets(cpu[5m])", [1.0, 0.0]),
        ("deriv(cpu[5m])", [0.0, 1 / 60]),
        ("predict_linear(cpu[5m], 60)", [12.5, 4 + 130 / 60]),
        ("quantile_over_time(0.5, cpu[5m])", [12.5, 2.5]),
        ("stdvar_over_time(cpu[150s])", [25.0, 0.25]),
        ("present_over_time(cpu[5m])", [1.0, 1.0]),
        ("cpu * on(project) group_left(host) mem", [1500.0, 400.0]),
        ("mem - on(project) group_right() cpu", [85.0, 96.0]),
        ("cpu > on(project) group_left mem", []),
        ("1 + 1", [2.0]),
        ("vector(2) * time()", [20_000.0]),
        ('{host="a"}', [15.0, 100.0]),
        ('{__name__=~"c.*|mem"}', [15.0, 4.0, 100.0]),
        ('cpu{host=~"(a|b)"}', [15.0, 4.0]),
        ('cpu{host=~"a\\\\.b|b"}', [4.0]),
        ("quantile_over_time(0, cpu[5m])", [5.0, 1.0]),
        ("quantile_over_time(0.9, cpu[5m])", [18.5, 3.7]),
        ("quantile_over_time(-1, cpu[5m])", [float("-inf")] * 2),
        ("quantile(0.25, cpu / cpu * 3)", [3.0]),
    ],
)
def test_an_expression_gives(query: str, expected: list[float]) -> None:
    assert values(query) == pytest.approx(expected)


PATTERNS = st.lists(
    st.sampled_from(["a", "b", "ab", ".*", ".+", "|", "\\.", "\\|", "-", "\n"]), max_size=9
).map("".join)


@given(PATTERNS, st.lists(st.text("ab.|-\n", max_size=12), max_size=20))
def test_a_pattern_fits_what_a_regular_expression_fits(pattern: str, texts: list[str]) -> None:
    own, known = pattern_of(pattern), re.compile(pattern, re.DOTALL)
    for text in texts:
        assert own.fits(text) == (known.fullmatch(text) is not None)


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    """As a regular expression each alternative would take the square of the text's length."""
    pattern = pattern_of("|".join(f".*a.*a{n}" for n in range(300)))
    begin = time.process_time()
    assert not any(pattern.fits("a" * 4096) for _ in range(20))
    assert time.process_time() - begin < 2


def test_quantiles_of_many_ranges_are_taken_together() -> None:
    """500 000 of them; one by one each takes some 50 µs."""
    many = [[(age * 60, float(age)) for age in range(1, 60)] for _ in range(500)]
    labels = [{"__name__": "cpu", "host": str(place)} for place in range(len(many))]
    instants = np.arange(NOW - 1000 * S, NOW, S, dtype=np.int64)
    begin = time.process_time()
    for query in ("quantile_over_time(0.5, cpu[5m])", "quantile by (host) (0.5, cpu)"):
        found = evaluate_over(parse_query(query), points(many), labels, instants)
        assert found.there.all()
    assert time.process_time() - begin < 10


def test_what_is_joined_again_and_again_takes_no_more_room() -> None:
    found = evaluate_over(
        parse_query(" or ".join(["cpu"] * 50)), points(), LABELS, np.array([NOW], dtype=np.int64)
    )
    assert len(found.labels) == 2


def test_points_too_far_apart_for_one_line_are_refused() -> None:
    far = Points(
        np.array([0, 1], np.int64), np.array([0, 7 * 10**15], np.int64), np.array([1.0, 2.0])
    )
    labels = [{"__name__": "cpu", "host": str(place)} for place in range(2000)]
    with pytest.raises(PromqlError, match="too far apart"):
        evaluate(parse_query("cpu"), far, labels, NOW)


def test_labels_of_several_to_one_are_those_of_the_many_and_what_is_included() -> None:
    found = ask("cpu * on(project) group_left(host) mem")
    assert found[1][0] == {"host": "a", "project": "p"}
    assert ask("cpu == on(project) group_left() (mem * 0 + 15)")[0] == (LABELS[0], 15.0)
    assert ask('absent(nosuch{host="a",x!="b"})') == [({"host": "a"}, 1.0)]


def test_a_selector_is_read_by_itself() -> None:
    assert parse_selector('cpu{host="a"}').wanted == {"host": "a"}
    for text in ("cpu[5m]", "cpu offset 5m", "sum(cpu)", "1"):
        with pytest.raises(PromqlError, match="no selector"):
            parse_selector(text)


def test_equal_labels_of_different_times_are_one_row_and_of_one_time_an_error() -> None:
    instants = np.array([NOW - 300 * S, NOW], dtype=np.int64)
    labels = [{"__name__": "cpu", "host": "a"}, {"__name__": "mem", "host": "a"}]
    node = parse_query('abs({host="a"})')
    once = unique(evaluate_over(node, points([[(500, 1.0)], [(60, 2.0)]]), labels, instants))
    assert (once.labels, once.values.tolist()) == ([{"host": "a"}], [[1.0, 2.0]])
    both = evaluate_over(node, points([[(100, 1.0)], [(60, 2.0)]]), labels, instants)
    with pytest.raises(PromqlError, match="matches several elements"):
        unique(both)


def test_increase_and_rate_are_stretched_as_prometheus_does() -> None:
    """Series a: 10, 20, 5 (a reset), 15 a minute apart from 4 minutes ago until 1: 25 in 180 s,
    with 60 s missing at either end; its zero was 72 s before its first point, so all 300 count."""
    first, second = values("increase(cpu[5m])")
    assert first == pytest.approx(25 * 300 / 180)
    # Series b: 3 in 180 s; 50 s before its first point, within 66, and 70 s after its last,
    # beyond that: half a step.
    assert second == pytest.approx(3 * (180 + 50 + 30) / 180)
    assert values("rate(cpu[5m])") == pytest.approx([first / 300, second / 300])
    assert values("delta(cpu[5m])")[0] == pytest.approx(5 * 300 / 180)


def test_what_an_operation_leaves_of_the_labels() -> None:
    assert ask("cpu > 5") == [(LABELS[0], 15.0)]
    assert ask("cpu > bool 5")[0] == ({"host": "a", "project": "p"}, 1.0)
    assert ask("sum by (host) (cpu)")[0] == ({"host": "a"}, 15.0)
    assert ask("cpu / on(host) mem") == [({"host": "a"}, 0.15)]
    assert ask("cpu < on(host) mem") == [({"host": "a"}, 15.0)]
    assert ask("cpu < ignoring(project) mem") == [({"__name__": "cpu", "host": "a"}, 15.0)]
    assert ask("cpu < on(project, host) group_left() mem") == [(LABELS[0], 15.0)]
    assert ask("last_over_time(cpu[5m])")[0] == (LABELS[0], 15.0)
    assert ask("clamp(cpu, 10, 5)") == []


@pytest.mark.parametrize("query", ["scalar(cpu) + vector(0)", "cpu / mem * nan and cpu"])
def test_nan_is_a_value(query: str) -> None:
    assert all(isnan(one) for one in values(query))


@pytest.mark.parametrize("query", ["cpu / on(project) cpu", "cpu + on(project) mem"])
def test_several_elements_that_match_one_are_an_error(query: str) -> None:
    with pytest.raises(PromqlError, match="matches several elements"):
        ask(query)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "is no PromQL"),
        ("cpu{", "is no PromQL"),
        ("sum(", "is no PromQL"),
        ("cpu[5m]", "is a range"),
        ("5", "names no metric"),
        ("vector(1)", "names no metric"),
        ("cpu[5m:1m]", "subquery"),
        ("rate(cpu[5m:1m])", "subquery"),
        ("cpu @ 5", "@"),
        ("cpu offset -5m", "future"),
        ("rate(cpu[1y])", "31 days"),
        ("count_values(3, cpu)", "is no PromQL"),
        ("topk(cpu, cpu)", "is no PromQL"),
        ("histogram_quantile(0.9, cpu)", "histogram_quantile"),
        ("round(cpu, mem)", "is no PromQL"),
        ("cpu + on(host) fill(0) mem", "fill values"),
        ('{host="a"}', "without a metric's name"),
        ('{__name__=~"c.*"}', "must name its metrics"),
        ('cpu{host=~"(a+)+"}', "pattern"),
        ('cpu{host=~"a|b)|(c"}', "pattern"),
        ('cpu{host="a\\x00b"}', "NUL"),
        ('{__name__="a\\u0000"}', "NUL"),
        ('cpu{host=~"[a-z]"}', "pattern"),
        ("clamp_min(cpu, mem)", "expected type scalar"),
        ("(" * 40 + "cpu" + ")" * 40, "deeper"),
        ("-" * 40 + "cpu", "signs"),
        ("cpu" + " + cpu" * 300, "terms"),
        ("cpu + " + "1" * 5000, "longer"),
    ],
)
def test_what_is_beyond_the_subset_is_refused_in_words(query: str, text: str) -> None:
    with pytest.raises(PromqlError) as caught:
        parse(query)
    assert text in str(caught.value)


@given(st.text("()[]{}cpu,=~\"|5m+-*/ <>bysum'\\$", max_size=60))
def test_anything_is_an_expression_or_refused(query: str) -> None:
    try:
        node = parse(query)
    except PromqlError:
        return
    assert list(selectors(node))


# --- an oracle: aggregates over ranges, a point at a time -------------------------------------

samples = st.lists(st.tuples(st.integers(1, 700), st.integers(-50, 50).map(float)),
                   unique_by=lambda row: row[0], max_size=12)  # fmt: skip
_PLAIN: dict[str, Any] = {
    "avg": lambda found: sum(found) / len(found), "min": min, "max": max, "sum": sum,
    "count": len, "last": lambda found: found[-1],
}  # fmt: skip


@given(
    st.lists(samples, min_size=4, max_size=4),
    st.sampled_from(sorted(_PLAIN)),
    st.integers(1, 600),
    st.sampled_from(["sum", "min", "max", "count"]),
    st.sampled_from([">", "<=", "=="]),
    st.integers(-20, 20),
)
def test_random_series_give_what_a_plain_reading_gives(
    series: list[list[tuple[int, float]]], method: str, range_s: int, across: str, sign: str,
    limit: int,
) -> None:  # fmt: skip
    query = f"{across} by (host) ({method}_over_time(cpu[{range_s}s])) {sign} {limit}"
    found = evaluate(parse(query), points(series), LABELS, NOW)
    expected = []
    for place in (0, 1):
        inside = [value for age, value in sorted(series[place], reverse=True) if age <= range_s]
        if inside:
            value = 1.0 if across == "count" else float(_PLAIN[method](inside))
            if {">": value > limit, "<=": value <= limit, "==": value == limit}[sign]:
                expected.append(Element({"host": LABELS[place]["host"]}, value))
    assert [(labels, pytest.approx(value)) for labels, value in expected] == found
    assert not any(value is nan for _, value in found)


@given(
    st.lists(samples, min_size=4, max_size=4),
    st.sampled_from([
        "cpu", "rate(cpu[3m])", "sum by (host) (increase(cpu[4m]))", "topk(1, cpu) or mem",
        "cpu > on(host) mem", "cpu + on(host) group_left mem", "quantile(0.3, cpu)",
        "deriv(cpu[5m]) unless cpu", "absent(cpu)", "scalar(mem) + cpu offset 1m",
        "stddev_over_time(cpu[5m]) and max_over_time(mem[9m])", "resets(cpu[10m]) == bool 1",
    ]),
    st.lists(st.integers(0, 900), min_size=1, max_size=9, unique=True),
)  # fmt: skip
def test_many_instants_at_once_give_what_each_gives_by_itself(
    series: list[list[tuple[int, float]]], query: str, ages: list[int]
) -> None:
    node, known = parse_query(query), points(series)
    instants = np.array(sorted(NOW - age * S for age in ages), dtype=np.int64)
    table = evaluate_over(node, known, LABELS, instants)
    for place, now in enumerate(instants.tolist()):
        rows = np.flatnonzero(table.there[:, place])
        together = [(table.labels[row], table.values[row, place]) for row in rows]
        alone = evaluate(node, known, LABELS, now)
        assert sorted(map(str, (labels for labels, _ in together))) == sorted(
            str(labels) for labels, _ in alone
        )
        assert sorted(value for _, value in together) == pytest.approx(
            sorted(value for _, value in alone), nan_ok=True
        )
