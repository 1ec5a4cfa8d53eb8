"""What comes by the metric API is there in the classic one, too, and the other way round."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.metering.people import ClassicClient, measured, sample, text
from tests.support.batches import resource
from tests.support.doors import DoorClient


class MetricClient(DoorClient):
    prefix = "/metric/v1"

    def make(self, path: str, body: Any) -> Any:
        answer = self.ask("POST", path, body)
        assert answer.status_code in (201, 202), answer.content
        return answer.json() if answer.content else None


@pytest.fixture
def metric_admin() -> MetricClient:
    client = MetricClient(X_User_Id="admin-u", X_Project_Id="admin-p", X_Roles="admin")
    definition = [{"granularity": "1s", "points": 10_000_000}]
    client.make("/archive_policy", {"name": "ap", "back_window": 0, "definition": definition})
    return client


def test_a_metric_without_a_resource_is_its_own(
    metric_admin: MetricClient, admin: ClassicClient, stranger: ClassicClient
) -> None:
    made = metric_admin.make("/metric", {"archive_policy_name": "ap", "name": "m", "unit": "s"})
    metric_admin.make("/metric", {"archive_policy_name": "ap"})
    measures = [{"timestamp": text(0), "value": 4}, {"timestamp": text(60), "value": 5}]
    metric_admin.make(f"/metric/{made['id']}/measures", measures)
    found = admin.listed("/samples", ("resource_id", "eq", made["id"]))
    assert [one["volume"] for one in found] == [5.0, 4.0]
    assert {(one["type"], one["unit"], one["source"]) for one in found} == {
        ("gauge", "s", "openstack")
    }
    assert admin.fetch(f"/samples/{found[0]['id']}") == found[0]
    assert len(admin.listed("/samples", ("source", "eq", "openstack"))) == 2
    assert admin.listed("/samples", ("source", "eq", "other")) == []
    assert [one["name"] for one in admin.listed("/meters")] == ["m"]
    assert admin.fetch(f"/resources/{made['id']}")["last_sample_timestamp"] == text(60)
    assert stranger.listed("/samples") == stranger.listed("/meters") == []


def test_one_with_a_resource_is_its_resource_s(
    metric_admin: MetricClient, admin: ClassicClient
) -> None:
    body = {"id": "pushed", "project_id": "p1", "metrics": {"cpu": {"archive_policy_name": "ap"}}}
    metric_admin.make("/resource/generic", body)
    metric_admin.make("/resource/generic/pushed/metric/cpu/measures",
                      [{"timestamp": text(0), "value": 4}])  # fmt: skip
    (found,) = admin.listed("/meters/cpu")
    assert (found["resource_id"], found["project_id"]) == ("pushed", "p1")
    (row,) = admin.listed("/meters/cpu/statistics", groupby="resource_id")
    assert (row["groupby"], row["sum"]) == ({"resource_id": "pushed"}, 4.0)


def test_a_second_sample_of_one_time_replaces_the_first(
    admin: ClassicClient, member: ClassicClient
) -> None:
    """Also one that is posted twice: it is never counted twice."""
    measured((resource("vm-1"), "cpu", 1.0, 0), (resource("vm-1"), "cpu", 2.0, 0))
    (first,) = member.posted(sample())
    (second,) = member.posted(sample(counter_volume=7))
    assert first["message_id"] == second["message_id"]
    assert [one["volume"] for one in member.listed("/samples", ("meter", "eq", "apples"))] == [7.0]
    assert [row["count"] for row in admin.listed("/meters/cpu/statistics")] == [1]


def test_a_meter_s_unit_is_that_of_its_newest_sample(admin: ClassicClient) -> None:
    admin.posted(sample(counter_unit="MB"))
    admin.posted(sample(counter_unit="MiB", timestamp=text(60)))
    assert [one["unit"] for one in admin.listed("/meters")] == ["MiB"]
    (row,) = admin.listed("/meters/apples/statistics")
    assert (row["unit"], row["count"]) == ("MiB", 2)
