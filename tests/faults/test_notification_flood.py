"""A flood of notifications while RabbitMQ, the cloud's bus and our broker, restarts: nothing is
lost, nothing is there twice, what comes while all is well is soon stored, and no process grows
(S-1, S-2, O1). The long form: 500 a second for ten minutes, 99 of 100 stored within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from signal import SIGTERM
from statistics import median

import psutil
import pytest

from tests.faults import flood
from tests.faults.cluster import RECOVERED_WITHIN_S, Cluster
from tests.faults.load import check_processes
from tests.faults.marks import on_rabbitmq
from tests.rabbitmq import RabbitNode

FLOOD = "flood"
ROLES = ("collector", "notification-worker", "notification")
MIB = 1 << 20
#: O1: resident memory that a process of a role may have at the most.
MOST_MIB = {"notification.1": 150, "notification-worker.1": 300, "collector.1": 300}
#: And how much more in the last fifth of the time than in the second.
GROWTH_MIB = 15
#: Of the messages that were sent while all was well, this share is stored in time.
SHARE = 0.99
SELECT_DELAYS = """
SELECT extract(epoch FROM generated)::float8, extract(epoch FROM stored_at - generated)::float8
FROM meters_event WHERE event_type = %s
"""


@dataclass
class Memory:
    """The resident memory of each role's largest process, every second."""

    cluster: Cluster
    mib: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def watched(self) -> Iterator[None]:
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(1.0):
                for key in MOST_MIB:
                    self.mib.setdefault(key, []).append(largest(self.cluster.processes.pid(key)))

        thread = threading.Thread(target=watch)
        thread.start()
        yield
        ended.set()
        thread.join()

    def check(self) -> None:
        for key, seen in self.mib.items():
            fifth = len(seen) // 5
            before, after = median(seen[fifth : 2 * fifth]), median(seen[-fifth:])
            print(f"{key}: {before:.0f} then {after:.0f} MiB, at the most {max(seen):.0f}")
            assert max(seen) <= MOST_MIB[key], f"{key}: {max(seen):.0f} MiB"
            assert after - before <= GROWTH_MIB, f"{key} grew from {before:.0f} to {after:.0f} MiB"


def largest(pid: int) -> float:
    """Of a process and its children, in MiB."""
    found = [psutil.Process(pid)]
    found += found[0].children(recursive=True)
    sizes = []
    for process in found:
        try:
            sizes.append(process.memory_info().rss / MIB)
        except psutil.NoSuchProcess:
            continue
    return max(sizes)


def restart(node: RabbitNode) -> tuple[float, float]:
    """From when to when it was away, as seconds since the epoch."""
    began = time.time()
    node.stop()
    node.start()
    return began, time.time()


def flooded(
    cluster: Cluster, node: RabbitNode, rate: float, seconds: float, within_s: float
) -> None:
    bus = node.add_vhost(f"bus-{cluster.home.name}")
    settings = {
        "TELEMETRY_NOTIFICATION_URLS": bus, "TELEMETRY_NOTIFICATION_EXCHANGES": "cinder",
        "TELEMETRY_NOTIFICATION_DURABLE": "true", "TELEMETRY_RECEIPT_TIMEOUT": "15",
    }  # fmt: skip
    for role in ROLES:
        cluster.start_role(role, wait=False, **settings)
    for role in ROLES:
        cluster.wait_ready(f"{role}.1")
    memory = Memory(cluster)
    argv = ["-m", "tests.faults.flood", bus, str(rate)]
    with memory.watched():
        cluster.processes.start(FLOOD, argv, {})
        time.sleep(seconds / 2)
        away = restart(node)
        time.sleep(seconds / 2)
        cluster.processes.signal(FLOOD, SIGTERM)
        cluster.processes.wait_end(FLOOD, RECOVERED_WITHIN_S)
        sent = int(cluster.processes.log_lines(FLOOD)[-1])
        stored = f"SELECT count(*) FROM meters_event WHERE event_type = '{flood.TYPE}'"
        cluster.wait(
            lambda: cluster.query(stored)[0][0] == sent,
            RECOVERED_WITHIN_S,
            lambda: f"{cluster.query(stored)[0][0]} of {sent} events",
        )
    cluster.wait_quiet()
    check_events(cluster, sent)
    print(f"{sent / seconds:.0f} a second")
    check_delays(cluster, within_s, *away)
    memory.check()
    check_processes(cluster, ended=[FLOOD])
    assert sent >= rate * seconds * 0.9, f"{sent} sent: the producer is too slow for this"


def check_events(cluster: Cluster, sent: int) -> None:
    """Each once, and of each one sample."""
    found = cluster.stored()
    assert sorted(found.events) == sorted(flood.identity(number) for number in range(sent))
    sizes = {key for key, value, _ in found.samples if key.meter == "volume.size" and value == 1}
    assert len(sizes) == sent
    assert not found.quarantined


def check_delays(cluster: Cluster, within_s: float, away_from: float, away_until: float) -> None:
    """What was sent while the broker was away, or there was a backlog of that, is told apart."""
    delays = cluster.query(SELECT_DELAYS, flood.TYPE)
    well, rest = [], []
    for sent, delay in delays:
        is_well = not away_from - 1 <= float(str(sent)) <= away_until + RECOVERED_WITHIN_S / 2
        (well if is_well else rest).append(float(str(delay)))
    reached = sorted(well)[int(len(well) * SHARE)]
    print(f"{len(well)} while all was well: median {median(well):.3f} s, p99 {reached:.3f} s")
    print(f"{len(rest)} around the restart: the last after {max(rest):.1f} s")
    assert reached <= within_s


@on_rabbitmq
@pytest.mark.timeout(240)
def test_a_flood_of_notifications_and_a_restarted_broker(
    cluster: Cluster, rabbitmq: RabbitNode
) -> None:
    """Other tests run beside this one, so it asks for less."""
    flooded(cluster, rabbitmq, rate=200, seconds=40, within_s=10.0)


@on_rabbitmq
@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_ten_minutes_of_a_flood_of_notifications(cluster: Cluster, rabbitmq: RabbitNode) -> None:
    """Alone on a machine."""
    flooded(cluster, rabbitmq, rate=500, seconds=600, within_s=1.0)
