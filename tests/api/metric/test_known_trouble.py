"""What hurt users of the reference, and what happens here instead (known-trouble's metric part)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from telemetry_site.clock import now
from tests.api.metric.people import MetricClient, error_of

pytestmark = pytest.mark.django_db

MINUTE_POLICY = {"name": "minutes", "definition": [{"granularity": "1m", "timespan": "1d"}]}
FIVE = {
    "name": "fives", "aggregation_methods": ["mean", "sum", "rate:mean"],
    "definition": [{"granularity": 300, "timespan": "1d"}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _policies(admin: MetricClient) -> None:
    admin.make("/archive_policy", MINUTE_POLICY)
    admin.make("/archive_policy", FIVE)


def measured(client: MetricClient, policy: str, *points: tuple[str, float]) -> str:
    """A metric with these points; its address."""
    path = f"/metric/{client.make('/metric', {'archive_policy_name': policy})['id']}"
    post(client, path, *points)
    return path


def post(client: MetricClient, path: str, *points: tuple[str, float]) -> None:
    body = [{"timestamp": time, "value": value} for time, value in points]
    answer = client.ask("POST", f"{path}/measures", body)
    assert answer.status_code == 202, answer.content


def rows(client: MetricClient, path: str, query: str = "") -> list[tuple[str, float]]:
    """(hour:minute, value) of all measures."""
    found = client.fetch(f"{path}/measures?{query}")
    return [(time[11:16], value) for time, _, value in found]


def group_of_cpus(client: MetricClient) -> None:
    """A from the beginning, B from the second bucket on: cpu counters that rise by 60 and 50."""
    counters = {
        "a": (("10:00", 100), ("10:05", 160), ("10:10", 220)),
        "b": (("10:05", 0), ("10:10", 50)),
    }
    for name, points in counters.items():
        cpu = {"cpu": {"archive_policy_name": "fives"}}
        made = client.make("/resource/generic", {"id": name, "metrics": cpu})
        timed = ((f"2026-11-20T{time}:00", value) for time, value in points)
        post(client, f"/metric/{made['metrics']['cpu']}", *timed)


def aggregated(client: MetricClient, operations: str) -> list[float]:
    body = {"operations": operations, "resource_type": "generic", "search": {}}
    answer = client.ask("POST", "/aggregates?needed_overlap=0&start=2026-11-20T10:00:00", body)
    assert answer.status_code == 200, answer.content
    return [value for _, _, value in answer.json()["measures"]["aggregated"]]


def test_the_rate_of_a_mean_falls_when_a_machine_joins_the_mean_of_rates_does_not(
    admin: MetricClient,
) -> None:
    group_of_cpus(admin)
    assert aggregated(admin, "(aggregate rate:mean (metric cpu mean))") == [-20, 55]
    assert aggregated(admin, "(aggregate mean (metric cpu rate:mean))") == [60, 55]


def test_a_start_inside_a_bucket(admin: MetricClient) -> None:
    points = [(f"2026-11-20T10:{minute}:00", minute) for minute in range(38, 52)]
    path = measured(admin, "fives", *points)
    found = rows(admin, path, "start=2026-11-20T10:43:00&stop=2026-11-20T10:48:00")
    assert found == [("10:40", 42), ("10:45", 47)]


def test_a_clock_that_runs_ahead_hides_nothing(admin: MetricClient) -> None:
    path = measured(admin, "minutes", ("2026-11-20T10:00:00", 1))
    ahead = (now() + timedelta(hours=20)).isoformat()
    body = [{"timestamp": "2026-11-20T10:01:00", "value": 2}, {"timestamp": ahead, "value": 3}]
    said = error_of(admin.ask("POST", f"{path}/measures", body), 400)
    assert said.startswith(f"Metric {path[8:]}: timestamp {ahead} is more than 300 s in the")
    assert rows(admin, path) == [("10:00", 1)]
    post(admin, path, ((now() + timedelta(seconds=200)).isoformat(), 4))


def test_the_same_attributes_again_make_no_revision(admin: MetricClient) -> None:
    host = {"host": {"type": "string", "required": False}}
    admin.make("/resource_type", {"name": "machine", "attributes": host})
    admin.make("/resource/machine", {"id": "vm", "host": "a"})
    for _ in range(6):
        assert admin.ask("PATCH", "/resource/machine/vm", {"host": "b"}).status_code == 200
    history = admin.fetch("/resource/machine/vm/history")
    assert [one["host"] for one in history] == ["a", "b"]


def test_late_measures_do_not_reopen_an_ended_resource(admin: MetricClient) -> None:
    ended = {
        "id": "vm", "started_at": "2026-11-20T10:00:00", "ended_at": "2026-11-20T11:00:00",
        "metrics": {"cpu": {"archive_policy_name": "minutes"}},
    }  # fmt: skip
    path = f"/metric/{admin.make('/resource/generic', ended)['metrics']['cpu']}"
    post(admin, path, ("2026-11-20T10:58:00", 1))
    assert admin.fetch("/resource/generic/vm")["ended_at"] == "2026-11-20T11:00:00+00:00"
    post(admin, path, ("2026-11-20T11:10:00", 1))
    assert admin.fetch("/resource/generic/vm")["ended_at"] is None


def test_a_group_whose_attribute_is_null(admin: MetricClient) -> None:
    group = {"server_group": {"type": "string", "required": False}}
    admin.make("/resource_type", {"name": "machine", "attributes": group})
    cpu = {"metrics": {"cpu": {"archive_policy_name": "minutes"}}}
    for name, own in (("a", {"server_group": "a"}), ("b", {})):
        made = admin.make("/resource/machine", {"id": name, **own, **cpu})
        post(admin, f"/metric/{made['metrics']['cpu']}", ("2026-11-20T10:00:00", 1))
    body = {"operations": "(metric cpu mean)", "resource_type": "machine", "search": {}}
    for path in ("/aggregates", "/aggregates?use_history=true"):
        asked = f"{path}{'&' if '?' in path else '?'}groupby=server_group"
        found = admin.ask("POST", asked, body).json()
        assert [one["group"]["server_group"] for one in found] == ["a", None]


def test_an_unknown_parameter_of_the_metric_list(admin: MetricClient) -> None:
    assert admin.ask("GET", "/metric?query=abc").status_code in (200, 400)


def test_not_in_a_string_filter(admin: MetricClient) -> None:
    ids = [str(uuid4()) for _ in range(3)]
    for one in ids:
        admin.make("/resource/generic", {"id": one})
    query = f"filter=not id in [{ids[0]}, {ids[1]}]"
    found = admin.ask("POST", f"/search/resource/generic?{query}").json()
    assert [one["id"] for one in found] == [ids[2]]


def test_a_rule_of_a_policy_that_does_not_exist(admin: MetricClient) -> None:
    rule = {"name": "t", "archive_policy_name": "not-exists", "metric_pattern": "disk.foo.*"}
    said = error_of(admin.ask("POST", "/archive_policy_rule", rule), 400)
    assert said["cause"] == "Archive policy does not exist"


def test_a_deleted_metrics_name_is_free_at_once(admin: MetricClient) -> None:
    cpu = {"cpu": {"archive_policy_name": "minutes"}}
    admin.make("/resource/generic", {"id": "r1", "metrics": cpu})
    path = "/resource/generic/r1/metric"
    post(admin, f"{path}/cpu", ("2026-11-20T10:00:00", 7))
    assert admin.ask("DELETE", f"{path}/cpu").status_code == 204
    assert admin.ask("POST", path, cpu).status_code == 200
    post(admin, f"{path}/cpu", ("2026-11-20T10:01:00", 1))
    assert rows(admin, f"{path}/cpu") == [("10:01", 1)]


def test_a_policys_granularity_stays_and_its_timespan_may_grow(admin: MetricClient) -> None:
    day_before, last = ("2026-11-18T10:00:00", 1.0), ("2026-11-20T10:00:00", 2.0)
    path = measured(admin, "minutes", day_before, last)
    assert rows(admin, path) == [("10:00", 2)]
    finer = {"definition": [{"granularity": "1s", "timespan": "1d"}]}
    said = error_of(admin.ask("PATCH", "/archive_policy/minutes", finer), 400)
    assert "granularity" in said
    longer = {"definition": [{"granularity": "1m", "timespan": "7d"}]}
    assert admin.ask("PATCH", "/archive_policy/minutes", longer).status_code == 200
    assert rows(admin, path) == [("10:00", 1), ("10:00", 2)]


def test_rates_are_plain_differences_also_where_a_counter_was_reset(admin: MetricClient) -> None:
    counter = [("10:00", 100), ("10:05", 150), ("10:10", 20), ("10:15", 60)]
    points = [(f"2026-11-20T{time}:00", value) for time, value in counter]
    path = measured(admin, "fives", *points)
    found = rows(admin, path, "aggregation=rate:mean")
    assert [value for _, value in found] == [50, -130, 40]


@pytest.mark.parametrize(
    "start", ["2026-01-01T00:00:00", "1767225600", "2026-01-01T01:00:00%2B01:00"]
)
def test_times_without_a_zone_are_utc(admin: MetricClient, start: str) -> None:
    path = measured(admin, "fives", ("2025-12-31T23:59:00", 1), ("2026-01-01T00:00:00", 2))
    assert rows(admin, path, f"start={start}") == [("00:00", 2)]
    assert rows(admin, path, "start=-10%20minutes") == []


def test_a_granularity_that_the_policy_has_not(admin: MetricClient) -> None:
    path = measured(admin, "fives")
    said = error_of(admin.ask("GET", f"{path}/measures?granularity=42"), 404)
    assert said == (
        f"Aggregation method 'mean' at granularity '42.0' for metric {path[8:]} does not exist"
    )


def test_nothing_measured_is_an_empty_answer(admin: MetricClient) -> None:
    path = measured(admin, "fives")
    assert rows(admin, path) == []
    body = {"operations": f"(aggregate mean (metric {path[8:]} mean))"}
    answer = admin.ask("POST", "/aggregates?needed_overlap=0", body)
    assert (answer.status_code, answer.json()) == (200, {"measures": {"aggregated": []}})


def test_missing_points_are_no_zeros(admin: MetricClient) -> None:
    path = measured(admin, "fives", ("2026-11-20T10:00:00", 1), ("2026-11-20T11:00:00", 1))
    assert rows(admin, path) == [("10:00", 1), ("11:00", 1)]


def test_billing_walks_all_resources_by_pages(admin: MetricClient) -> None:
    """A body of 500 projects, pages in a stable order, and no more statements for more rows."""
    made = [admin.make("/resource/generic", {"id": f"vm-{one}"})["id"] for one in range(25)]
    others = {"not": {"in": {"project_id": [uuid4().hex for _ in range(500)]}}}
    asked: dict[str, Any] = {"or": [others, {"=": {"project_id": None}}]}
    seen: list[str] = []
    counts = set()
    while True:
        marker = f"&marker={seen[-1]}" if seen else ""
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page = admin.ask("POST", f"/search/resource/generic?limit=10{marker}", asked).json()
        seen += [one["id"] for one in page]
        if len(page) < 10:
            break
        counts.add(len(queries) - bool(marker))
    assert seen == made
    assert len(counts) == 1


def test_a_project_of_many_metrics_is_aggregated_by_few_statements(admin: MetricClient) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            aggregated(admin, "(aggregate mean (metric cpu mean))")
        return len(queries)

    group_of_cpus(admin)
    few = statements()
    for one in range(20):
        cpu = {"cpu": {"archive_policy_name": "fives"}, "memory": {"archive_policy_name": "fives"}}
        made = admin.make("/resource/generic", {"id": f"more-{one}", "metrics": cpu})
        post(admin, f"/metric/{made['metrics']['cpu']}", ("2026-11-20T10:05:00", one))
    assert statements() == few


def test_one_metric_under_two_spellings_of_its_resource_is_made_once(admin: MetricClient) -> None:
    identity = str(uuid4())
    admin.make("/resource/generic", {"id": identity})
    point = {"archive_policy_name": "minutes", "measures": [{"timestamp": 60, "value": 1}]}
    later = {"archive_policy_name": "minutes", "measures": [{"timestamp": 120, "value": 2}]}
    body = {identity: {"cpu": point}, identity.upper(): {"cpu": later}}
    answer = admin.ask("POST", "/batch/resources/metrics/measures?create_metrics=true", body)
    assert answer.status_code == 202, answer.content
    found = admin.fetch(f"/resource/generic/{identity}/metric/cpu/measures")
    assert [value for *_, value in found] == [1.0, 2.0]
