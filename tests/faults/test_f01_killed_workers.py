"""F01: collectors killed under load. A message taken by a dead worker is not a lost batch (A4)."""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.faults.brokers import ValkeyBroker
from tests.faults.cluster import COLLECTOR_QUEUE, Cluster
from tests.faults.load import settle, under_load
from tests.faults.marks import on_valkey

REPUBLISHED = "telemetry_batches_republished_total"


def kill_repeatedly(cluster: Cluster, dice: random.Random, times: int, longest_s: float) -> None:
    """Work goes on in between: a batch that three kills hit is set aside, by design (C6)."""
    for _ in range(times):
        time.sleep(dice.uniform(0.2, longest_s))
        cluster.kill("collector.1")
        cluster.start_again("collector.1")
        cluster.wait_receipted(1)


def test_a_collector_killed_again_and_again(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        kill_repeatedly(cluster, dice, times=3, longest_s=1.0)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_a_collector_killed_twenty_times(cluster: Cluster, dice: random.Random) -> None:
    with under_load(cluster):
        kill_repeatedly(cluster, dice, times=20, longest_s=5.0)


@on_valkey
def test_a_message_that_died_in_a_workers_socket_is_published_again(cluster: Cluster) -> None:
    """Finding 1: Valkey forgets at BRPOP, the worker remembers only later. Here it never does."""
    cluster.start_role("collector")
    producer = cluster.start_producer("load.a", rate=0)
    cluster.processes.signal(producer, signal.SIGUSR1)
    cluster.wait_acknowledged(1)
    cluster.wait_quiet()

    lose_one_message(cluster, producer)

    cluster.start_again("collector.1")
    settle(cluster, [producer])
    assert cluster.counted(REPUBLISHED) >= 1


def lose_one_message(cluster: Cluster, producer: str, tries: int = 30) -> None:
    """Freeze the worker inside BRPOP, have a batch published, kill the worker.

    BRPOP ends by itself each second, so the freezing may come too late: then once more.
    """
    broker = cluster.broker
    assert isinstance(broker, ValkeyBroker)
    for _ in range(tries):
        cluster.wait(broker.blocked_in_brpop, 5.0, lambda: "the worker does not wait for messages")
        cluster.processes.freeze("collector.1")
        if broker.blocked_in_brpop():
            published = cluster.counted("telemetry_batches_published_total")
            cluster.processes.signal(producer, signal.SIGUSR1)
            cluster.wait(
                lambda before=published: (
                    cluster.counted("telemetry_batches_published_total") > before
                ),
                5.0,
                lambda: "the batch is not published",
            )
            if not broker.waiting(COLLECTOR_QUEUE) and not broker.unacknowledged(COLLECTOR_QUEUE):
                cluster.kill("collector.1")
                return
        cluster.processes.thaw("collector.1")
        cluster.wait_quiet()
    pytest.fail("the worker was never caught inside BRPOP")
