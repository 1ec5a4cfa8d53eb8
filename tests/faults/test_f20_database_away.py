"""F20: PostgreSQL is away while collectors hold messages. They wait, give back what they can't
store, and acknowledge nothing (C3, X3)."""

from __future__ import annotations

import time

import pytest

from tests.faults.cluster import COLLECTOR_QUEUE, Cluster
from tests.faults.load import under_load

#: What both producers together publish before they want a receipt (A7).
IN_FLIGHT = 2 * 64
FAULTS = "telemetry_transient_errors_total"
REPUBLISHED = "telemetry_batches_republished_total"


def held(cluster: Cluster) -> int:
    """Messages that the broker still has, taken by a collector or not."""
    broker = cluster.broker
    return broker.waiting(COLLECTOR_QUEUE) + broker.unacknowledged(COLLECTOR_QUEUE)


def stay_away(cluster: Cluster, faults: int) -> None:
    """Until the collectors have met the outage so often; nothing may leave the broker meanwhile.

    No agent publishes again here: what a collector acknowledges now would be lost.
    """
    cluster.worker_database.refuse()
    cluster.wait(
        lambda: held(cluster) >= IN_FLIGHT, 30.0, lambda: f"the broker holds {held(cluster)}"
    )
    cluster.wait(
        lambda: cluster.counted(FAULTS, where="collector") >= faults,
        240.0,
        lambda: f"{cluster.counted(FAULTS, where='collector')} faults met",
    )
    assert held(cluster) >= IN_FLIGHT
    assert cluster.counted(REPUBLISHED) == 0


def test_a_database_away_while_collectors_hold_messages(cluster: Cluster) -> None:
    """Ten: each of the two processes has tried five times."""
    with under_load(cluster, TELEMETRY_RECEIPT_TIMEOUT="600"):
        stay_away(cluster, faults=10)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_database_away_for_longer_than_a_task_waits(cluster: Cluster) -> None:
    """After 30 s a task gives its messages back; they are taken again, and again."""
    with under_load(cluster, TELEMETRY_RECEIPT_TIMEOUT="600"):
        stay_away(cluster, faults=40)
        time.sleep(60)
        assert held(cluster) >= IN_FLIGHT
