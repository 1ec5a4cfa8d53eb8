"""F02: agents killed under load. What the spool took is stored; a slot is polled once or missed,
and every missed slot is counted (A1–A5, A3)."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import PRODUCERS, under_load
from tests.faults.slots import check_slots, slot_in_hand, wait_for_a_poll


def kill_agents(cluster: Cluster, dice: random.Random, times: int, longest_s: float) -> list[float]:
    """Each in turn, at a random moment; the compute agent at least every second time.

    The first slot must have its report, since `check_slots` counts from there. Returns the slots
    that compute agents had in hand when they were killed.
    """
    wait_for_a_poll(cluster)
    in_hand = []
    others = list(PRODUCERS)
    for turn in range(times):
        key = "compute.1" if turn % 2 == 0 else dice.choice(others)
        time.sleep(dice.uniform(0.3, longest_s))
        cluster.kill(key)
        if key == "compute.1":
            in_hand.append(slot_in_hand(cluster))
        cluster.start_again(key)
    return in_hand


def test_agents_killed_again_and_again(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster, roles=("collector", "compute")):
        in_hand = kill_agents(cluster, dice, times=4, longest_s=1.5)
        wait_for_a_poll(cluster)
        cluster.processes.freeze("compute.1")  # so that no slot comes after the last look
        cluster.processes.thaw("compute.1")
    assert check_slots(cluster, in_hand) > 0, "some slots are missed while no agent lives"


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_agents_killed_thirty_times(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster, roles=("collector", "compute")):
        in_hand = kill_agents(cluster, dice, times=30, longest_s=4.0)
        wait_for_a_poll(cluster)
    assert check_slots(cluster, in_hand) > 0, "some slots are missed while no agent lives"
