"""Chunks past their retention go: a walk over all series, a few thousand at each step.

A step is one transaction: the chunks of the next series, and how far the walk has come. So it goes
on where it was killed, and of two at once one finds the walk taken and leaves it. A step costs a
look into the chunks' key for each series, hence a walk of a million is cheap once a day.

A policy counts from the newest sample in the chunks. The head may hold a newer one: then the next
walk deletes a little more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.functions import Now

from meters import metrics
from meters.models import ArchivePolicy, Metric, RetentionWalk
from meters.retention import earliest
from meters.store.locks import RETENTION_LOCK, alone
from meters.store.read import BEGINNING, END
from telemetry_site.failpoints import failpoint

log = structlog.get_logger(__name__)

WALK_EVERY = "1 day"
#: Of one run of the periodic job.
WALKED_S = 20.0
SERIES_AT_ONCE = 5_000
#: Of each of a step's two statements; after a full one the same series are looked at again.
CHUNKS_AT_ONCE = 5_000
#: Between any two samples is less.
_ENDLESS_US = (END - BEGINNING) // timedelta(microseconds=1)

_BEGIN = """
INSERT INTO meters_retentionwalk AS walk (id, position, begun_at) VALUES (1, 0, now())
ON CONFLICT (id) DO UPDATE SET position = 0, begun_at = now(), ended_at = NULL
WHERE walk.ended_at IS NOT NULL AND walk.begun_at < now() - %s::interval
"""
#: Whole days, and of each the chunks stored first go first: what was overwritten never comes back.
#: What is being merged is skipped: two that wait for each other's chunks would be a deadlock.
_BY_CLOCK = """
DELETE FROM meters_chunk WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM meters_chunk WHERE series_id = ANY(%s) AND start < %s - interval '1 day'
    ORDER BY series_id, start, sequence LIMIT %s FOR UPDATE SKIP LOCKED))
"""
#: The last chunk that is past stays: a rate at the first sample that is kept needs its predecessor.
_BY_POLICY = """
DELETE FROM meters_chunk WHERE ctid = ANY(ARRAY(
    SELECT chunk.ctid FROM unnest(%s::bigint[], %s::bigint[]) AS asked (series, span_us),
    LATERAL (SELECT last - span_us * interval '1 microsecond' AS bound FROM meters_chunk
             WHERE series_id = series ORDER BY start DESC, last DESC LIMIT 1) AS newest,
    LATERAL (SELECT start AS day FROM meters_chunk
             WHERE series_id = series AND start <= bound AND last <= bound
             ORDER BY start DESC LIMIT 1) AS predecessor,
    meters_chunk AS chunk
    WHERE chunk.series_id = series AND chunk.start < day
    ORDER BY chunk.series_id, chunk.start, chunk.sequence
    LIMIT %s FOR UPDATE OF chunk SKIP LOCKED))
"""


class Step(NamedTuple):
    """Series looked at, and their chunks deleted."""

    series: int
    chunks: int


def walk(seconds: float = WALKED_S) -> None:
    """Go on with the walk for about so long, or begin one when it is due."""
    end, series, chunks = time.monotonic() + seconds, 0, 0
    while (done := step()) and time.monotonic() < end:
        series, chunks = series + done.series, chunks + done.chunks
    if chunks:
        log.info("chunks past their retention deleted", series=series, chunks=chunks)


def step() -> Step | None:
    """The next series of the walk; None where it has ended, or others are at it."""
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor, RETENTION_LOCK):
            return None
        cursor.execute(_BEGIN, [WALK_EVERY])
        at = RetentionWalk.objects.filter(ended_at=None).annotate(now=Now()).first()
        if at is None:
            return None
        rows = Metric.objects.filter(pk__gt=at.position).order_by("pk")
        series = dict(rows.values_list("pk", "archive_policy_id")[:SERIES_AT_ONCE])
        deleted = _delete(cursor, series, earliest(at.now))
        if not series:
            at.ended_at = at.now
        elif max(deleted) < CHUNKS_AT_ONCE:
            at.position = max(series)
        at.save()
        failpoint("retention.before_commit")
    for reason, chunks in zip(("age", "policy"), deleted, strict=True):
        metrics.CHUNKS_DELETED.labels(reason).inc(chunks)
    return Step(len(series), sum(deleted)) if series else None


def _delete(
    cursor: CursorWrapper, series: Mapping[int, int | None], bound: datetime
) -> tuple[int, int]:
    """How many chunks went by the clock, how many by a policy."""
    by_clock = [pk for pk, policy in series.items() if policy is None]
    cursor.execute(_BY_CLOCK, [by_clock, bound, CHUNKS_AT_ONCE])
    aged = int(cursor.rowcount)
    spans = _spans()
    by_policy = {pk: spans[policy] for pk, policy in series.items() if policy in spans}
    cursor.execute(_BY_POLICY, [list(by_policy), list(by_policy.values()), CHUNKS_AT_ONCE])
    return aged, int(cursor.rowcount)


def _spans() -> dict[int | None, int]:
    """How long the policies keep samples, without those that keep them for ever."""
    spans = {policy.pk: policy.longest_us for policy in ArchivePolicy.objects.all()}
    return {pk: span for pk, span in spans.items() if span is not None and span < _ENDLESS_US}
