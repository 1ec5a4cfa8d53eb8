"""Prometheus text → meters."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest

from pollers.central.exposition import (
    MAX_BAD_LINES,
    Exposition,
    Point,
    parse_exposition,
    resource_id,
)


def by_meter(found: Exposition) -> dict[str, list[Point]]:
    meters: dict[str, list[Point]] = {}
    for point in found.points:
        meters.setdefault(point.meter, []).append(point)
    return meters


def test_what_prometheus_client_serves_is_read_with_types_and_units() -> None:
    registry = CollectorRegistry()
    Counter("http_requests", "n", ["code"], registry=registry).labels("200").inc(3)
    Gauge("queue_bytes", "n", registry=registry).set(7)
    Histogram("wait_seconds", "n", buckets=(1, 5), registry=registry).observe(2)
    Summary("size_bytes", "n", registry=registry).observe(9)
    meters = by_meter(parse_exposition(generate_latest(registry).decode()))

    requests = meters["http_requests_total"][0]
    assert (requests.labels, requests.value, requests.type) == ({"code": "200"}, 3, "cumulative")
    assert (meters["queue_bytes"][0].type, meters["queue_bytes"][0].unit) == ("gauge", "B")
    assert {point.labels["le"]: point.value for point in meters["wait_seconds_bucket"]} == {
        "1.0": 0, "5.0": 1, "+Inf": 1,
    }  # fmt: skip
    assert meters["wait_seconds_bucket"][0].type == "cumulative"
    assert (meters["wait_seconds_sum"][0].unit, meters["wait_seconds_count"][0].unit) == ("s", "")
    assert (meters["size_bytes_sum"][0].type, meters["size_bytes_sum"][0].unit) == (
        "cumulative",
        "B",
    )
    assert meters["http_requests_created"][0].type == "gauge"


def test_a_counter_without_total_keeps_its_own_name() -> None:
    found = parse_exposition("# TYPE node_forks counter\nnode_forks 12\n")
    assert [(point.meter, point.type) for point in found.points] == [("node_forks", "cumulative")]


def test_quantiles_of_a_summary_are_gauges_and_nan_is_no_sample() -> None:
    found = parse_exposition(
        '# TYPE rpc summary\nrpc{quantile="0.5"} NaN\nrpc{quantile="0.9"} 4\n'
        "rpc_sum 10\nrpc_count 3\n# TYPE x gauge\nx +Inf\n"
    )
    assert [(point.meter, point.value, point.type) for point in found.points] == [
        ("rpc", 4, "gauge"), ("rpc_sum", 10, "cumulative"), ("rpc_count", 3, "cumulative"),
    ]  # fmt: skip
    assert found.without_value == 2


def test_a_time_of_the_endpoint_is_kept_in_milliseconds() -> None:
    found = parse_exposition("x 1 1764000000123\ny 2\n")
    assert [point.timestamp_ms for point in found.points] == [1764000000123, None]


def test_a_line_that_can_not_be_read_is_named_and_the_others_count() -> None:
    found = parse_exposition("a 1\nb{ 2\nc 3\n")
    assert [point.meter for point in found.points] == ["a", "c"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("line 2: 'b{ 2': ")


@pytest.mark.parametrize(
    "text",
    ["Service temporarily unavailable", "<html>\n<body>\n</html>", '{"error": "x"}', "\x00\xff"],
)
def test_what_is_no_exposition_gives_problems_and_no_points(text: str) -> None:
    found = parse_exposition(text)
    assert found.points == []
    assert found.problems


def test_a_long_text_that_is_no_exposition_is_given_up_soon() -> None:
    found = parse_exposition("no exposition at all\n" * 100_000)
    assert len(found.problems) == MAX_BAD_LINES
    assert found.points == []


def test_an_empty_answer_is_an_exposition_without_samples() -> None:
    assert parse_exposition("") == Exposition()


def test_openmetrics_is_read_too() -> None:
    text = '# TYPE jobs counter\njobs_total{q="a"} 4 1764000000.5\n# EOF\n'
    point = parse_exposition(text, openmetrics=True).points[0]
    assert (point.meter, point.value, point.timestamp_ms) == ("jobs_total", 4, 1764000000500)


def test_ids_have_sorted_and_escaped_labels_and_stay_within_their_limit() -> None:
    url = "http://node1:9100/metrics"
    assert resource_id(url, {}) == url
    assert resource_id(url, {"mode": "idle", "cpu": "0"}) == f'{url}{{cpu="0",mode="idle"}}'
    assert resource_id(url, {"a": 'x"\\\n'}) == f'{url}{{a="x\\"\\\\\\n"}}'
    long, other = resource_id(url, {"a": "x" * 300}), resource_id(url, {"a": "x" * 301})
    assert len(long) <= 255
    assert long.startswith(url)
    assert long != other


@pytest.mark.parametrize("time", ["1e400", "inf", "nan", "-inf"])
@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_time_that_is_none_costs_no_other_sample(time: str, openmetrics: bool) -> None:
    found = parse_exposition(f"a 1 {time}\nb 2\n# EOF\n", openmetrics=openmetrics)
    assert [point.meter for point in found.points] == ["b"]
    assert len(found.problems) == 1


def test_a_bad_line_of_openmetrics_costs_no_other() -> None:
    found = parse_exposition("a 1\nbad{ 2\nc 3\n# EOF\n", openmetrics=True)
    assert [point.meter for point in found.points] == ["a", "c"]
    (problem,) = found.problems
    assert problem.startswith("line 2: 'bad{ 2': ")


def test_numbers_of_any_length_cost_no_other_sample() -> None:
    for text in (f"a 1 {'9' * 400}\n", f"# TYPE a counter\na_total {'9' * 400}\n"):
        found = parse_exposition(f"{text}b 2\n")
        assert "b" in [point.meter for point in found.points]


def test_a_value_may_hold_what_ends_a_line_elsewhere() -> None:
    """Of Unicode's separators and the old control characters only LF ends a line."""
    label = "x\u2028y\x0bz\x85"
    found = parse_exposition(f'a{{l="{label}"}} 1\r\nb 2\r\n')
    assert [(point.meter, point.labels) for point in found.points] == [
        ("a", {"l": label}),
        ("b", {}),
    ]
    assert not found.problems
