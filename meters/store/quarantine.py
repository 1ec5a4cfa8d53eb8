"""The quarantine: what could not be stored, whole, with the reason; replay and discard (C7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection, models, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now

from meters import wire
from meters.models import Quarantine

MAX_BODY = 1 << 20
_REASONS = frozenset(Quarantine.Reason.values)

INSERT = """
INSERT INTO meters_quarantine (form, source, agent_id, batch_id, position, reason, detail,
                               json_path, body, truncated, sha256, headers, state, closed_by)
VALUES (%(form)s, %(source)s, %(agent_id)s, %(batch_id)s, %(position)s, %(reason)s, %(detail)s,
        %(json_path)s, %(body)s, %(truncated)s, %(sha256)s, %(headers)s::jsonb, 'open', '')
ON CONFLICT (batch_id, form, position, reason) WHERE NOT (batch_id = '') DO NOTHING
"""


@dataclass(frozen=True)
class Item:
    """One thing to put into the quarantine."""

    form: Quarantine.Form
    reason: str
    detail: str
    body: bytes
    batch_id: str = ""
    agent_id: str = ""
    source: str = ""
    json_path: str = ""
    position: int = 0
    headers: dict[str, Any] | None = None


def put(cursor: CursorWrapper, item: Item) -> None:
    """Keep the item; one that is there already (a batch delivered again) is left as it is."""
    cursor.execute(
        INSERT,
        {
            "form": item.form,
            "source": _text(item.source, 1024),
            "agent_id": _text(item.agent_id, 255),
            "batch_id": _text(item.batch_id, 64),
            "position": item.position,
            "reason": item.reason if item.reason in _REASONS else Quarantine.Reason.UNKNOWN,
            "detail": _text(item.detail, 8192),
            "json_path": _text(item.json_path, 255),
            "body": item.body[:MAX_BODY],
            "truncated": len(item.body) > MAX_BODY,
            "sha256": hashlib.sha256(item.body).hexdigest(),
            "headers": msgspec.json.encode(item.headers or {}).decode(),
        },
    )


def put_payload(payload: bytes, reason: str, detail: str) -> None:
    """A whole message that can't be stored, in a transaction of its own."""
    _, batch_id, agent_id = wire.peek_header(payload)
    with transaction.atomic(), connection.cursor() as cursor:
        item = Item(Quarantine.Form.BATCH, reason, detail, payload, batch_id, agent_id)
        put(cursor, item)


def put_samples(
    cursor: CursorWrapper, batch: wire.Batch, samples: wire.SampleBatch, reason: str, detail: str
) -> None:
    """Some samples of a batch, as a batch of their own that replay can store."""
    kept = msgspec.structs.replace(batch, samples=samples, events=None, reports=[], rejects=[])
    body = wire.encode(kept)
    form = Quarantine.Form.SAMPLES
    put(cursor, Item(form, reason, detail, body, batch.batch_id, batch.agent_id))


def put_rejects(cursor: CursorWrapper, batch: wire.Batch) -> None:
    """What an agent could not convert, or a publisher's target refused."""
    for position, reject in enumerate(batch.rejects):
        put(
            cursor,
            Item(
                _form_of(reject),
                reject.reason,
                reject.detail,
                reject.body,
                batch.batch_id,
                batch.agent_id,
                source=reject.source,
                json_path=reject.path,
                position=position,
                headers=reject.headers,
            ),
        )


def _form_of(reject: wire.Reject) -> Quarantine.Form:
    if reject.reason == Quarantine.Reason.REFUSED:
        return Quarantine.Form.PUBLICATION
    return Quarantine.Form.NOTIFICATION if reject.headers else Quarantine.Form.OTHER


def close(ids: Iterable[int], state: Quarantine.State, by: str) -> int:
    """Mark open rows as replayed or discarded; returns how many were open."""
    rows = Quarantine.objects.filter(pk__in=list(ids), state=Quarantine.State.OPEN)
    return rows.update(state=state, closed_at=Now(), closed_by=_text(by, 255))


def discard(ids: Iterable[int], by: str) -> int:
    return close(ids, Quarantine.State.DISCARDED, by)


def open_counts() -> dict[str, int]:
    """{reason: count} of what is open."""
    rows = Quarantine.objects.filter(state=Quarantine.State.OPEN)
    counted = rows.values_list("reason").annotate(count=models.Count("pk"))
    return dict(counted.order_by("-count"))


def replayable(rows: Sequence[Quarantine]) -> list[Quarantine]:
    """Those whose whole body is here and whose form has a way back in."""
    return [row for row in rows if not row.truncated and row.form != Quarantine.Form.OTHER]


def _text(text: str, limit: int) -> str:
    """Text that PostgreSQL can hold: no NUL, not too long."""
    return text.replace("\x00", "\\x00")[:limit]
