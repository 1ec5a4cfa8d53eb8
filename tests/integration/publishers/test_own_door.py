"""What a publisher hands on to a second house by OTLP and by remote write, asked there by the API
of Prometheus: a real web process on the other end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from meters.default_policies import make_default_policies
from meters.models import Metric
from pollers.publishers.errors import Refused, Unreachable
from pollers.publishers.items import Sample
from telemetry_site.clock import now_us
from tests.api.people import make_people, token_of
from tests.support.published import sample, sink
from tests.support.storing import series_points
from tests.support.web import running_web

SECOND = 1_000_000
OTLP = "/otlp/v1/metrics"
REMOTE_WRITE = "/metric/v1/prometheus/write"


class House:
    """The other one, with tokens of a project's member and of its administrator."""

    def __init__(self, site: str, token: str, admins: str) -> None:
        self._site, self.token, self.admins = site, token, admins

    def otlp(self, token: str) -> str:
        return f"opentelemetryhttp://x:{token}@{self._place}{OTLP}"

    def remote_write(self, token: str) -> str:
        return f"remotewrite://x:{token}@{self._place}{REMOTE_WRITE}"

    @property
    def _place(self) -> str:
        return self._site.removeprefix("http://")

    def asked(self, query: str, at_us: int) -> list[dict[str, Any]]:
        answer = requests.get(
            f"{self._site}/prometheus/api/v1/query",
            params={"query": query, "time": str(at_us / 1e6)},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


@pytest.fixture
def house(
    fresh_store: None, process_env: Callable[..., dict[str, str]], tmp_path: Path
) -> Iterator[House]:
    people = make_people()
    make_default_policies()
    tokens = token_of(people["member"]), token_of(people["admin"])
    with running_web(process_env, tmp_path / "web.log") as site:
        yield House(site, *tokens)


def measured(at_us: int) -> list[Sample]:
    """A gauge, counters of two resources at two times, and a delta."""
    counter = [
        replace(
            sample("cpu", name, volume), type="cumulative", timestamp_us=at_us + second * SECOND
        )
        for second, volume in ((0, 1e9), (10, 3e9))
        for name in ("vm-1", "vm-2")
    ]
    return [
        replace(sample("memory.usage", "vm-1", 512.5), unit="MiB", timestamp_us=at_us),
        *counter,
        replace(sample("requests", "vm-2", 7.0), type="delta", unit="request", timestamp_us=at_us),
    ]


def test_values_times_types_and_units_arrive_and_each_resource_is_found(house: House) -> None:
    at_us = now_us() // SECOND * SECOND - 60 * SECOND
    made = sink(house.otlp(house.token))
    made.send_samples(measured(at_us))
    made.send_samples(measured(at_us))  # delivered twice, stored once

    rows = {(one.name, one.type, one.unit): one.pk for one in Metric.objects.all()}
    labels = "project_id=p1,resource_id={},user_id=u1"
    first, second = (labels.format(name) for name in ("vm-1", "vm-2"))
    assert set(rows) == {
        (f"memory.usage@{first}", "gauge", "MiB"),
        (f"cpu@{first}", "cumulative", "ns"),
        (f"cpu@{second}", "cumulative", "ns"),
        (f"requests@{second}", "delta", "request"),
    }
    assert series_points(rows[f"cpu@{second}", "cumulative", "ns"]) == {
        at_us: 1e9, at_us + 10 * SECOND: 3e9,
    }  # fmt: skip
    assert series_points(rows[f"memory.usage@{first}", "gauge", "MiB"]) == {at_us: 512.5}

    later = at_us + 10 * SECOND
    whose = {"resource_id": "vm-2", "user_id": "u1", "project_id": "p1"}
    for query in ('cpu{resource_id="vm-2"}', 'cpu{resource_id=~"vm-2"}'):
        (found,) = house.asked(query, later)
        assert found["value"] == [later / 1e6, "3000000000"]
        assert found["metric"].items() >= whose.items()
    assert len(house.asked('{resource_id="vm-1"}', later)) == 2
    assert len(house.asked('cpu{user_id="u1"}', later)) == 2
    assert house.asked('cpu{resource_id="vm-3"}', later) == []


def test_a_token_that_is_not_taken_waits_to_be_mended(house: House) -> None:
    with pytest.raises(Unreachable, match="answered 401"):
        sink(house.otlp("tlm_wrong")).send_samples(measured(now_us() - SECOND))


def test_what_the_door_cannot_store_is_refused_by_name(house: House) -> None:
    old = replace(sample("cpu"), timestamp_us=SECOND)
    with pytest.raises(Refused, match=r"1 points not taken: .*cpu is older than what is kept"):
        sink(house.otlp(house.token)).send_samples([old])


def test_what_is_written_remotely_is_found_by_the_labels_it_was_written_with(house: House) -> None:
    at_us = now_us() // SECOND * SECOND - 60 * SECOND
    made = sink(house.remote_write(house.token))
    with pytest.raises(Unreachable, match="answered 403"):
        made.send_samples(measured(at_us))
    # Its resources are of a type that an administrator makes, by writing for the first time.
    sink(house.remote_write(house.admins)).send_samples([sample("first", timestamp_us=at_us)])
    made.send_samples(measured(at_us))
    made.send_samples(measured(at_us))

    later = at_us + 10 * SECOND
    (found,) = house.asked('cpu{resource_id="vm-2"}', later)
    assert found["value"] == [later / 1e6, "3000000000"]
    assert found["metric"]["project_id"] == "p1"
    (found,) = house.asked('memory_usage{resource_id="vm-1"}', later)
    assert found["value"][1] == "512.5"
    (counter,) = Metric.objects.filter(name="cpu@project_id=p1,resource_id=vm-1,user_id=u1")
    assert series_points(counter.pk) == {at_us: 1e9, later: 3e9}
