"""F03: a collector killed at each of its points. A batch is stored whole or not at all, and its
receipt says the truth (C1, A4)."""

from __future__ import annotations

import random

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import under_load

POINTS = ("before_parse", "after_copy", "before_commit", "after_commit", "after_receipt")


def kill_at_each_point(cluster: Cluster, passes: list[int]) -> None:
    """The pool's parent starts a new process; between two kills the work goes on.

    So that no batch is begun three times and dies each time, which would put it into quarantine.
    """
    for point in POINTS:
        for number in passes:
            cluster.arm(f"collector.{point}", number=number)
            cluster.wait_hit(f"collector.{point}")
            cluster.wait_receipted(20)


def test_a_collector_killed_at_each_point(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        kill_at_each_point(cluster, [dice.choice((1, 2, 5))])


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_collector_killed_at_each_point_and_pass(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        kill_at_each_point(cluster, [1, 2, dice.randint(3, 30)])
