"""F19: every message is delivered three times, and once more long after. A batch, its events and
its samples are there once (X2, C1)."""

from __future__ import annotations

from tests.faults.cluster import COLLECTOR_QUEUE, Cluster
from tests.faults.load import PRODUCERS, check, settle
from tests.faults.producer import EVENTS_A_BATCH

COPIES = 2
#: What both producers together publish before they want a receipt (A7).
WAITING = 2 * 64
READ_ALL = """
from meters.models import Metric
from meters.store.read import read_points
print(len(read_points(list(Metric.objects.values_list("pk", flat=True))).index))
"""


def test_each_message_delivered_three_times_and_again_later(cluster: Cluster) -> None:
    """No receipt is late here, so that every copy is one of the test's."""
    for agent_id in PRODUCERS:
        cluster.start_producer(agent_id, wait=False, TELEMETRY_RECEIPT_TIMEOUT="600")
    cluster.wait(lambda: cluster.queued() == WAITING, 30.0, lambda: f"{cluster.queued()} wait")
    messages = cluster.broker.repeat(COLLECTOR_QUEUE, COPIES)
    assert len(messages) == WAITING
    cluster.start_role("collector")
    settle(cluster, PRODUCERS)
    wait_duplicates(cluster, COPIES * len(messages))

    cluster.broker.send_again(COLLECTOR_QUEUE, messages)
    wait_duplicates(cluster, (COPIES + 1) * len(messages))

    verdict = check(cluster, PRODUCERS)
    assert verdict.copies > 0, "no batch was stored twice: the test proves nothing"
    read = int(cluster.command("shell", "-v0", "-c", READ_ALL))
    assert read == len(cluster.book().ok.samples)


def wait_duplicates(cluster: Cluster, batches: int) -> None:
    """Until so many batches came that were there already, by their events."""
    expected = batches * EVENTS_A_BATCH

    def counted() -> float:
        return cluster.counted("telemetry_ingest_duplicates_total")

    cluster.wait(lambda: counted() >= expected, 30.0, lambda: f"{counted()} of {expected} again")
    assert counted() == expected
