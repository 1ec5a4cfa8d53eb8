"""F24: an evaluator killed at each of its points; state, history and outbox agree afterwards."""

from __future__ import annotations

import random

from tests.faults.alarming import ALARMS, flipping
from tests.faults.cluster import Cluster

POINTS = ("after_claim", "after_cas", "before_commit", "after_commit")


def test_an_evaluator_killed_at_each_point(cluster: Cluster, dice: random.Random) -> None:
    with flipping(cluster) as alarms:
        alarms.start("notifier")
        alarms.start("evaluator")
        for point in POINTS:
            cluster.arm(f"evaluator.{point}", number=dice.choice((1, 2)))
            cluster.wait_hit(f"evaluator.{point}")
        alarms.wait_transitions(2 * ALARMS)
