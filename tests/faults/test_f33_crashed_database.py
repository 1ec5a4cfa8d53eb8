"""F33: PostgreSQL crashes under load. What was receipted survives it, what was not stays with
broker and agent, and the web says that it is away (C3, C1, W5)."""

from __future__ import annotations

import random
import time
import urllib.error
import urllib.request

import pytest

from tests.faults.cluster import Cluster
from tests.faults.load import under_load
from tests.support.ports import free_port

#: After "ready to accept connections": so soon the web serves again.
WEB_BACK_WITHIN_S = 5.0


def ask(port: str) -> tuple[int, str | None]:
    """Status and Retry-After of /-/ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=10) as answer:
            return answer.status, None
    except urllib.error.HTTPError as error:
        return error.code, error.headers["Retry-After"]


def crash_repeatedly(cluster: Cluster, dice: random.Random, times: int, away_s: float) -> None:
    for _ in range(times):
        time.sleep(dice.uniform(0.5, 1.5))
        cluster.crash_postgres()
        time.sleep(dice.uniform(0.2, away_s))
        cluster.start_postgres()


def test_a_database_that_crashes(cluster: Cluster, dice: random.Random) -> None:
    """Once each: stopped at once, postmaster killed, one backend killed."""
    port = str(free_port())
    cluster.start_role("web", PORT=port, wait=False)
    with under_load(cluster):
        cluster.wait(
            lambda: ask(port)[0] == 200, 20.0, lambda: f"the web is not ready: {ask(port)}"
        )
        crash_repeatedly(cluster, dice, times=1, away_s=1.0)
        cluster.wait_receipted(20)
        cluster.kill_postmaster()
        cluster.wait(lambda: ask(port) == (503, "5"), 5.0, lambda: f"the web says {ask(port)}")
        cluster.start_postgres()
        cluster.wait(
            lambda: ask(port)[0] == 200, WEB_BACK_WITHIN_S, lambda: f"the web says {ask(port)}"
        )
        cluster.wait_receipted(20)
        assert cluster.kill_backend()


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_database_that_crashes_ten_times(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        crash_repeatedly(cluster, dice, times=10, away_s=5.0)
