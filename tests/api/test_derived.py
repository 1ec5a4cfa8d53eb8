"""Derived meters at our own doors: samples and statistics by name and by UUID, the plot."""

from __future__ import annotations

from typing import Any

import pytest

from meters.derived.metrics import metrics_named
from meters.models import Metric
from telemetry_site.clock import from_us, now_us
from tests.api.people import P1, P2, Client
from tests.support.batches import SECOND, resource
from tests.support.counting import counted
from tests.support.visitors import signed_in

pytestmark = pytest.mark.django_db
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


@pytest.fixture
def start(people: object) -> int:
    """Ten minutes of two machines: of p1 it is busy by 50 %, of p2 by 20."""
    start = (now_us() // HOUR - 1) * HOUR
    for name, project, share in (("vm-1", P1, 0.5), ("vm-2", P2, 0.2)):
        one = resource(name, project_id=project, metadata={"cpu_number": 1})
        counted(*((one, "cpu", share * 60e9 * n, start + n * MINUTE) for n in range(11)))
    return start


def iso(micros: int) -> str:
    return from_us(micros).isoformat().replace("+00:00", "Z")


def span(start: int, **query: Any) -> dict[str, Any]:
    return {"start": iso(start), "stop": iso(start + 10 * MINUTE), **query}


def test_statistics_by_the_meters_name(reader: Client, admin: Client, start: int) -> None:
    query = span(start + 5 * MINUTE, meter="cpu_util", granularity="5m", aggregation="mean,count")
    query["stop"] = iso(start + 10 * MINUTE)
    found = reader.fetch("/api/statistics", **query)
    (group,) = found["groups"]
    assert (group["unit"], group["values"]["count"]) == ("%", [5])
    assert group["values"]["mean"] == [pytest.approx(50.0)]
    found = admin.fetch("/api/statistics", **query, groupby="resource")
    means = {one["by"]["resource_id"]: one["values"]["mean"][0] for one in found["groups"]}
    assert means == {"vm-1": pytest.approx(50.0), "vm-2": pytest.approx(20.0)}


def test_rates_of_it(reader: Client, start: int) -> None:
    query = span(start, meter="cpu_util", granularity="1m", aggregation="rate:mean")
    (group,) = reader.fetch("/api/statistics", **query)["groups"]
    values = [one for one in group["values"]["rate:mean"] if one is not None]
    assert values == [pytest.approx(0.0, abs=1e-9)] * 8


def test_samples_by_the_meters_name(reader: Client, start: int) -> None:
    found = reader.fetch("/api/samples", **span(start, meter="cpu_util"), limit=100)["results"]
    assert [one["timestamp"] for one in found] == [iso(start + n * MINUTE) for n in range(9, 0, -1)]
    assert {round(one["value"], 6) for one in found} == {50.0}


def test_by_its_uuid(reader: Client, stranger: Client, start: int) -> None:
    (metric,) = metrics_named(["cpu_util"], Metric.objects.filter(resource__original_id="vm-1"))
    for path in (f"/api/metrics/{metric.uuid}/samples", f"/api/metrics/{metric.uuid}/statistics"):
        found = reader.fetch(path, **span(start))
        assert found.get("results") or found["groups"]
        assert stranger.get(path, span(start)).status_code == 404
    found = reader.fetch("/api/samples", **span(start, metric=str(metric.uuid)))["results"]
    assert len(found) == 9


@pytest.mark.parametrize(
    ("query", "count"),
    [({"type": "gauge"}, 9), ({"type": "cumulative"}, 0), ({"resource": "vm-2"}, 0),
     ({"metadata.cpu_number": "1"}, 9)],
)  # fmt: skip
def test_filters_choose(reader: Client, start: int, query: dict[str, str], count: int) -> None:
    found = reader.fetch("/api/samples", **span(start, meter="cpu_util", **query))["results"]
    assert len(found) == count


def test_wildcards_mean_stored_meters(reader: Client, start: int) -> None:
    found = reader.fetch("/api/samples", **span(start, meter="cpu*"))["results"]
    assert {one["value"] for one in found} == {0.5 * 60e9 * n for n in range(10)}


def test_the_plot_offers_and_draws_it(people: object, start: int) -> None:
    client = signed_in("member")
    offers = client.get("/plot/offers", {"q": "cpu_u vm-1"}).content.decode()
    (metric,) = metrics_named(["cpu_util"], Metric.objects.filter(resource__original_id="vm-1"))
    assert str(metric.uuid) in offers
    data = client.get("/plot/data", {"metric": str(metric.uuid), "range": "6h"}).json()
    (line,) = data["series"]
    assert line["unit"] == "%"
    assert line["mean"] == pytest.approx(50.0)
    assert client.get("/plot", {"metric": str(metric.uuid)}).status_code == 200
