"""F37: an agent killed at each point between taking a batch and its receipt. No visible file is
half or unsynced, `tmp/` is cleaned at the start, and what the spool took is stored (A1, A5)."""

from __future__ import annotations

import hashlib
import json
import random
import signal
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import settle, under_load
from tests.faults.marks import on_valkey

BEFORE_RENAME = ("after_tmp_write", "after_fsync")
POINTS = (*BEFORE_RENAME, "after_rename", "after_publish", "after_receipt")
AGENT = "load.a"


def check_files(spool: Path) -> None:
    """Every visible file is whole, whenever its writer died."""
    for path in spool.glob("*.b"):
        header, _, body = path.read_bytes().partition(b"\n")
        assert json.loads(header)["sha256"] == hashlib.sha256(body).hexdigest(), path.name


def test_an_agent_killed_at_each_point(cluster: Cluster) -> None:
    """One batch at a time, so that each point is met by the batch that was asked for.

    On a disk that keeps only what was synced, since a kill alone loses nothing.
    """
    spool = cluster.home / "spool" / AGENT
    cluster.start_role("collector")
    cluster.start_producer(AGENT, rate=0, LAZY_DISK="1")
    for point in POINTS:
        cluster.arm(f"agent.{point}")
        cluster.processes.signal(AGENT, signal.SIGUSR1)
        cluster.processes.wait_death(AGENT)
        cluster.wait_hit(f"agent.{point}")
        check_files(spool)
        if point in BEFORE_RENAME:
            assert len(list((spool / "tmp").iterdir())) == 1
        cluster.start_again(AGENT)
        assert list((spool / "tmp").iterdir()) == []
        cluster.wait_quiet()
    settle(cluster, [AGENT])
    assert list((spool / "bad").iterdir()) == []


@on_valkey
@pytest.mark.soak
@pytest.mark.timeout(600)
def test_an_agent_killed_at_each_point_and_pass(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster, [AGENT]):
        for point in POINTS:
            for number in (1, 2, dice.randint(3, 30)):
                cluster.arm(f"agent.{point}", number=number)
                cluster.processes.wait_death(AGENT)
                check_files(cluster.home / "spool" / AGENT)
                cluster.start_again(AGENT)
