"""A resource that changes hands: each project sees the samples of its own time, and only those."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from meters.models import Metric
from meters.store.write import store_batch
from telemetry_site.clock import now_us
from tests.api.people import P1, P2, Client
from tests.support.batches import SECOND, batch_of, resource

pytestmark = pytest.mark.django_db
MINUTE = 60 * SECOND
ClientOf = Callable[..., Client]


@pytest.fixture
def moved(people: object) -> Metric:
    """Ten samples of p1 (values 1…10), then five of p2 (11…15), one a minute, until now."""
    now = now_us() // MINUTE * MINUTE
    for value in range(1, 16):
        owner = P1 if value <= 10 else P2
        vm = resource("vm", project_id=owner, metadata={"secret": owner})
        store_batch(batch_of((vm, "cpu", float(value), now - (16 - value) * MINUTE)))
    return Metric.objects.get()


def values(client: Client, path: str) -> list[float]:
    return [row["value"] for row in client.fetch(path, order="oldest")["results"]]


def test_samples_are_those_of_ones_own_time(moved: Metric, as_: ClientOf) -> None:
    for path in ("/api/samples", f"/api/metrics/{moved.uuid}/samples"):
        assert values(as_("reader"), path) == list(range(1, 11))
        assert values(as_("stranger"), path) == list(range(11, 16))
        assert values(as_("admin"), path) == list(range(1, 16))
        assert values(as_("both"), path) == list(range(1, 16))


def test_pages_do_not_count_foreign_samples(moved: Metric, reader: Client) -> None:
    page = reader.fetch("/api/samples", limit=10)
    assert len(page["results"]) == 10
    assert page["next"] is None


@pytest.mark.parametrize("method", ["count", "sum", "max", "rate:count"])
def test_statistics_are_those_of_ones_own_time(moved: Metric, as_: ClientOf, method: str) -> None:
    expected = {
        "reader": {"count": 10, "sum": 55, "max": 10, "rate:count": 9},
        "stranger": {"count": 5, "sum": 65, "max": 15, "rate:count": 4},
    }
    for who, wanted in expected.items():
        for path, query in (
            ("/api/statistics", {"meter": "cpu"}),
            (f"/api/metrics/{moved.uuid}/statistics", {}),
        ):
            found = as_(who).fetch(path, aggregation=method, granularity="1d", **query)
            cells = [one for one in found["groups"][0]["values"][method] if one is not None]
            total = max(cells) if method == "max" else sum(cells)
            assert total == wanted[method], (who, path)


def test_the_former_owner_learns_nothing_of_the_present_one(moved: Metric, reader: Client) -> None:
    reader.refused(f"/api/metrics/{moved.uuid}", 404)
    reader.refused(f"/api/resources/{moved.resource.uuid}", 404)
    for query in ("metadata.secret=p2", "project_id=p2", "resource_type=instance"):
        assert reader.fetch(f"/api/samples?{query}")["results"] == []
        assert reader.fetch(f"/api/statistics?meter=cpu&{query}")["groups"] == []
    for keys in ("project_id", "resource_type"):
        assert reader.fetch("/api/statistics", meter="cpu", groupby=keys)["groups"] == []
    answer = reader.get("/api/samples")
    assert "secret" not in answer.content.decode()


def test_the_present_owner_learns_nothing_of_the_former_one(
    moved: Metric, stranger: Client
) -> None:
    revisions = stranger.fetch(f"/api/resources/{moved.resource.uuid}/revisions")["results"]
    assert [row["metadata"] for row in revisions] == [{"secret": P2}]
    assert stranger.fetch(f"/api/metrics/{moved.uuid}")["last"]["value"] == 15


def test_a_last_value_of_the_former_owners_time_is_not_shown(people: object, as_: ClientOf) -> None:
    now = now_us()
    store_batch(batch_of((resource("vm", project_id=P1), "cpu", 1.0, now - MINUTE)))
    store_batch(batch_of((resource("vm", project_id=P2), "other", 2.0, now)))
    lasts = {row["name"]: row["last"] for row in as_("stranger").fetch("/api/metrics")["results"]}
    assert lasts["cpu"] is None
    assert lasts["other"]["value"] == 2.0
