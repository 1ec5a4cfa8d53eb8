"""Quarantine → the normal path, once more."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
import structlog
from django.conf import settings
from django.db import DataError, IntegrityError

from meters import wire
from meters.models import Quarantine
from meters.store import quarantine
from meters.store.write import store_batch
from telemetry_site import publishing
from telemetry_site.batchmessage import STORE_BATCH, send
from telemetry_site.celery import app
from telemetry_site.clock import now_us
from telemetry_site.queues import answering, broker_errors

log = structlog.get_logger(__name__)

#: Batches made of one quarantined thing get an id that follows from it, so two replays are one.
REPLAY_NAMESPACE = uuid.UUID("6e6e9c59-2b1c-4b8b-9b93-5f3d3f7a3ad5")


def replay(ids: Iterable[int], by: str) -> tuple[int, dict[int, str]]:
    """Send the open rows through the normal path again.

    Returns how many went through and, for the others, {row id: why}. A row that goes through is
    marked as replayed; one that does not stays open. Storing is idempotent, so a replay that was
    cut between storing and marking does no harm.
    """
    done, refused = [], {}
    for row in Quarantine.objects.filter(pk__in=list(ids), state=Quarantine.State.OPEN):
        try:
            replay_one(row)
        except (wire.WireError, DataError, IntegrityError) as error:
            refused[row.pk] = str(error)
            log.warning("replay refused", quarantine=row.pk, reason=str(error))
        else:
            done.append(row.pk)
    quarantine.close(done, Quarantine.State.REPLAYED, by)
    return len(done), refused


def replay_one(row: Quarantine) -> None:
    """Raises `wire.WireError` where the row still can't be stored."""
    if row.truncated:
        raise wire.WireError("the body was too large to be kept whole")
    if row.form == Quarantine.Form.OTHER:
        raise wire.WireError("a value without a message can't be replayed")
    body = bytes(row.body)
    if row.form == Quarantine.Form.NOTIFICATION:
        _resend_notification(row, body)
        return
    if row.form == Quarantine.Form.PUBLICATION:
        _publish_again(row, body)
        return
    result = store_batch(wire.decode_batch(body))
    if result.rejected:
        raise wire.WireError(result.problems[0].detail if result.problems else "rejected again")


def _resend_notification(row: Quarantine, body: bytes) -> None:
    """Back to the notification workers, as a raw batch of one message."""
    raw = wire.RawBatch(
        v=wire.VERSION,
        batch_id=str(uuid.uuid5(REPLAY_NAMESPACE, f"{row.batch_id}/{row.position}/r1")),
        agent_id=row.agent_id,
        created_at=now_us(),
        source=row.source,
        messages=[msgspec.convert({**row.headers, "body": body}, wire.RawMessage)],
    )
    app.send_task(
        "pollers.notification.tasks.handle_notifications",
        args=[wire.encode(raw)],
        queue="notification",
        serializer="msgpack",
        retry=False,
    )


def _publish_again(row: Quarantine, body: bytes) -> None:
    """Back into the queue of the publisher whose target refused it. Under an id of its own, since
    the publisher may remember the other. Raises `wire.WireError` where the broker does not take it.
    """
    batch = wire.decode_batch(body)
    batch_id = str(uuid.uuid5(REPLAY_NAMESPACE, f"{row.pk}/{now_us()}"))
    payload = wire.encode(msgspec.structs.replace(batch, batch_id=batch_id))
    try:
        _put(publishing.queue_of(str(row.headers.get("publisher", ""))), payload)
    except broker_errors() as error:
        raise wire.WireError(f"the broker does not take it: {error}") from error


def _put(queue: Any, payload: bytes) -> None:
    with answering(app) as connection:
        if not settings.BROKER_IS_AMQP:
            publishing.push(connection, queue.name, payload)
            return
        send(connection, STORE_BATCH, [payload, 1], queue, declare=[])
