"""Poll reports → the sources page, and the ingest rate by minute."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec
from django.db.backends.utils import CursorWrapper
from django.db.models import Sum
from django.db.models.functions import Now, TruncMinute

from meters import wire
from meters.models import IngestMinute
from telemetry_site.clock import from_us

if TYPE_CHECKING:
    from meters.store.write import StoreResult

MAX_ERRORS = 20
RATE_MINUTES = 5

#: The newest slot of a source wins, in whatever order reports arrive.
UPSERT_SOURCES = """
INSERT INTO meters_source (kind, name, agent_id, interval_s, last_slot, last_poll, last_success,
                           last_received, duration_s, samples, outcome, errors, details)
SELECT kind, name, agent_id, interval_s, slot, started,
       CASE WHEN outcome <> 'error' THEN started END, now(), duration_s, samples, outcome,
       errors::jsonb, details::jsonb
FROM (SELECT DISTINCT ON (kind, name, agent_id) * FROM
    unnest(%(kinds)s::text[], %(names)s::text[], %(agents)s::text[], %(intervals)s::float8[],
           %(slots)s::timestamptz[], %(starts)s::timestamptz[], %(durations)s::float8[],
           %(samples)s::int[], %(outcomes)s::text[], %(errors)s::text[], %(details)s::text[])
    AS asked (kind, name, agent_id, interval_s, slot, started, duration_s, samples, outcome,
              errors, details)
    ORDER BY kind, name, agent_id, slot DESC) AS newest
ON CONFLICT (kind, name, agent_id) DO UPDATE SET
    interval_s = EXCLUDED.interval_s, last_slot = EXCLUDED.last_slot,
    last_poll = EXCLUDED.last_poll, last_received = EXCLUDED.last_received,
    last_success = COALESCE(EXCLUDED.last_success, meters_source.last_success),
    duration_s = EXCLUDED.duration_s, samples = EXCLUDED.samples, outcome = EXCLUDED.outcome,
    errors = EXCLUDED.errors, details = EXCLUDED.details
WHERE meters_source.last_slot <= EXCLUDED.last_slot
"""

INSERT_REPORTS = """
INSERT INTO meters_pollreport (source_id, batch_id, position, slot, started, duration_s, samples,
                               outcome, errors)
SELECT source.id, %(batch_id)s, position - 1, slot, started, asked.duration_s, asked.samples,
       asked.outcome, asked.errors::jsonb
FROM unnest(%(kinds)s::text[], %(names)s::text[], %(agents)s::text[], %(slots)s::timestamptz[],
            %(starts)s::timestamptz[], %(durations)s::float8[], %(samples)s::int[],
            %(outcomes)s::text[], %(errors)s::text[]) WITH ORDINALITY
    AS asked (kind, name, agent_id, slot, started, duration_s, samples, outcome, errors, position)
JOIN meters_source AS source USING (kind, name, agent_id)
ON CONFLICT (batch_id, position) DO NOTHING
"""

#: This program and its forks, also where several machines or containers have one name.
_TREE = f"{socket.gethostname()}:{secrets.token_hex(4)}"
#: A row for each thread, so that none of those that store wait for each other.
COUNT_MINUTE = """
INSERT INTO meters_ingestminute (minute, worker, batches, samples, events, rejected)
VALUES (date_trunc('minute', now()), %s, %s, %s, %s, %s)
ON CONFLICT (minute, worker) DO UPDATE SET
    batches = meters_ingestminute.batches + EXCLUDED.batches,
    samples = meters_ingestminute.samples + EXCLUDED.samples,
    events = meters_ingestminute.events + EXCLUDED.events,
    rejected = meters_ingestminute.rejected + EXCLUDED.rejected
"""


def insert(cursor: CursorWrapper, batch: wire.Batch) -> None:
    """File the reports of a batch and bring their sources up to date."""
    columns = _columns(batch)
    cursor.execute(UPSERT_SOURCES, columns)
    cursor.execute(INSERT_REPORTS, columns)


def count_minute(cursor: CursorWrapper, results: Sequence[StoreResult]) -> None:
    cursor.execute(COUNT_MINUTE, counted(results))


def counted(results: Sequence[StoreResult]) -> list[str | int]:
    """The parameters of `COUNT_MINUTE`."""
    return [
        f"{_TREE}:{threading.get_native_id()}",
        len(results),
        sum(result.samples for result in results),
        sum(result.events for result in results),
        sum(result.rejected for result in results),
    ]


def ingest_rates() -> dict[str, float]:
    """What was stored a second, over the last whole minutes of all collectors."""
    this_minute = TruncMinute(Now())
    rows = IngestMinute.objects.filter(
        minute__gte=this_minute - timedelta(minutes=RATE_MINUTES), minute__lt=this_minute
    )
    sums = rows.aggregate(
        samples_per_s=Sum("samples"), events_per_s=Sum("events"), rejected_per_s=Sum("rejected")
    )
    return {name: (total or 0) / (RATE_MINUTES * 60) for name, total in sums.items()}


def _columns(batch: wire.Batch) -> dict[str, Any]:
    reports = batch.reports
    return {
        "batch_id": batch.batch_id,
        "kinds": [report.kind for report in reports],
        "names": [report.source for report in reports],
        "agents": [batch.agent_id for _ in reports],
        "intervals": [report.interval_s for report in reports],
        "slots": [from_us(report.slot) for report in reports],
        "starts": [from_us(report.started) for report in reports],
        "durations": [report.duration_s for report in reports],
        "samples": [report.samples for report in reports],
        "outcomes": [report.outcome for report in reports],
        "errors": [msgspec.json.encode(report.errors[:MAX_ERRORS]).decode() for report in reports],
        "details": [msgspec.json.encode(report.details).decode() for report in reports],
    }
