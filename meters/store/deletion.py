"""Metrics and resources that go, with all that was stored of them.

How it stays right beside collectors, packing and merging:

1. One transaction under the catalogue's lock deletes the rows, raises the epoch and notes the
   series ids. Nobody finds them from its commit on, and collectors that knew them resolve anew.
2. `sweep_deleted` then deletes the chunks of the noted series, few at a time. Samples in the head
   go when their slot is packed.
3. A note goes last, in a transaction that has the locks of packing and merging: whoever looked for
   the metric before it was deleted has ended, so no chunk of it can appear any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from meters import metrics
from meters.models import STANDALONE
from meters.store.catalogue import lock_catalogue
from meters.store.catalogue_statements import RAISE_EPOCH
from meters.store.locks import COMPACTION_LOCK, MERGE_LOCK, alone
from telemetry_site.failpoints import failpoint

#: Deleted in one transaction, during which nothing is packed: a tenth of a second.
CHUNKS_AT_ONCE = 5_000
SERIES_AT_ONCE = 1_000

_DELETE_METRICS = """
WITH gone AS (DELETE FROM meters_metric WHERE {} = ANY(%s) RETURNING id, resource_id),
noted AS (INSERT INTO meters_deletedseries (series_id) SELECT id FROM gone)
SELECT count(*), coalesce(array_agg(DISTINCT resource_id), '{{}}') FROM gone
"""
_STAND_INS = """
SELECT id FROM meters_resource AS resource WHERE id = ANY(%s) AND type = %s
AND NOT EXISTS (SELECT FROM meters_metric WHERE resource_id = resource.id)
"""
_DELETE_RESOURCES = """
WITH history AS (DELETE FROM meters_resourcerevision WHERE resource_id = ANY(%(ids)s))
DELETE FROM meters_resource WHERE id = ANY(%(ids)s)
"""
_NOTED = "SELECT series_id FROM meters_deletedseries ORDER BY series_id LIMIT %s"
_DELETE_CHUNKS = """
DELETE FROM meters_chunk WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM meters_chunk WHERE series_id = ANY(%s) LIMIT %s))
"""
_DELETE_NOTES = """
DELETE FROM meters_deletedseries AS note WHERE series_id = ANY(%s)
AND NOT EXISTS (SELECT FROM meters_chunk WHERE series_id = note.series_id)
"""


class Swept(NamedTuple):
    """Series that are gone for good, and chunks deleted."""

    series: int
    chunks: int


def delete_metrics(ids: Sequence[int]) -> int:
    """Delete the metrics and all that is stored of them; returns how many there were.

    A resource that stands for one of them goes too.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        lock_catalogue(cursor)
        cursor.execute(_DELETE_METRICS.format("id"), [list(ids)])
        count, owners = cursor.fetchone()
        cursor.execute(_STAND_INS, [owners, STANDALONE])
        _delete_resources(cursor, [pk for (pk,) in cursor.fetchall()])
        cursor.execute(RAISE_EPOCH)
        failpoint("deletion.before_commit")
    return int(count)


def delete_resources(ids: Sequence[int]) -> int:
    """Delete the resources with their metrics, samples and history; returns how many there were."""
    with transaction.atomic(), connection.cursor() as cursor:
        lock_catalogue(cursor)
        cursor.execute(_DELETE_METRICS.format("resource_id"), [list(ids)])
        count = _delete_resources(cursor, ids)
        cursor.execute(RAISE_EPOCH)
        failpoint("deletion.before_commit")
    return count


def _delete_resources(cursor: CursorWrapper, ids: Sequence[int]) -> int:
    cursor.execute(_DELETE_RESOURCES, {"ids": list(ids)})
    return int(cursor.rowcount)


def sweep_deleted() -> Swept | None:
    """Delete some chunks of deleted series; None if there is nothing to do, or others are at it.

    Safe to run twice at once and to be killed: each call is one transaction.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor, COMPACTION_LOCK, MERGE_LOCK):
            return None
        cursor.execute(_NOTED, [SERIES_AT_ONCE])
        series = [pk for (pk,) in cursor.fetchall()]
        if not series:
            return None
        cursor.execute(_DELETE_CHUNKS, [series, CHUNKS_AT_ONCE])
        chunks = int(cursor.rowcount)
        cursor.execute(_DELETE_NOTES, [series])
        swept = Swept(int(cursor.rowcount), chunks)
        failpoint("sweeper.before_commit")
    metrics.CHUNKS_DELETED.labels("deletion").inc(chunks)
    return swept
