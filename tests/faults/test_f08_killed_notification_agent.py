"""F08: the notification agent killed between bus, spool and broker. The bus is told only what the
disk has, and a message that comes twice is one event (A1, C1)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import check_processes
from tests.rabbitmq import RabbitNode
from tests.support.notifications import volume
from tests.support.oslo import notifying

pytestmark = pytest.mark.rabbitmq

AGENT = "notification.1"
POINTS = ("after_take", "after_fsync", "after_publish")
ROLES = ("collector", "notification-worker", "notification")
SELECT_EVENTS = "SELECT traits->>'resource_id', count(*) FROM meters_event GROUP BY 1"


@pytest.fixture
def create_volume(cluster: Cluster, rabbitmq: RabbitNode) -> Iterator[Callable[[], str]]:
    """Sends the notification of one more volume; returns the volume's id. The roles are up."""
    bus = rabbitmq.add_vhost(f"bus-{cluster.home.name}")
    buses = {"TELEMETRY_NOTIFICATION_URLS": bus, "TELEMETRY_NOTIFICATION_EXCHANGES": "nova"}
    for role in ROLES:
        cluster.start_role(role, wait=False, **buses)
    for role in ROLES:
        cluster.wait_ready(f"{role}.1")
    numbers = itertools.count()
    with notifying(bus) as notify:

        def create() -> str:
            name = f"volume-{next(numbers)}"
            notify(volume(volume_id=name))
            return name

        yield create


def test_a_notification_agent_killed_at_each_point(
    cluster: Cluster, create_volume: Callable[[], str]
) -> None:
    created = [create_volume() for _ in range(3)]
    for point in POINTS:
        cluster.arm(f"agent.{point}")
        created.append(create_volume())
        cluster.processes.wait_death(AGENT)
        cluster.wait_hit(f"agent.{point}")
        created += [create_volume() for _ in range(3)]
        cluster.start_again(AGENT)
    once = Counter(created)
    cluster.wait(
        lambda: once.keys() <= events(cluster).keys(),
        30.0,
        lambda: f"lost: {sorted(once.keys() - events(cluster).keys())}",
    )
    cluster.wait_quiet()
    assert events(cluster) == once
    assert samples(cluster) == once
    check_processes(cluster)


def events(cluster: Cluster) -> Counter[str]:
    """{volume: events}"""
    return Counter({str(name): int(str(count)) for name, count in cluster.query(SELECT_EVENTS)})


def samples(cluster: Cluster) -> Counter[str]:
    """{volume: samples}, equal copies counted once: a reader sees one of them."""
    different = {(key, value) for key, value, _ in cluster.stored().samples}
    return Counter(key.resource for key, _ in different if key.meter == "volume.size")
