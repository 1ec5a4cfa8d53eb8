"""Metrics that were posted to before are known, until something about them changes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from meters.default_policies import make_default_policies
from meters.metric_api import known as module
from meters.metric_api.known import KnownMetrics, known
from meters.models import ResourceType
from tests.api.metric.people import MetricClient

BATCH = "/batch/resources/metrics/measures"
FIRST, SECOND, THIRD = "2026-11-20T10:00:00", "2026-11-20T10:05:00", "2026-11-20T10:10:00"


@pytest.fixture
def admin(fresh_store: None) -> MetricClient:
    make_default_policies()
    ResourceType.objects.get_or_create(name="generic")  # a flush of the tables took it
    admin = MetricClient("admin")
    make(admin)
    return admin


def make(admin: MetricClient, name: str = "vm") -> None:
    metrics = {meter: {"archive_policy_name": "low"} for meter in ("cpu", "disk")}
    body = {"id": name, "started_at": "2026-11-20T09:00:00", "metrics": metrics}
    admin.make("/resource/generic", body)


def post(client: MetricClient, at: str, *meters: str, resource: str = "vm") -> Any:
    measures = [{"timestamp": at, "value": 1}]
    return client.ask("POST", BATCH, {resource: {meter: measures for meter in meters}})


def posted(client: MetricClient, at: str, *meters: str, resource: str = "vm") -> bool:
    """It is accepted; returns whether metrics were looked up for it."""
    with CaptureQueriesContext(connection) as asked:
        answer = post(client, at, *meters, resource=resource)
    assert answer.status_code == 202, answer.content
    return any("JOIN" in (query["sql"] or "") for query in asked)


def times(admin: MetricClient, metric: str = "/resource/generic/vm/metric/cpu") -> list[str]:
    return [at[:19] for at, _, _ in admin.fetch(f"{metric}/measures?aggregation=count")]


def test_a_metric_that_was_posted_to_is_not_looked_up_again(admin: MetricClient) -> None:
    assert posted(admin, FIRST, "cpu")
    assert not posted(admin, SECOND, "cpu")
    assert posted(admin, SECOND, "cpu", "disk")  # one that is not known yet
    assert not posted(admin, THIRD, "disk", "cpu")
    assert times(admin) == [FIRST, SECOND, THIRD]


def test_a_metric_that_is_deleted_is_unknown(admin: MetricClient) -> None:
    posted(admin, FIRST, "cpu", "disk")
    admin.ask("DELETE", f"/metric/{admin.fetch('/resource/generic/vm')['metrics']['cpu']}")
    answer = post(admin, SECOND, "cpu", "disk")
    assert answer.status_code == 400
    said = answer.content.decode()
    assert "Unknown metrics" in said
    assert "/cpu" in said
    assert "/disk" not in said
    posted(admin, SECOND, "disk")


def test_a_resource_made_anew_has_metrics_of_its_own(admin: MetricClient) -> None:
    posted(admin, FIRST, "cpu")
    admin.ask("DELETE", "/resource/generic/vm")
    make(admin)
    posted(admin, SECOND, "cpu")
    assert times(admin) == [SECOND]


def test_a_metric_that_another_resource_took_over_is_known_under_its_new_name(
    admin: MetricClient,
) -> None:
    posted(admin, FIRST, "cpu")
    cpu = admin.fetch("/resource/generic/vm")["metrics"]["cpu"]
    admin.make("/resource/generic", {"id": "other", "metrics": {"taken": cpu}})
    assert post(admin, SECOND, "cpu").status_code == 400
    posted(admin, SECOND, "taken", resource="other")
    assert times(admin, f"/metric/{cpu}") == [FIRST, SECOND]


def test_one_that_may_not_post_is_refused_though_the_metric_is_known(admin: MetricClient) -> None:
    posted(admin, FIRST, "cpu")
    assert not posted(admin, SECOND, "cpu")
    stranger = MetricClient("stranger")
    vm = admin.fetch("/resource/generic/vm")["id"]
    assert post(stranger, THIRD, "cpu", resource=vm).status_code == 403
    assert times(admin) == [FIRST, SECOND]


def test_a_resource_that_has_ended_begins_anew_each_time_it_is_measured(
    admin: MetricClient,
) -> None:
    posted(admin, FIRST, "cpu")
    for _ in range(2):
        ended = admin.ask("PATCH", "/resource/generic/vm", {"ended_at": SECOND})
        assert ended.status_code == 200
        posted(admin, FIRST, "cpu")
        assert admin.fetch("/resource/generic/vm")["ended_at"][:19] == SECOND
        posted(admin, THIRD, "cpu")
        assert admin.fetch("/resource/generic/vm")["ended_at"] is None


def test_what_was_rolled_back_is_not_remembered(admin: MetricClient) -> None:
    """One unknown metric refuses all."""
    assert post(admin, FIRST, "cpu", "none").status_code == 400
    assert posted(admin, FIRST, "cpu")


def test_no_more_are_kept_than_there_is_room_for(
    admin: MetricClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    for number in range(5):
        make(admin, f"vm-{number}")
        posted(admin, FIRST, "cpu", "disk", resource=f"vm-{number}")
        assert not posted(admin, SECOND, "cpu", "disk", resource=f"vm-{number}")
    assert len(known._of[1]) <= 4


def test_what_was_found_under_an_older_epoch_is_not_taken_over(admin: MetricClient) -> None:
    posted(admin, FIRST, "cpu")
    (found,) = known._of[1].values()
    one = KnownMetrics()
    one.under(7)
    one.remember(6, {(1, "cpu"): found})
    assert not one.under(7)
    one.remember(7, {(1, "cpu"): found})
    assert one.under(7)
    assert not one.under(8)
