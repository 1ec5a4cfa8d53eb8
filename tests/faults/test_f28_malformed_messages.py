"""F28: hundreds of malformed messages among good ones. Each is in quarantine with its reason,
nothing is unpickled, and what can be stored after all is stored once (C7, C8, C9)."""

from __future__ import annotations

from collections import Counter
from typing import cast

from meters import wire
from telemetry_site.clock import now_us
from tests.faults import malformed
from tests.faults.cluster import Cluster
from tests.faults.ledger import Ledger
from tests.faults.load import PRODUCERS, settle
from tests.support.batches import SECOND, batch_of, resource

ROUNDS = 15
DAY = 86_400 * SECOND
SELECT_KEPT = "SELECT reason, body FROM meters_quarantine"
#: Every resource of the load has a trap for decoders in its metadata; none may spring.
SELECT_SPRUNG = """
SELECT original_id, metadata FROM meters_resource
WHERE starts_with(original_id, 'load.') AND NOT metadata @> '{"trap": {"__type__": "bytes"}}'
"""


def test_malformed_messages_among_good_ones(cluster: Cluster) -> None:
    bomb = cluster.home / "unpickled"
    bad = [one for _ in range(ROUNDS) for one in malformed.messages(bomb)]
    cluster.start_role("collector")
    for agent_id in PRODUCERS:
        cluster.start_producer(agent_id)
    malformed.send(cluster.broker, bad)
    cluster.wait(lambda: reasons(cluster).total() >= len(bad), 60.0, lambda: f"{reasons(cluster)}")
    settle(cluster, PRODUCERS, quarantined=len(bad))
    assert Counter(kept(cluster)) == Counter(one.kept for one in bad)
    assert not bomb.exists()
    assert cluster.query(SELECT_SPRUNG) == []


def kept(cluster: Cluster) -> list[tuple[str, bytes]]:
    """Reason and body of all that is in quarantine."""
    return [cast("tuple[str, bytes]", row) for row in cluster.query(SELECT_KEPT)]


def reasons(cluster: Cluster) -> Counter[str]:
    return Counter(reason for reason, _ in kept(cluster))


def test_what_was_quarantined_is_stored_once_when_the_fault_is_mended(cluster: Cluster) -> None:
    """The fault: samples older than this collector's retention, which the operator then raises."""
    old = batch_of(*((resource(f"vm-{n}"), "cpu", 1.0, now_us() - 2 * DAY) for n in range(3)))
    ledger = Ledger(cluster.home / "ledgers" / "by-hand")
    ledger.invoke(old)
    cluster.start_role("collector", TELEMETRY_RETENTION_DAYS="1")
    malformed.send(cluster.broker, [malformed.carrying("timestamp_ancient", wire.encode(old))])
    cluster.wait(lambda: reasons(cluster).total() == 1, 30.0, lambda: "nothing in quarantine")
    assert reasons(cluster) == Counter({"timestamp_ancient": 1})
    assert cluster.judge().stored == 0

    assert "1 replayed" in cluster.command("quarantine", "replay")
    assert "0 replayed" in cluster.command("quarantine", "replay")
    ledger.ok(old.batch_id)
    ledger.close()
    verdict = cluster.judge()
    assert verdict.exact, verdict
    assert (verdict.stored, verdict.copies) == (3, 0)
