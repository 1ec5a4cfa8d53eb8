"""The collector: decode, store, quarantine, count attempts, receipt (C3–C9, X3)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from celery.exceptions import Reject
from django.db import OperationalError, connection
from kombu import Connection
from kombu.exceptions import OperationalError as KombuError
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError as RedisError

from meters import collector, wire
from meters.collector import collect
from meters.deliveries import Delivery
from meters.models import BatchAttempt, Event, HeadSample, Quarantine
from meters.replay import replay
from telemetry_site.clock import now_us
from telemetry_site.embedded.postgres import EmbeddedPostgres
from telemetry_site.embedded.valkey import EmbeddedValkey
from telemetry_site.queues import receipt_queue
from tests.support.batches import SECOND, batch_of, event, resource

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fresh_store")]


def receipts(broker: EmbeddedValkey, agent_id: str = "compute.h1") -> dict[str, wire.Receipt]:
    """All receipts that wait for the agent."""
    found: dict[str, wire.Receipt] = {}
    options = {"global_keyprefix": "telemetry:"}
    with Connection(broker.url(), transport_options=options) as link, link.channel() as channel:
        queue = receipt_queue(agent_id).bind(channel)
        while (message := queue.get(no_ack=True)) is not None:
            for receipt in wire.decode_receipts(bytes(message.body)).receipts:
                found[receipt.batch_id] = receipt
    return found


def payload(*values: float, **parts: Any) -> bytes:
    rows = [(resource(), "cpu", value, now_us() - k * SECOND) for k, value in enumerate(values)]
    return wire.encode(batch_of(*rows, **parts))


def id_of(body: bytes) -> str:
    return wire.peek_header(body)[1]


def test_a_stored_batch_is_receipted(broker: EmbeddedValkey) -> None:
    body = payload(1.0, 2.0, events=[event("m-1")])
    collect([Delivery(body)])

    assert (HeadSample.objects.count(), Event.objects.count()) == (2, 1)
    assert receipts(broker) == {id_of(body): wire.Receipt(id_of(body), "stored")}


def test_samples_that_come_after_their_periods_evaluation_are_counted(
    broker: EmbeddedValkey,
) -> None:
    """Rule E5: they change the next evaluation only."""
    before = REGISTRY.get_sample_value("telemetry_late_samples_total") or 0.0
    ages = (1, 30, 90, 300)
    rows = [(resource(), "cpu", 1.0, now_us() - age * SECOND) for age in ages]
    collect([Delivery(wire.encode(batch_of(*rows)))])

    assert REGISTRY.get_sample_value("telemetry_late_samples_total") == before + 2
    assert HeadSample.objects.count() == 4


def test_several_messages_are_stored_together_and_each_receipted(broker: EmbeddedValkey) -> None:
    bodies = [payload(float(k)) for k in range(5)]
    collect([Delivery(body) for body in bodies])

    assert HeadSample.objects.count() == 5
    assert set(receipts(broker)) == {id_of(body) for body in bodies}


def test_an_unreadable_message_is_quarantined_whole(broker: EmbeddedValkey) -> None:
    collect([Delivery(b"\xc1 not msgpack"), Delivery(payload(1.0))])

    row = Quarantine.objects.get()
    assert (row.reason, bytes(row.body)) == ("bad_encoding", b"\xc1 not msgpack")
    assert HeadSample.objects.count() == 1


def test_a_later_version_is_kept_and_receipted_and_can_be_replayed_after_an_upgrade(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload(1.0).replace(b"\xa1v\x01", b"\xa1v\x02")
    collect([Delivery(body)])

    row = Quarantine.objects.get()
    assert row.reason == "bad_version"
    assert receipts(broker)[id_of(body)].status == "quarantined"
    assert replay([row.pk], "tester")[0] == 0
    monkeypatch.setattr(wire, "ACCEPTED_VERSIONS", (1, 2))
    assert replay([row.pk], "tester") == (1, {})
    row.refresh_from_db()
    assert (row.state, row.closed_by, HeadSample.objects.count()) == ("replayed", "tester", 1)


def test_one_bad_batch_does_not_spoil_the_others_of_its_transaction(
    broker: EmbeddedValkey,
) -> None:
    good = batch_of((resource(), "cpu", 1.0, now_us()))
    assert good.samples is not None
    broken = wire.Batch(
        1, wire.new_batch_id(), "compute.h1", now_us(),
        samples=wire.SampleBatch(b"\xc1", *(good.samples.index, good.samples.timestamp,
                                            good.samples.value)),
    )  # fmt: skip
    bodies = [payload(1.0), wire.encode(broken), payload(2.0)]
    collect([Delivery(body) for body in bodies])

    assert HeadSample.objects.count() == 2
    assert Quarantine.objects.get().batch_id == broken.batch_id
    statuses = {batch: one.status for batch, one in receipts(broker).items()}
    assert statuses.pop(broken.batch_id) == "quarantined"
    assert set(statuses.values()) == {"stored"}


def test_a_batch_that_ends_the_worker_three_times_is_quarantined_unparsed(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload(1.0)

    def crash(name: str) -> None:
        if name == "collector.before_parse":
            raise SystemExit  # what a killed process leaves: a counted attempt, nothing else

    monkeypatch.setattr(collector, "failpoint", crash)
    for _ in range(2):
        with pytest.raises(SystemExit):
            collect([Delivery(body, again=True)])
    collect([Delivery(body, again=True)])

    assert Quarantine.objects.get().reason == "crashes_worker"
    assert receipts(broker)[id_of(body)].status == "quarantined"
    assert HeadSample.objects.count() == 0


def test_attempts_are_forgotten_once_the_batch_is_stored(broker: EmbeddedValkey) -> None:
    collect([Delivery(payload(1.0), again=True)])
    assert BatchAttempt.objects.count() == 0


def test_an_unforeseen_fault_gives_the_messages_back_and_counts_the_attempt(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(batches: object) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(collector, "store_batches", fault)
    with pytest.raises(Reject) as raised:
        collect([Delivery(payload(1.0))])
    assert raised.value.requeue
    assert BatchAttempt.objects.get().attempts == 1
    assert receipts(broker) == {}


def test_a_database_that_stays_away_gives_the_messages_back(
    broker: EmbeddedValkey, postgres_server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "PATIENCE_S", 0.5)
    body = payload(1.0)
    database = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nonexistent"
    try:
        with pytest.raises(Reject) as raised:
            collect([Delivery(body)])
    finally:
        connection.close()
        connection.settings_dict["HOST"] = database
    assert raised.value.requeue
    assert receipts(broker) == {}
    collect([Delivery(body, again=True)])
    assert HeadSample.objects.count() == 1


def test_a_short_outage_is_waited_out(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = collector.store_batches, []

    def flaky(batches: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return real(batches)

    monkeypatch.setattr(collector, "store_batches", flaky)
    collect([Delivery(payload(1.0))])
    assert (len(calls), HeadSample.objects.count()) == (2, 1)


def test_a_database_that_begins_and_fails_again_and_again_is_no_crash(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlocks and time-outs begin the batch anew; the worker lives, so it is not to blame."""
    body = payload(1.0)

    def slow(batches: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout")

    with monkeypatch.context() as patch:
        patch.setattr(collector, "PATIENCE_S", 1.5)
        patch.setattr(collector, "store_batches", slow)
        for _ in range(collector.MAX_ATTEMPTS):
            with pytest.raises(Reject):
                collect([Delivery(body, again=True)])
    collect([Delivery(body, again=True)])
    assert (HeadSample.objects.count(), Quarantine.objects.count()) == (1, 0)


@pytest.mark.parametrize("lost", [OSError, KombuError, RedisError])
def test_a_lost_broker_costs_a_receipt_not_the_batch(
    lost: type[Exception], broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis's own error comes where a connection that was open breaks."""
    from meters import receipts as receipts_module

    def away(*args: object) -> None:
        raise lost("broker away")

    monkeypatch.setattr(receipts_module, "_publish", away)
    collect([Delivery(payload(1.0))])
    assert HeadSample.objects.count() == 1


def test_copies_of_what_is_stored_are_receipted_without_the_database(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an outage most of the queue are copies."""
    body, bad = payload(1.0), b"no batch"
    collect([Delivery(body), Delivery(bad)])
    assert receipts(broker)[id_of(body)].status == "stored"
    looked_at = []
    monkeypatch.setattr(collector, "_collect", lambda others, _: looked_at.extend(others) or [])
    collect([Delivery(body, again=True)] * 3)
    assert receipts(broker)[id_of(body)].status == "stored"
    assert looked_at == []
    collect([Delivery(bad, again=True)])
    assert len(looked_at) == 1


def test_another_batch_under_a_known_id_is_stored(broker: EmbeddedValkey) -> None:
    first = batch_of((resource(), "cpu", 1.0, now_us()))
    other = batch_of((resource("other"), "cpu", 2.0, now_us()))
    collect([Delivery(wire.encode(first))])
    same_id = msgspec.structs.replace(other, batch_id=first.batch_id)
    collect([Delivery(wire.encode(same_id), again=True)])
    assert HeadSample.objects.count() == 2


def test_copies_of_what_went_back_are_not_taken_for_stored(
    broker: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = payload(1.0)
    with monkeypatch.context() as patch:
        patch.setattr(collector, "PATIENCE_S", 0.0)
        patch.setattr(collector, "_collect", _away)
        with pytest.raises(Reject):
            collect([Delivery(body)])
    collect([Delivery(body, again=True)])
    assert HeadSample.objects.count() == 1


def _away(*_: Any) -> Any:
    raise OperationalError("away")
