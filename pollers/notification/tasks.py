"""The notification workers' task: undecoded messages in; one batch for the collector out, and what
pipelines hand to publishers.
"""

from __future__ import annotations

import hashlib
import uuid

import structlog
from celery.exceptions import Reject

from meters import wire
from pollers.agent import agent_id
from pollers.notification import metrics
from pollers.notification.loading import current_converter
from pollers.notification.packing import Tally
from pollers.publish import (
    HANDLE_NOTIFICATIONS,
    PublishError,
    feed_publisher,
    publish_batch,
)
from telemetry_site.celery import app
from telemetry_site.clock import now_us
from telemetry_site.patience import PATIENCE_S, patiently

log = structlog.get_logger(__name__)

#: Payloads without readable header get an id that follows from them, so two deliveries are one.
UNREADABLE_NAMESPACE = uuid.UUID("a3a4a9e6-6c2b-4d4f-8f0d-0b8e1c1c5c4e")
NOTES_IN_LOG = 5
#: {publisher: batches for it alone}.
Published = dict[str, list[wire.Batch]]


@app.task(name=HANDLE_NOTIFICATIONS, queue="notification")
def handle_notifications(payload: bytes) -> None:
    """Convert a `wire.RawBatch` and pass it on under its own id (rule X3).

    Raises nothing but `Reject` (requeue), when the broker does not take the result.
    """
    batch, published = convert_payload(payload)
    try:
        patiently(lambda: _hand_on(batch, published), (PublishError,), _broker_away, PATIENCE_S)
    except PublishError as error:
        log.warning("broker away, notifications go back", batch=batch.batch_id, error=str(error))
        raise Reject(str(error), requeue=True) from error


def _hand_on(batch: wire.Batch, published: Published) -> None:
    """To the publishers first: once the collector has its batch, nothing of it comes again."""
    for publisher, batches in published.items():
        for one in batches:
            feed_publisher(publisher, one)
    publish_batch(batch)


def convert_payload(payload: bytes) -> tuple[wire.Batch, Published]:
    """What cannot be converted at all becomes one reject that holds the whole payload."""
    try:
        batch, tally, published = current_converter().convert(wire.decode_raw_batch(payload))
    except wire.WireError as error:
        return _rejected_whole(payload, error.reason, str(error)), {}
    except Exception as error:
        # Conversion is pure, so another delivery would fail alike: into the quarantine at once.
        metrics.UNKNOWN_ERRORS.labels("batch").inc()
        log.exception("a batch of notifications could not be converted")
        return _rejected_whole(payload, "unknown", f"{type(error).__name__}: {error}"), {}
    _count(batch, tally)
    return batch, published


def _rejected_whole(payload: bytes, reason: str, detail: str) -> wire.Batch:
    """Under the payload's own ids where they can be read, so that its spool file is receipted."""
    _, batch_id, sender = wire.peek_header(payload)
    try:
        uuid.UUID(batch_id)
    except ValueError:
        digest = hashlib.sha256(payload).hexdigest()
        batch_id = str(uuid.uuid5(UNREADABLE_NAMESPACE, digest))
    metrics.CONVERTED.labels("rejected").inc()
    log.warning("raw batch rejected", batch=batch_id, reason=reason, detail=detail)
    return wire.Batch(
        v=wire.VERSION,
        batch_id=batch_id,
        agent_id=sender or agent_id(),
        created_at=now_us(),
        rejects=[wire.Reject(reason, detail, payload, source="raw batch of notifications")],
    )


def _broker_away(error: Exception) -> None:
    log.info("broker does not take a batch, trying again", error=str(error))


def _count(batch: wire.Batch, tally: Tally) -> None:
    for result, number in tally.results.items():
        metrics.CONVERTED.labels(result).inc(number)
    metrics.SAMPLES_BUILT.inc(tally.samples)
    metrics.SAMPLES_EMPTY.inc(tally.empty)
    if tally.notes:
        metrics.VALUES_LEFT_OUT.inc(tally.notes.total())
        worst = [f"{text} ({number}×)" for text, number in tally.notes.most_common(NOTES_IN_LOG)]
        log.info("values left out", batch=batch.batch_id, number=tally.notes.total(), worst=worst)
    if tally.unsigned:
        metrics.BAD_SIGNATURES.inc(tally.unsigned.total())
        log.warning("signatures do not fit", batch=batch.batch_id, senders=dict(tally.unsigned))
    if batch.rejects:
        reasons = sorted({reject.reason for reject in batch.rejects})
        log.warning(
            "notifications rejected",
            batch=batch.batch_id,
            number=len(batch.rejects),
            reasons=reasons,
        )
