"""What the store holds, in figures."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from django.db import connection

_SLOTS = """
SELECT number, state, opened_at, pg_total_relation_size('meters_head_' || number)
FROM meters_headslot ORDER BY sequence
"""
_HEAD = "SELECT count(*) FROM meters_head"
_CHUNKS = """
SELECT count(*), coalesce(sum(count), 0), count(*) FILTER (WHERE NOT merged), min(start), max(last),
       pg_total_relation_size('meters_chunk')
FROM meters_chunk
"""
_SERIES = "SELECT count(*) FROM meters_metric"


class Slot(NamedTuple):
    """One table of the head's ring."""

    number: int
    state: str
    opened_at: datetime
    bytes: int


class Info(NamedTuple):
    """`oldest` and `newest` are of the chunks; samples overwritten in the head count there."""

    series: int
    head_samples: int
    chunk_samples: int
    chunks: int
    unmerged: int
    chunk_bytes: int
    oldest: datetime | None
    newest: datetime | None
    slots: list[Slot]

    @property
    def bytes_per_sample(self) -> float | None:
        """Of the samples in chunks, with all that belongs to the table."""
        return self.chunk_bytes / self.chunk_samples if self.chunk_samples else None

    @property
    def oldest_waiting(self) -> datetime | None:
        """When the oldest slot that waits to be packed was opened."""
        return min((slot.opened_at for slot in self.slots if slot.state == "closed"), default=None)


def store_info() -> Info:
    """Counts every chunk's row, not the samples in it: a second for some million rows."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOTS)
        slots = [Slot(*row) for row in cursor.fetchall()]
        cursor.execute(_HEAD)
        (head,) = cursor.fetchone()
        cursor.execute(_CHUNKS)
        chunks, samples, unmerged, oldest, newest, size = cursor.fetchone()
        cursor.execute(_SERIES)
        (series,) = cursor.fetchone()
    return Info(series, head, int(samples), chunks, unmerged, size, oldest, newest, slots)
