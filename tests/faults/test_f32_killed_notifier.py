"""F32: a receiver that fails first, and a notifier killed around the sending.

What arrives arrives under one key, in the order of its alarm's transitions.
"""

from __future__ import annotations

import random

from tests.faults import receiver
from tests.faults.alarming import ALARMS, flipping
from tests.faults.cluster import Cluster

POINTS = ("after_claim", "after_send", "after_mark")


def test_a_notifier_killed_at_each_point(cluster: Cluster, dice: random.Random) -> None:
    with flipping(cluster) as alarms:
        alarms.start("evaluator")
        alarms.start("notifier")
        for point in POINTS:
            cluster.arm(f"notifier.{point}", number=dice.choice((1, 2, 5)))
            cluster.wait_hit(f"notifier.{point}")
            cluster.processes.wait_death("notifier.1")
            cluster.start_again("notifier.1")
        alarms.wait_transitions(2 * ALARMS)
    assert alarms.judge().again > 0, "killed after sending it must send again"


def test_a_receiver_that_fails_first_gets_each_message_again(cluster: Cluster) -> None:
    with flipping(cluster, "/fail/1") as alarms:
        alarms.start("evaluator")
        alarms.start("notifier")
        alarms.wait_transitions(2 * ALARMS)
    refused = [one for one in receiver.read(alarms.book) if one.status == 500]
    assert len(refused) == alarms.judge().messages > 0
