"""F23: several central agents share their sources; one dies in the middle of a poll (A11)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psutil
import pytest
import yaml

from tests.faults.cluster import Cluster
from tests.faults.processes import wait_for
from tests.support.http_service import HttpService, answer, http_service

AGENTS = "123"
ANSWER = [{"id": "thing", "v": 1}]
SLOTS = """
SELECT s.name, extract(epoch FROM p.slot)::float8 FROM meters_pollreport p
JOIN meters_source s ON s.id = p.source_id WHERE s.kind = 'pollster' ORDER BY 1, 2
"""


@pytest.fixture
def service() -> Iterator[HttpService]:
    with http_service() as running:
        yield running


def start(cluster: Cluster, service: HttpService, interval: int, sources: int) -> None:
    """Beat, collector and three agents that share nothing but the broker."""
    definitions = [
        {"name": f"fault.{number}", "sample_type": "gauge", "unit": "1",
         "url_path": f"{service.url}/{number}", "value_attribute": "v"}
        for number in range(sources)
    ]  # fmt: skip
    polling = {"sources": [{"name": "s", "interval": interval, "meters": ["fault.*"]}]}
    files = {"pollsters.yaml": definitions, "polling.yaml": polling}
    for name, content in files.items():
        (cluster.home / name).write_text(yaml.safe_dump(content))
    cluster.start_role("collector")
    for instance in AGENTS:
        home = cluster.home / f"a{instance}"
        home.mkdir()
        cluster.start_role(
            "central", instance, wait=False, TELEMETRY_HOME=str(home),
            TELEMETRY_AGENT_ID=f"central.{instance}",
            TELEMETRY_POLLING_FILE=str(cluster.home / "polling.yaml"),
            TELEMETRY_POLLSTER_DEFINITIONS=str(cluster.home / "pollsters.yaml"),
        )  # fmt: skip
    cluster.start_role("beat")


def slots(cluster: Cluster) -> dict[Any, list[Any]]:
    """{source: its slots that were polled and reported}."""
    found: dict[Any, list[Any]] = {}
    for name, slot in cluster.query(SLOTS):
        found.setdefault(name, []).append(slot)
    return found


def test_three_agents_poll_each_slot_once(cluster: Cluster, service: HttpService) -> None:
    for number in range(4):
        service.answers[f"/{number}"] = ANSWER
    start(cluster, service, interval=3, sources=4)
    wait_for(
        lambda: min(map(len, slots(cluster).values()), default=0) >= 6 and len(slots(cluster)) == 4,
        60, lambda: f"polled: {slots(cluster)}",
    )  # fmt: skip
    for name, polled in slots(cluster).items():
        steps = [round(later - earlier, 3) for earlier, later in pairwise(polled)]
        assert set(steps) == {3}, f"{name} was polled twice in a slot, or not: {steps}"


def test_a_slot_whose_agent_was_killed_is_polled_by_another(
    cluster: Cluster, service: HttpService
) -> None:
    asked: list[float] = []
    release = threading.Event()

    def slow_the_second_time(request: Any) -> None:  # which is at the beginning of a slot
        asked.append(time.time())
        if len(asked) == 2:
            release.wait(60)
            return
        answer(request, 200, ANSWER)

    service.answers["/0"] = slow_the_second_time
    interval = 15
    start(cluster, service, interval, sources=1)
    wait_for(lambda: len(asked) == 2, 60, lambda: "nobody polls")
    cluster.kill(asking(cluster, service))
    wait_for(lambda: len(*slots(cluster).values()) == 2, interval, lambda: "its slot is left out")
    release.set()
    (polled,) = slots(cluster).values()
    assert polled[1] == polled[0] + interval
    assert asked[2] < polled[1] + interval, "and by another agent within the slot"


def asking(cluster: Cluster, service: HttpService) -> str:
    """The agent that has a connection to the service."""
    for instance in AGENTS:
        key = f"central.{instance}"
        connections = psutil.Process(cluster.processes.pid(key)).net_connections("tcp")
        if any(one.raddr and one.raddr.port == service.server_port for one in connections):
            return key
    raise AssertionError("no agent is connected")
