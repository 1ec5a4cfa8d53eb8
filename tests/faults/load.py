"""The frame of most fault tests: load, what the test breaks, healing, and the judgement.

    with under_load(cluster):
        ...break things; what is still broken at the end is healed...

Afterwards: every process lives, nothing acknowledged is lost or doubled, nothing is there without
a claim, spools and queue are empty within 30 s of healing, and no log holds a traceback.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from signal import SIGTERM

from tests.faults import oracle
from tests.faults.cluster import RECOVERED_WITHIN_S, Cluster

PRODUCERS = ("load.a", "load.b")


@contextmanager
def under_load(
    cluster: Cluster,
    producers: Iterable[str] = PRODUCERS,
    rate: float = 40.0,
    roles: Iterable[str] = ("collector",),
    **env: str,
) -> Iterator[Cluster]:
    """Roles and producers at work, with `env` on top of the cluster's; afterwards `settle`."""
    for role in roles:
        cluster.start_role(role, wait=False, **env)
    keys = [cluster.start_producer(agent_id, rate, wait=False, **env) for agent_id in producers]
    for role in roles:
        cluster.wait_ready(f"{role}.1")
    cluster.wait_acknowledged(20)
    yield cluster
    settle(cluster, keys)


def settle(cluster: Cluster, producers: Iterable[str], quarantined: int = 0) -> oracle.Verdict:
    """Heal, let the producers end, and judge; `quarantined` is what belongs there."""
    cluster.heal()
    healed = time.monotonic()
    for key in producers:
        cluster.processes.signal(key, SIGTERM)
    for key in producers:
        left = RECOVERED_WITHIN_S - (time.monotonic() - healed)
        cluster.processes.wait_end(key, max(left, 0.1))
    cluster.wait_quiet(max(RECOVERED_WITHIN_S - (time.monotonic() - healed), 0.1))
    print(f"recovered {time.monotonic() - healed:.1f} s after healing")
    return check(cluster, producers, quarantined)


def check(cluster: Cluster, ended: Iterable[str] = (), quarantined: int = 0) -> oracle.Verdict:
    """The oracle's word on a cluster that is quiet. `ended` are processes that may be gone."""
    verdict = cluster.judge()
    print(verdict)
    assert verdict.exact, verdict
    assert len(verdict.quarantined) == quarantined, verdict
    assert verdict.stored > 0
    check_processes(cluster, ended)
    return verdict


def check_processes(cluster: Cluster, ended: Iterable[str] = ()) -> None:
    """All live but those that may be gone, and no log holds a traceback."""
    dead = [key for key in cluster.processes.running if not cluster.processes.alive(key)]
    assert sorted(dead) == sorted(ended)
    assert cluster.processes.tracebacks() == []
