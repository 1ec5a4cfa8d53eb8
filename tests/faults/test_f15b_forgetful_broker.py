"""F15b: the broker forgets everything it holds. Whatever was acknowledged is in a spool or in the
database, so it comes back by itself (X1, A4)."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import under_load


def flush_repeatedly(cluster: Cluster, dice: random.Random, times: int) -> None:
    for _ in range(times):
        time.sleep(dice.uniform(0.2, 1.0))
        cluster.broker.flush()


def test_a_broker_that_forgets_everything(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        lose_what_waits(cluster)
        flush_repeatedly(cluster, dice, times=4)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_broker_that_forgets_everything_ten_times(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        lose_what_waits(cluster)
        flush_repeatedly(cluster, dice, times=10)


def lose_what_waits(cluster: Cluster) -> None:
    """At least some batches are really lost, or the test would prove nothing."""
    cluster.processes.freeze("collector.1")
    cluster.wait(lambda: cluster.queued() > 10, 15.0, lambda: "nothing waits in the queue")
    cluster.broker.flush()
    cluster.processes.thaw("collector.1")
