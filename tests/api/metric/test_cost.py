"""Each limit of a question's cost: what it says, and that what it advises helps."""

from __future__ import annotations

from typing import Any

import pytest

from meters import archives
from meters.metric_api import cost
from meters.store import compaction, head
from tests.api.metric.people import MetricClient, error_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]

TIMES = [f"2026-11-20T12:{minute:02}:00+00:00" for minute in range(10)]
OPERATIONS = "(metric cpu mean)"
NARROW = "stop=2026-11-20T12:02:00"


@pytest.fixture
def metrics(admin: MetricClient) -> list[str]:
    """`cpu` of two resources, ten points each, packed."""
    policy = {"name": "minutes", "definition": [{"granularity": "1m", "points": 10}]}
    admin.make("/archive_policy", policy)
    found = []
    for name in ("a", "b"):
        cpu = {"cpu": {"archive_policy_name": "minutes"}}
        body = {"id": name, "project_id": name, "metrics": cpu}
        found.append(admin.make("/resource/generic", body)["metrics"]["cpu"])
    points = [{"timestamp": time, "value": 1} for time in TIMES]
    assert (
        admin.ask("POST", "/batch/metrics/measures", dict.fromkeys(found, points)).status_code
        == 202
    )
    head.rotate(at_once=True)
    compaction.compact()
    return found


def aggregates(client: MetricClient, query: str = "", **body: Any) -> Any:
    asked = {"operations": OPERATIONS, "resource_type": "generic", "search": {}} | body
    return client.ask("POST", f"/aggregates?{query}", asked)


def test_samples_of_one_metric(
    admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_SAMPLES_A_METRIC", 9)
    for path in (f"/metric/{metrics[0]}/measures", f"/aggregation/metric?metric={metrics[0]}"):
        said = error_of(admin.ask("GET", path), 400)
        assert said.startswith("One metric has 10 samples in that time, at most 9 ")
    said = error_of(admin.ask("POST", f"/search/metric?metric_id={metrics[0]}", {"=": 1}), 400)
    assert said.endswith("narrow start and stop, or ask for fewer metrics.")


def test_samples_of_all_metrics(
    admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_SAMPLES", 19)
    said = error_of(aggregates(admin), 400)
    assert said.startswith("The 2 metrics have 20 samples in that time, at most 19 ")
    assert aggregates(admin, search={"=": {"project_id": "a"}}).status_code == 200


@pytest.mark.parametrize("room", [1, 10, 15, 10**6])
def test_metrics_are_read_in_parts(
    admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    whole = aggregates(admin).json()
    monkeypatch.setattr(archives, "SAMPLES_A_READ", room)
    assert aggregates(admin).json() == whole
    assert len(whole["measures"]) == 2


def test_series(admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_SERIES", 1)
    for answer in (
        aggregates(admin),
        admin.ask("POST", "/aggregation/resource/generic/metric/cpu", {}),
    ):
        assert error_of(answer, 400).startswith("The question means 2 series, at most 1 ")
    assert aggregates(admin, search={"=": {"project_id": "a"}}).status_code == 200


@pytest.mark.parametrize("query", ["groupby=project_id", "groupby=project_id&use_history=true"])
def test_groups(
    admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    monkeypatch.setattr(cost, "MAX_GROUPS", 1)
    said = error_of(aggregates(admin, query), 400)
    assert said.startswith("The question makes 2 groups, at most 1 ")
    assert aggregates(admin, query.replace("project_id", "type")).status_code == 200


def test_measures(admin: MetricClient, metrics: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_MEASURES", 9)
    one, group = f"/metric/{metrics[0]}/measures", "groupby=project_id"
    answers = [
        admin.ask("GET", one), admin.ask("GET", f"{one}?granularity=60&resample=60"),
        aggregates(admin), aggregates(admin, group), aggregates(admin, f"{group}&use_history=true"),
        admin.ask("POST", f"/search/metric?metric_id={metrics[0]}", {"=": 1}),
        admin.ask("POST", "/aggregation/resource/generic/metric/cpu", {}),
    ]  # fmt: skip
    for answer in answers:
        assert error_of(answer, 400).startswith("The answer would have more than 9 measures: ")
    assert len(admin.fetch(f"{one}?{NARROW}")) == 2
    assert aggregates(admin, f"{group}&{NARROW}").status_code == 200
