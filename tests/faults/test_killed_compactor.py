"""A compactor killed at each of its points, and under a database that crashes: every sample is
stored once, and no slot of the head stays stuck."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import PRODUCERS, check, under_load
from tests.faults.marks import on_valkey

pytestmark = on_valkey  # the store knows no broker

POINTS = ("compactor.after_copy", "compactor.before_commit", "merger.before_write")
WAITING = """
SELECT count(*) FROM meters_headslot
WHERE state = 'closed' OR pg_relation_size('meters_head_' || number) > 0
"""


@pytest.fixture
def packed(cluster: Cluster) -> Cluster:
    cluster.start_packer()
    return cluster


def wait_packed(cluster: Cluster, slots: int = 2) -> None:
    """Until so many more slots were packed."""
    before = highest(cluster)
    cluster.wait(
        lambda: highest(cluster) >= before + slots, 30.0, lambda: f"the ring stands at {before}"
    )


def highest(cluster: Cluster) -> int:
    ((sequence,),) = cluster.query("SELECT max(sequence) FROM meters_headslot WHERE state = 'open'")
    return int(str(sequence))


def check_all_packed(cluster: Cluster) -> None:
    """No slot stays: when nothing comes any more, all that came lies in chunks."""

    def waiting() -> int:
        ((count,),) = cluster.query(WAITING)
        return int(str(count))

    cluster.wait(lambda: not waiting(), 30.0, lambda: f"{waiting()} slots are not packed")
    check(cluster, PRODUCERS)
    assert cluster.query("SELECT FROM meters_head LIMIT 1") == []


def kill_at_any_moment(packed: Cluster, dice: random.Random, times: int) -> None:
    for _ in range(times):
        wait_packed(packed, slots=1)
        time.sleep(dice.uniform(0, 0.8))
        packed.kill("packer")
        packed.start_again("packer", wait=False)
    wait_packed(packed)


def test_a_compactor_killed_at_each_point_and_at_any_moment(
    packed: Cluster, dice: random.Random
) -> None:
    with under_load(packed):
        for point in POINTS:
            packed.arm(point)
            packed.wait_hit(point)
            packed.processes.wait_death("packer", 10.0)
            packed.start_again("packer", wait=False)
            wait_packed(packed)
        kill_at_any_moment(packed, dice, times=2)
    check_all_packed(packed)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_compactor_killed_fifty_times(packed: Cluster, dice: random.Random) -> None:
    with under_load(packed):
        kill_at_any_moment(packed, dice, times=50)
    check_all_packed(packed)


def test_a_database_that_crashes_inside_the_compactor(packed: Cluster, dice: random.Random) -> None:
    """At each point of a transaction that packs or merges, and at any moment."""
    with under_load(packed):
        for point in POINTS:
            packed.arm(point, "sleep:1")
            packed.wait_hit(point)
            packed.crash_postgres()
            packed.start_postgres()
            wait_packed(packed, slots=1)
        time.sleep(dice.uniform(0, 0.5))
        packed.crash_postgres()
        packed.start_postgres()
        wait_packed(packed)
    check_all_packed(packed)
