"""From closed head slots to chunks, and from many chunks of a day to one.

Both jobs may be killed at any point, run twice at once and be tried again: each step is one
transaction, and an advisory lock lets one process at a time do it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import structlog
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import LockNotAvailable

from meters import metrics
from meters.models import HeadSlot
from meters.store import chunks, head
from meters.store.deletion import sweep_deleted
from meters.store.head import Rows, table_of
from meters.store.info import ring
from meters.store.locks import COMPACTION_LOCK, MERGE_LOCK, alone, take_long
from meters.store.points import Points
from meters.store.read import COLUMNS, as_rows
from telemetry_site.failpoints import failpoint
from telemetry_site.prepared import byte_rows

log = structlog.get_logger(__name__)

#: Pages of a slot that are packed at once (some 6 million rows, 400 MB of arrays), and how many
#: such pieces the sequence numbers of chunks have room for.
PIECE_PAGES = 32_768
PIECE_BITS = 10
#: How long the writers that were in a slot when it was closed are waited for.
WRITERS_WITHIN = "5s"
#: Readers that come while the emptying waits for those before them wait as long as it does. Each
#: try waits longer, up to the last figure: under many slow readers its turn would never come else.
EMPTYING_WAITS_MS = (100, 800)
EMPTYING_TRIES = 20
#: So many chunks of one day are merged before the day is over.
FAN_IN = 8
#: After a day's end its late samples are waited for.
LATE = "2 hours"
#: Days of single series that are merged in one transaction.
MERGE_BATCH = 2_000
#: Of one run of the periodic job.
TENDED_S = 20.0
#: Chunks become due for merging by packing, or because a day is over: so often is looked for the
#: latter. With a million series a look takes half a second.
LOOKS_EACH_S = 300.0

_PIECE = f"""
SELECT {COLUMNS} FROM (
    SELECT head.* FROM %(table)s AS head
    WHERE ctid >= '(%(begin)d,0)' AND ctid < '(%(end)d,0)') AS piece
"""
_EXISTING = "SELECT id FROM meters_metric WHERE id = ANY(%s)"
_DUE = f"""
SELECT start, series_id FROM meters_chunk WHERE NOT merged GROUP BY start, series_id
HAVING count(*) >= {FAN_IN} OR start < now() - interval '1 day' - interval '{LATE}'
"""
_MERGE = f"""
WITH due AS ({_DUE} ORDER BY start, series_id LIMIT %s), taken AS (
    DELETE FROM meters_chunk AS chunk USING due
    WHERE chunk.series_id = due.series_id AND chunk.start = due.start RETURNING chunk.*
)
SELECT {chunks.COLUMNS} FROM (SELECT * FROM taken ORDER BY series_id, start, sequence) AS chunk
"""


class Packing(NamedTuple):
    """What one slot became: rows that lay there, points kept of them, chunks made; and how many
    seconds it was waited for readers.
    """

    slot: int
    rows: int
    points: int
    chunks: int
    waited_s: float


#: When this process looks again for chunks to merge.
_next_look = 0.0


def tend(seconds: float = TENDED_S) -> None:
    """Rotate, pack, merge and sweep what is due, for about so long."""
    global _next_look
    end = time.monotonic() + seconds
    head.summarize()
    head.rotate()
    while time.monotonic() < end and (packing := compact()):
        _next_look = 0.0
        metrics.COMPACTIONS.inc()
        metrics.CHUNKS_WRITTEN.labels("compaction").inc(packing.chunks)
        log.info("slot packed", **packing._asdict())
    while _next_look < time.monotonic() < end:
        if merged := merge():
            metrics.CHUNKS_WRITTEN.labels("merge").inc(merged)
        else:
            _next_look = time.monotonic() + LOOKS_EACH_S
    while (swept := sweep_deleted()) and time.monotonic() < end:
        log.info("deleted series swept", **swept._asdict())
    _measure()


def _measure() -> None:
    now = ring()
    metrics.HEAD_SLOTS_FREE.set(now.free)
    metrics.COMPACTION_LAG.set(now.lag_s)
    metrics.STORE_BYTES.labels("head").set(now.head_bytes)
    metrics.STORE_BYTES.labels("chunks").set(now.chunk_bytes)


def compact() -> Packing | None:
    """Pack the oldest closed slot into chunks and free it; None if there is nothing to do.

    Raises `OperationalError` when readers hold the slot for too long: all is as before.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        slot = _oldest_closed(cursor)
        if slot is None:
            return None
        take_long(cursor)
        cursor.execute(f"SET LOCAL lock_timeout = '{WRITERS_WITHIN}'")
        cursor.execute(f"LOCK TABLE {table_of(slot.number)} IN SHARE MODE")
        rows = points = made = 0
        for piece, arrived in enumerate(_pieces(cursor, slot.number)):
            kept = _existing(cursor, chunks.arrange(*arrived))
            sequence = np.full(len(kept.index), (slot.sequence << PIECE_BITS) | piece)
            made += chunks.write(cursor, kept, sequence, merged=False)
            rows, points = rows + len(arrived.series_id), points + len(kept.index)
        failpoint("compactor.after_copy")
        began = time.monotonic()
        _empty(cursor, slot)
        waited_s = time.monotonic() - began
        failpoint("compactor.before_commit")
    return Packing(slot.number, rows, points, made, waited_s)


def merge(at_most: int = MERGE_BATCH) -> int:
    """Merge due chunks, each series' of a day into one; returns how many are left of them.

    0 when nothing is due. A day is due when it has `FAN_IN` new chunks, or is over.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor, MERGE_LOCK):
            return 0
        take_long(cursor)
        (fields,) = byte_rows(cursor, _MERGE, [at_most])
        packed = chunks.as_packed(fields)
        if not len(packed.counts):
            return 0
        points = chunks.arrange(np.repeat(packed.series_id, packed.counts), *chunks.unpack(packed))
        failpoint("merger.before_write")
        return chunks.write(cursor, points, _highest(packed, points), merged=True)


def due_for_merging() -> int:
    """How many days of single series."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM ({_DUE}) AS due")
        return int(cursor.fetchone()[0])


def _highest(packed: chunks.Packed, points: Points) -> chunks.Ints:
    """For each point the highest sequence among the chunks of its series and day."""
    last = np.ones(len(packed.counts), dtype=bool)
    last[:-1] = np.diff(packed.series_id) != 0
    last[:-1] |= np.diff(packed.start) != 0
    changes = np.diff(points.index) != 0
    changes |= np.diff(points.timestamps // chunks.DAY_US) != 0
    return packed.sequence[last][np.concatenate(([0], np.cumsum(changes)))]


def _oldest_closed(cursor: CursorWrapper) -> HeadSlot | None:
    """Oldest first, one after the other: the order of their sequences is that of storing."""
    if not alone(cursor, COMPACTION_LOCK):
        return None
    return HeadSlot.objects.filter(state=HeadSlot.State.CLOSED).order_by("sequence").first()


def _pieces(cursor: CursorWrapper, slot: int) -> Iterator[Rows]:
    table = table_of(slot)
    cursor.execute("SELECT pg_relation_size(%s) / current_setting('block_size')::int", [table])
    (pages,) = cursor.fetchone()
    step = max(PIECE_PAGES, -(-pages >> PIECE_BITS))
    for begin in range(0, pages, step):
        statement = _PIECE % {"table": table, "begin": begin, "end": begin + step}
        (fields,) = byte_rows(cursor, statement)
        if fields[0]:
            yield as_rows(fields)


def _existing(cursor: CursorWrapper, points: Points) -> Points:
    """Without the points of metrics that were deleted."""
    series = np.unique(points.index)
    cursor.execute(_EXISTING, [series.tolist()])
    existing = np.array([pk for (pk,) in cursor.fetchall()], dtype=np.int64)
    if len(existing) == len(series):
        return points
    return points.take(np.isin(points.index, existing))


def _empty(cursor: CursorWrapper, slot: HeadSlot) -> None:
    """TRUNCATE waits for readers only briefly at a time, since others queue behind it."""
    first, most = EMPTYING_WAITS_MS
    for tried in range(1, EMPTYING_TRIES + 1):
        try:
            with transaction.atomic():
                cursor.execute(f"SET LOCAL lock_timeout = '{min(first * tried, most)}ms'")
                cursor.execute(f"TRUNCATE {table_of(slot.number)}")
            break
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or tried == EMPTYING_TRIES:
                raise
            time.sleep(0.1)
    slot.state = HeadSlot.State.FREE
    slot.save(update_fields=["state"])
