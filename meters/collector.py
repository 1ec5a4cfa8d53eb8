"""The collector: from a message to a commit to a receipt (rules C3–C9, X3).

Order matters for safety:

1. All batches at hand are stored in one transaction, except those that were delivered or
   published before: each of them alone, with its attempt counted in a transaction of its own
   *before* it is parsed. The third attempt ends in the quarantine (C6). Alone, because a worker
   that dies must not count against those that happened to be stored with the culprit. A database
   that is away ends no worker: however often it makes us begin again, that is one attempt, and it
   is taken back when the message goes back.
2. What can't be decoded goes whole to the quarantine.
3. After the commit the receipts are published; a lost receipt costs one more publication. A copy
   of what this process has stored lately is receipted without another look: after an outage most
   of the queue are copies, since agents go on publishing what they have no receipt for.
4. Only then the messages are acknowledged (by returning).
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

import structlog
from celery.exceptions import Reject
from django.db import (
    DataError,
    IntegrityError,
    close_old_connections,
    connection,
    transaction,
)
from django.db.models import F

from meters import metrics, wire
from meters.deliveries import Delivery, Receipts, StoredLately
from meters.models import BatchAttempt
from meters.receipts import publish_receipts
from meters.store import quarantine
from meters.store.write import StoreResult, store_batches
from telemetry_site.clock import now_us
from telemetry_site.database import AWAY
from telemetry_site.failpoints import failpoint
from telemetry_site.patience import PATIENCE_S, patiently

log = structlog.get_logger(__name__)

#: The period that alarms have unless told otherwise.
LATE_US = 60_000_000
MAX_ATTEMPTS = 3


_stored_lately = StoredLately()


def collect(deliveries: Sequence[Delivery]) -> None:
    """Store the messages, or quarantine them, and send the receipts.

    Returns when every one of them is in the database; raises `Reject` (requeue) when the database
    stayed away or something unforeseen happened.
    """
    begun: dict[str, int] = {}
    receipts, deliveries = _stored_lately.split(deliveries)
    try:
        receipts += patiently(lambda: _collect(deliveries, begun), AWAY, _database_away, PATIENCE_S)
    except AWAY as error:
        log.warning("database away, messages go back", messages=len(deliveries), error=str(error))
        _take_back_attempts(begun)
        raise Reject(str(error), requeue=True) from error
    except Exception as error:  # X3: whatever it is, the message must not be lost with the task
        metrics.UNKNOWN_ERRORS.labels("collector").inc()
        log.exception("unforeseen fault, messages go back", messages=len(deliveries))
        _count_attempts(deliveries)
        time.sleep(1)
        raise Reject(str(error), requeue=True) from error
    _stored_lately.remember(deliveries, receipts)
    failpoint("collector.after_commit")
    publish_receipts(receipts)
    failpoint("collector.after_receipt")


def _database_away(error: Exception) -> None:
    metrics.TRANSIENT_ERRORS.labels("collector").inc()
    log.info("database does not answer, trying again", error=str(error).strip())
    connection.close()


def _collect(deliveries: Sequence[Delivery], begun: dict[str, int]) -> Receipts:
    """First deliveries together; what came again alone, so that a crash tells which it was.

    `begun` holds {batch id: which attempt this is} and is filled here.
    """
    close_old_connections()
    receipts = _collect_together([one.payload for one in deliveries if not one.again])
    for one in deliveries:
        if one.again:
            receipts += _collect_again(one.payload, begun)
    return receipts


def _collect_again(payload: bytes, begun: dict[str, int]) -> Receipts:
    """Count the attempt, then store; the count is forgotten when the worker has survived it."""
    _, batch_id, agent_id = wire.peek_header(payload)
    if batch_id and batch_id not in begun:
        begun[batch_id] = _one_attempt_more(batch_id)
    if begun.get(batch_id, 0) >= MAX_ATTEMPTS:
        _quarantine(payload, "crashes_worker", f"begun {MAX_ATTEMPTS} times")
        return [(agent_id, wire.Receipt(batch_id, "quarantined"))]
    receipts = _collect_together([payload])
    BatchAttempt.objects.filter(pk=batch_id[:64]).delete()
    return receipts


def _collect_together(payloads: Sequence[bytes]) -> Receipts:
    receipts = []
    batches: dict[str, wire.Batch] = {}
    for payload in payloads:
        failpoint("collector.before_parse")
        try:
            batch = wire.decode_batch(payload)
        except wire.WireError as error:
            _, batch_id, agent_id = wire.peek_header(payload)
            _quarantine(payload, error.reason, str(error))
            receipts.append((agent_id, wire.Receipt(batch_id, "quarantined")))
            continue
        batches[batch.batch_id] = batch
    results = _store(list(batches.values()))
    return receipts + [(batches[one.batch_id].agent_id, _receipt(one)) for one in results]


def _store(batches: Sequence[wire.Batch]) -> list[StoreResult]:
    """All in one transaction; where one of them spoils it, each in its own."""
    if not batches:
        return []
    started = time.monotonic()
    try:
        results = store_batches(batches)
    except (wire.WireError, DataError, IntegrityError) as error:
        if len(batches) == 1:
            return [_quarantine_batch(batches[0], error)]
        return [result for batch in batches for result in _store([batch])]
    metrics.STORE_DURATION.observe(time.monotonic() - started)
    _count(batches, results)
    return results


def _quarantine_batch(batch: wire.Batch, error: Exception) -> StoreResult:
    reason = error.reason if isinstance(error, wire.WireError) else "schema"
    _quarantine(wire.encode(batch), reason, str(error))
    rows = len(batch.samples.index) // 4 if batch.samples else 0
    return StoreResult(batch.batch_id, rejected=max(1, rows), quarantined=True)


def _quarantine(payload: bytes, reason: str, detail: str) -> None:
    _, batch_id, agent_id = wire.peek_header(payload)
    quarantine.put_payload(payload, reason, detail)
    metrics.INGEST_REJECTED.labels(reason).inc()
    log.warning("batch quarantined", batch=batch_id, agent=agent_id, reason=reason, detail=detail)


def _one_attempt_more(batch_id: str) -> int:
    """Count the attempt before anything is parsed; committed at once."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO meters_batchattempt (batch_id, attempts, last_error) VALUES (%s, 1, '') "
            "ON CONFLICT (batch_id) DO UPDATE "
            "SET attempts = meters_batchattempt.attempts + 1, updated_at = now() "
            "RETURNING attempts",
            [batch_id[:64]],
        )
        return int(cursor.fetchone()[0])


def _take_back_attempts(begun: Iterable[str]) -> None:
    """Those of batches that go back. While the database is away the count simply stays."""
    try:
        BatchAttempt.objects.filter(pk__in=[batch_id[:64] for batch_id in begun]).update(
            attempts=F("attempts") - 1
        )
    except AWAY as error:
        log.info("attempts stay counted", error=str(error).strip())


def _count_attempts(deliveries: Sequence[Delivery]) -> None:
    """First deliveries were not counted when they began; redelivered ones were."""
    for delivery in deliveries:
        _, batch_id, _ = wire.peek_header(delivery.payload)
        if batch_id and not delivery.again:
            try:
                _one_attempt_more(batch_id)
            except AWAY as error:
                log.warning("attempt not counted", batch=batch_id, error=str(error).strip())


def _receipt(result: StoreResult) -> wire.Receipt:
    return wire.Receipt(result.batch_id, result.status, result.rejected)


def _count(batches: Sequence[wire.Batch], results: Sequence[StoreResult]) -> None:
    samples, events = sum(r.samples for r in results), sum(r.events for r in results)
    metrics.INGEST_ITEMS.labels("sample").inc(samples)
    metrics.INGEST_ITEMS.labels("event").inc(events)
    metrics.INGEST_DUPLICATES.inc(sum(r.duplicates for r in results))
    metrics.BATCH_ITEMS.observe(samples + events)
    reasons: dict[str, int] = defaultdict(int)
    for result in results:
        for problem in result.problems:
            reasons[problem.reason] += 1
    for batch in batches:
        for reject in batch.rejects:
            reasons[reject.reason] += 1
        _observe_freshness(batch)
    for reason, number in reasons.items():
        metrics.INGEST_REJECTED.labels(reason).inc(number)


def _observe_freshness(batch: wire.Batch) -> None:
    """Of the batch's newest sample, which is enough; and how many came late (rule E5)."""
    if batch.samples is not None and batch.samples.timestamp:
        ages_us = now_us() - wire.decode_columns(batch.samples).timestamp
        metrics.FRESHNESS.observe(max(0.0, int(ages_us.min()) / 1e6))
        metrics.LATE_SAMPLES.inc(int((ages_us > LATE_US).sum()))
