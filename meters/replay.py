"""Quarantine → the normal path, once more."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import msgspec
import structlog
from django.db import DataError, IntegrityError

from meters import wire
from meters.models import Quarantine
from meters.store import quarantine
from meters.store.write import store_batch
from telemetry_site.celery import app
from telemetry_site.clock import now_us

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
