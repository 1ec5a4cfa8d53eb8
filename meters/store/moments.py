"""When there are points of series, and on which days: what is asked before points are read.

As in `meters.store.read` the head is read before the chunks, each in a statement with a snapshot of
its own; `first_times` says why it does it the other way round.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from meters.store import chunks
from meters.store.copy_format import decode_int8, decode_times
from meters.store.head import table_of
from meters.store.read import BEGINNING, END, Ids, TooManyPointsError, runs_of
from meters.store.replica import reading
from telemetry_site.arrays import plain_array
from telemetry_site.clock import from_us, now_us
from telemetry_site.prepared import byte_rows

#: As the function does; of the slots those that hold rows.
_TUNED = """
SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_seqscan = off;
SELECT number FROM meters_headslot WHERE state <> 'free'
"""
#: Not by the index, which would be asked for each series alone (migration 0011).
_WANTED = "series_id + 0 = ANY(%s::bigint[]) AND timestamp >= %s AND timestamp < %s"
_OLDEST_OF_SLOT = (
    "SELECT min(timestamp) FROM {} WHERE series_id + 0 = ANY(%s::bigint[]) AND ({near})"
)
_OLDEST = """
SELECT min(start) FROM unnest(%s::bigint[]) AS wanted,
LATERAL (SELECT start FROM meters_chunk WHERE series_id = wanted ORDER BY start LIMIT 1) AS chunk
"""
_DAYS_OF_SLOT = f"""
SELECT date_trunc('day', timestamp, 'UTC'), count(*) FROM {{}} WHERE {_WANTED} AND ({{near}})
GROUP BY 1
"""
_DAYS = """
SELECT start, sum(count)::bigint FROM meters_chunk
WHERE series_id = ANY(%s::bigint[]) AND last >= %s AND start < %s GROUP BY start
"""
#: `Moments`, a byte string a column.
_MOMENTS = "string_agg(int8send(series_id), ''), string_agg(timestamptz_send(at), '')"
#: Migration 0015: a table's `Moments`, and how many rows were looked at.
_NEWEST = "SELECT * FROM meters_newest(%s, %s, %s::bigint, %s)"
#: Of some series, all of which lie in runs of ids: the first or the last time in [start, stop).
_END_OF_SLOT = f"""
SELECT {_MOMENTS} FROM (
    SELECT series_id, {{}}(timestamp) AS at FROM {{}}
    WHERE {_WANTED} AND ({{near}})
    GROUP BY series_id) AS found
"""
_LAST_OF_CHUNKS = f"""
SELECT {_MOMENTS} FROM (
    SELECT series_id, at FROM unnest(%s::bigint[]) AS wanted (series_id), LATERAL (
        SELECT last AS at FROM meters_chunk AS chunk WHERE chunk.series_id = wanted.series_id
        ORDER BY start DESC, last DESC LIMIT 1) AS last_one) AS found
"""
_FILLED = "SELECT sequence FROM meters_headslot WHERE state <> 'free'"
#: All chunks of each series' first day: before they are merged, any of them may begin first.
_FIRST_CHUNKS = f"""
SELECT {chunks.COLUMNS} FROM (
    SELECT chunk.* FROM unnest(%s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT start FROM meters_chunk WHERE series_id = wanted.id ORDER BY start LIMIT 1) AS day
    JOIN meters_chunk AS chunk ON chunk.series_id = wanted.id AND chunk.start = day.start) AS chunk
"""


def oldest_time(series_ids: Sequence[int]) -> datetime | None:
    """No point of the series is older; None if they have none."""
    wanted = list(series_ids)
    if not wanted:
        return None
    near = _near(np.asarray(wanted))

    def read(cursor: CursorWrapper) -> list[datetime | None]:
        found = []
        with _slots(cursor) as slots:
            of_slots = [_OLDEST_OF_SLOT.format(table_of(n), near=near) for n in slots]
            for source in [*of_slots, _OLDEST]:
                cursor.execute(source, [wanted])
                found += cursor.fetchone()
        return found

    return min((moment for moment in reading(read) if moment), default=None)


class Moments(NamedTuple):
    """A time (µs since 1970) of each of some series, each of them once."""

    series: Ids
    times: Ids


def newest_times(
    start: datetime, stop: datetime, most: int | None = None, spanning: bool = True
) -> Moments:
    """All series that have points in [start, stop), with the time of the newest one there.

    Of one that has packed points behind it, too, nobody knows: with `spanning` it is said to have
    one just before `stop`, without it is left out. Raises `TooManyPointsError` for more than `most`
    points in one slot, or chunks that end in the time.
    """

    def read(cursor: CursorWrapper) -> Moments:
        found = byte_rows(cursor, _NEWEST, [start, stop, most, spanning])
        if most is not None and any(held > most for *_, held in found):
            raise TooManyPointsError
        return _one_each(list(map(_moments, found)), newest=True)

    return reading(read)


def first_times(series_ids: Sequence[int]) -> dict[int, int]:
    """When (µs since 1970) the oldest point is of each series that has one.

    The head, whose points are young, is looked at only before what the chunks tell. So it is read
    last, and all again where a slot has been packed meanwhile.
    """
    wanted = list(series_ids)
    if not wanted:
        return {}

    def read(cursor: CursorWrapper) -> Moments:
        while True:
            before = _filled(cursor)
            found = _firsts(cursor, wanted)
            if before <= _filled(cursor):
                return found

    first = reading(read)
    return dict(zip(first.series.tolist(), first.times.tolist(), strict=True))


def _filled(cursor: CursorWrapper) -> set[int]:
    """The openings whose rows are in the head still."""
    cursor.execute(_FILLED)
    return {sequence for (sequence,) in cursor.fetchall()}


def _firsts(cursor: CursorWrapper, wanted: Sequence[int]) -> Moments:
    with _slots(cursor) as slots:
        packed = chunks.as_packed(byte_rows(cursor, _FIRST_CHUNKS, [list(wanted)])[0])
        parts = [Moments(packed.series_id, chunks.first_times(packed))]
        others = np.setdiff1d(wanted, packed.series_id)
        before = from_us(parts[0].times.max(initial=0))
        parts += _ends_of_slots(
            cursor, "min", slots, np.unique(packed.series_id), BEGINNING, before
        )
        parts += _ends_of_slots(cursor, "min", slots, others, BEGINNING, END)
    return _one_each(parts, newest=False)


def last_times(series_ids: Sequence[int]) -> dict[int, int]:
    """When (µs since 1970) the newest point is of each series that has one."""
    wanted = np.asarray(series_ids, dtype=np.int64)
    if not len(wanted):
        return {}

    def read(cursor: CursorWrapper) -> Moments:
        with _slots(cursor) as slots:
            recent = from_us(now_us()) - timedelta(hours=1)
            parts = _ends_of_slots(cursor, "max", slots, wanted, recent, END)
            seen = np.concatenate([part.series for part in parts]) if parts else wanted[:0]
            silent = np.setdiff1d(wanted, seen)
            parts += _ends_of_slots(cursor, "max", slots, silent, BEGINNING, recent)
        parts += map(_moments, byte_rows(cursor, _LAST_OF_CHUNKS, [wanted.tolist()]))
        return _one_each(parts, newest=True)

    last = reading(read)
    return dict(zip(last.series.tolist(), last.times.tolist(), strict=True))


def _ends_of_slots(
    cursor: CursorWrapper, end: str, slots: Sequence[int], series: Ids, start: datetime,
    stop: datetime,
) -> list[Moments]:  # fmt: skip
    """`end` is min or max."""
    if not len(series):
        return []
    near = _near(series)
    parameters = [series.tolist(), start, stop]
    return [
        _moments(fields)
        for number in slots
        for fields in byte_rows(
            cursor, _END_OF_SLOT.format(end, table_of(number), near=near), parameters
        )
    ]


def _moments(fields: Sequence[bytes]) -> Moments:
    return Moments(decode_int8(fields[0]), decode_times(fields[1]))


def _one_each(parts: Sequence[Moments], newest: bool) -> Moments:
    """Of each series the newest moment, or the oldest."""
    series, times = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((-times if newest else times, series))
    series, times = series[order], times[order]
    first = np.ones(len(series), dtype=bool)
    first[1:] = series[1:] != series[:-1]
    return Moments(series[first], times[first])


def points_by_day(
    series_ids: Sequence[int], start: datetime, stop: datetime
) -> dict[datetime, int]:
    """On which days (UTC) the series may have points in [start, stop), and how many at the most."""
    if not len(series_ids):
        return {}
    near, ids = _near(np.asarray(series_ids)), plain_array(series_ids)

    def read(cursor: CursorWrapper) -> dict[datetime, int]:
        found: dict[datetime, int] = defaultdict(int)
        with _slots(cursor) as slots:
            of_slots = [_DAYS_OF_SLOT.format(table_of(n), near=near) for n in slots]
            for source in [*of_slots, _DAYS]:
                cursor.execute(source, [ids, start, stop])
                for day, count in cursor.fetchall():
                    found[day] += count
        return dict(found)

    return reading(read)


@contextmanager
def _slots(cursor: CursorWrapper) -> Iterator[list[int]]:
    """Those that hold rows, and the planner's settings for reading them."""
    with transaction.atomic(cursor.db.alias):
        cursor.execute(_TUNED)
        while cursor.nextset():
            pass
        yield [number for (number,) in cursor.fetchall()]


def _near(series: Ids) -> str:
    """The same as a condition, for the index; it holds for more than these series."""
    runs = zip(*runs_of(series), strict=True)
    return " OR ".join(f"series_id BETWEEN {low} AND {high}" for low, high in runs)
