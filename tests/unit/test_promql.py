"""The PromQL subset: what is read, what is refused, and what comes out, with an oracle."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.promql.evaluation import Element, evaluate
from alarms.promql.parsing import PromqlError, parse
from alarms.promql.tree import selectors
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
    return [tuple(one) for one in evaluate(parse(query), points(), LABELS, NOW)]


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
    ],
)
def test_an_expression_gives(query: str, expected: list[float]) -> None:
    assert values(query) == pytest.approx(expected)


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
        ("topk(3, cpu)", "topk"),
        ("histogram_quantile(0.9, cpu)", "histogram_quantile"),
        ("time() + cpu", "time"),
        ("cpu * on(host) group_left mem", "group_left"),
        ('{host="a"}', "without a metric's name"),
        ('{__name__=~"c.*"}', "must name its metrics"),
        ('cpu{host=~"(a+)+"}', "pattern"),
        ('cpu{host=~".*a.*b.*"}', "pattern"),
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
