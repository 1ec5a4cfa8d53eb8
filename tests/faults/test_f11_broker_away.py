"""F11: no broker, at the start of everything and later under load. Agents poll by themselves and
spool; once the broker is back all of it is stored (A2, A8, G2)."""

from __future__ import annotations

import time

import pytest

from tests.faults.cluster import RECOVERED_WITHIN_S, Cluster
from tests.faults.load import PRODUCERS, settle
from tests.faults.slots import INTERVAL_S, check_slots

ROLES = ("beat", "collector", "compute")
#: An outage costs a process at most so many lines of its log (A8).
LINES = 5
#: The collector is three.
POOL = {"collector.1": 3}
#: Of the outage in which agents still wait for a tick: 1.5 intervals, and the slot that it ends in.
PATIENCE_S = 3 * INTERVAL_S


def start_without_broker(cluster: Cluster) -> None:
    go_away(cluster)
    for role in ROLES:
        cluster.start_role(role, wait=False)
    for agent_id in PRODUCERS:
        cluster.start_producer(agent_id, rate=20)


def go_away(cluster: Cluster) -> None:
    cluster.agent_broker.refuse()
    cluster.worker_broker.refuse()


def polled_alone(cluster: Cluster) -> float:
    return cluster.counted("telemetry_poll_fallback_total")


def ticked(cluster: Cluster) -> float:
    """Polls at a tick of the beat."""
    return cluster.counted("telemetry_polls_total", source="host") - polled_alone(cluster)


def come_back(cluster: Cluster) -> None:
    cluster.heal()
    before = ticked(cluster)
    for role in ROLES:
        cluster.wait_ready(f"{role}.1")
    cluster.wait_receipted(20)
    cluster.wait(
        lambda: ticked(cluster) >= before + 3, RECOVERED_WITHIN_S, lambda: "the beat does not tick"
    )


def stay_away(cluster: Cluster, seconds: float) -> None:
    """Break it, look what the processes do meanwhile, and leave it broken."""
    go_away(cluster)
    lines = {key: len(cluster.processes.log_lines(key)) for key in cluster.processes.running}
    alone, spooled = polled_alone(cluster), cluster.spooled()
    time.sleep(seconds)
    slots = seconds / INTERVAL_S
    assert slots - PATIENCE_S <= polled_alone(cluster) - alone <= slots + 1
    assert cluster.spooled() > spooled + 20 * seconds
    for key, before in lines.items():
        said = cluster.processes.log_lines(key)[before:]
        assert len(said) <= LINES * POOL.get(key, 1), f"{key} says:\n" + "\n".join(said)


def test_no_broker_at_the_start_and_later(cluster: Cluster) -> None:
    start_without_broker(cluster)
    cluster.wait(lambda: polled_alone(cluster) >= 3, 30.0, lambda: "nobody polls without a broker")
    come_back(cluster)
    stay_away(cluster, seconds=6)
    come_back(cluster)
    settle(cluster, PRODUCERS)
    check_slots(cluster)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_no_broker_for_minutes(cluster: Cluster) -> None:
    start_without_broker(cluster)
    time.sleep(60)
    come_back(cluster)
    stay_away(cluster, seconds=600)
    come_back(cluster)
    settle(cluster, PRODUCERS)
    check_slots(cluster)
