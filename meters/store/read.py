"""Reading points: the one door for every API, page, alarm and export.

The head is read first, then the chunks, each in a statement with a snapshot of its own: what is
packed before the second is seen there at the latest, what is seen in both is the same points. The
other way round points would be lost in between, and so they would in a transaction with one
snapshot, since a TRUNCATE shows in older snapshots too: never read in REPEATABLE READ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db.backends.utils import CursorWrapper

from meters.store import chunks
from meters.store.copy_format import (
    copy_out,
    decode_float8,
    decode_int4,
    decode_int8,
    decode_times,
)
from meters.store.head import Rows, table_of
from meters.store.points import Points, join
from meters.store.replica import reading
from telemetry_site.clock import from_us, to_us

#: Physical order is arrival order: no parallel plan, no scan that joins another half-way. And the
#: block range index always: a head that was never analyzed gets a full scan else (370 ms against
#: 25 ms for an hour among 8 million rows), while it costs next to nothing over a whole table.
_BEGIN = """
SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_seqscan = off;
SELECT number FROM meters_headslot WHERE state <> 'free'
"""
#: One row with a byte string a column: the driver takes a Python step a row, 2.6 µs of CPU a point
#: where all the rest takes 0.3. The three aggregates see the same rows in the same order, that of
#: arrival. PostgreSQL's limit of 1 GB a row is some 44 million points.
COLUMNS = """
string_agg(int8send(series_id), ''), string_agg(timestamptz_send(timestamp), ''),
string_agg(float8send(value), '')
"""
_WANTED = "series_id = ANY(%s::bigint[]) AND timestamp >= %s AND timestamp < %s"
CHUNK_COLUMNS = """
string_agg(int8send(series_id), ''), string_agg(timestamptz_send(start), ''),
string_agg(int8send(sequence), ''), string_agg(int4send(count), ''),
string_agg(int4send(time_bytes), ''),
string_agg(int4send(octet_length(data) + octet_length(tail)), ''), string_agg(data || tail, '')
"""
_WANTED_CHUNKS = "series_id = ANY(%s::bigint[]) AND start > %s AND start < %s AND last >= %s"
_CHUNKS = f"""
COPY (SELECT {CHUNK_COLUMNS} FROM (
    SELECT * FROM meters_chunk WHERE {_WANTED_CHUNKS}
    ORDER BY series_id, start, sequence) AS chunk)
TO STDOUT (FORMAT BINARY)
"""
#: And how many points they hold; without the chunks themselves where these are too many.
_CHUNKS_AT_MOST = f"""
COPY (WITH held AS MATERIALIZED (
    SELECT coalesce(sum(count), 0)::bigint AS points FROM meters_chunk WHERE {_WANTED_CHUNKS})
SELECT {CHUNK_COLUMNS}, (SELECT int8send(points) FROM held) FROM (
    SELECT * FROM meters_chunk WHERE {_WANTED_CHUNKS} AND (SELECT points FROM held) <= %s
    ORDER BY series_id, start, sequence) AS chunk)
TO STDOUT (FORMAT BINARY)
"""
#: The one that holds the newest point of all the series' chunks.
_NEWEST_CHUNKS = f"""
COPY (SELECT {CHUNK_COLUMNS} FROM unnest(%s::bigint[]) AS wanted,
      LATERAL (SELECT * FROM meters_chunk WHERE series_id = wanted
               ORDER BY start DESC, last DESC, sequence DESC LIMIT 1) AS chunk)
TO STDOUT (FORMAT BINARY)
"""
_PACKED_COUNTS = f"""
SELECT series_id, sum(count)::bigint FROM meters_chunk WHERE {_WANTED_CHUNKS} GROUP BY series_id
"""
_OLDEST_OF_SLOT = "SELECT min(timestamp) FROM {} WHERE series_id = ANY(%s::bigint[])"
_OLDEST = """
SELECT min(start) FROM unnest(%s::bigint[]) AS wanted,
LATERAL (SELECT start FROM meters_chunk WHERE series_id = wanted ORDER BY start LIMIT 1) AS chunk
"""
_DAYS_OF_SLOT = f"""
SELECT date_trunc('day', timestamp, 'UTC'), count(*) FROM {{}} WHERE {_WANTED} GROUP BY 1
"""
_DAYS = """
SELECT start, sum(count)::bigint FROM meters_chunk
WHERE series_id = ANY(%s::bigint[]) AND last >= %s AND start < %s GROUP BY start
"""
BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
END = datetime.fromisoformat("2263-01-01T00:00:00+00:00")
_DAY = timedelta(days=1)
#: Nearly every series has a point in so long; of the others all points are read.
PREDECESSOR_WITHIN = timedelta(days=1)
#: Series with ids so near to each other lie in the same block ranges of a slot (5 024 rows).
GAP = 1_000
MOST_RUNS = 16

Ids = npt.NDArray[np.int64]


class TooManyPointsError(Exception):
    """More points are packed there than the caller wants to unpack at once."""


class Asked(NamedTuple):
    """Ids of series, the time [start, stop), and how many packed points are too many."""

    series: Ids
    start: datetime
    stop: datetime
    most: int | None = None

    def places(self, ids: Ids) -> Ids:
        """Where each of the ids stands in `series`."""
        order = np.argsort(self.series)
        return order[np.searchsorted(self.series, ids, sorter=order)]


class Fetched(NamedTuple):
    """Fields of a row of `CHUNK_COLUMNS`, still packed, and the head's points."""

    chunks: list[list[bytes]]
    head: list[Points]


def read_points(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Points:
    """All points of the series in [start, stop), sorted by (index, timestamp).

    Where a (series, timestamp) was stored more than once, the value stored last is the one
    returned. `Points.index` is the position in `series_ids`, which must not repeat an id.
    Raises `TooManyPointsError` where more than `most` are packed, before it unpacks any.
    """
    wanted = np.asarray(series_ids, dtype=np.int64)
    if not len(wanted):
        return _join([])
    asked = Asked(wanted, start or BEGINNING, stop or END, most)
    fetched = reading(lambda cursor: _fetch(cursor, _begin(cursor), asked))
    return _join(_decoded(fetched, asked))


def read_points_after_their_predecessors(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Points:
    """As `read_points`, and before `start` at least the last point of each series, if it has one.

    What is derived from two points has a value at the first one in the range only so.
    """
    if start is None:
        return read_points(series_ids, None, stop, most)
    near = read_points(series_ids, start - PREDECESSOR_WITHIN, stop, most)
    before = np.zeros(len(series_ids), dtype=bool)
    before[near.index[near.timestamps < to_us(start)]] = True
    lacking = np.flatnonzero(~before)
    if not len(lacking):
        return near
    far = read_points([series_ids[place] for place in lacking.tolist()], None, stop, most)
    rest = near.take(before[near.index])
    index = np.concatenate((rest.index, lacking[far.index]))
    times = np.concatenate((rest.timestamps, far.timestamps))
    return chunks.arrange(index, times, np.concatenate((rest.values, far.values)))


def packed_counts(
    series_ids: Sequence[int], start: datetime | None = None, stop: datetime | None = None
) -> npt.NDArray[np.int64]:
    """How many points a reading of [start, stop) unpacks, by place; without the head's."""
    wanted, begin = list(series_ids), start or BEGINNING

    def read(cursor: CursorWrapper) -> dict[int, int]:
        cursor.execute(_PACKED_COUNTS, [wanted, begin - _DAY, stop or END, begin])
        return dict(cursor.fetchall())

    found = reading(read)
    return np.array([found.get(series, 0) for series in wanted], dtype=np.int64)


def oldest_time(series_ids: Sequence[int]) -> datetime | None:
    """No point of the series is older; None if they have none."""
    wanted = list(series_ids)

    def read(cursor: CursorWrapper) -> list[datetime | None]:
        found = []
        for source in [*(_OLDEST_OF_SLOT.format(table_of(n)) for n in _begin(cursor)), _OLDEST]:
            cursor.execute(source, [wanted])
            found += cursor.fetchone()
        return found

    return min((moment for moment in reading(read) if moment), default=None)


def points_by_day(
    series_ids: Sequence[int], start: datetime, stop: datetime
) -> dict[datetime, int]:
    """On which days (UTC) the series may have points in [start, stop), and how many at the most."""

    def read(cursor: CursorWrapper) -> dict[datetime, int]:
        found: dict[datetime, int] = defaultdict(int)
        slots = _begin(cursor)
        for source in [*(_DAYS_OF_SLOT.format(table_of(n)) for n in slots), _DAYS]:
            cursor.execute(source, [list(series_ids), start, stop])
            for day, count in cursor.fetchall():
                found[day] += count
        return dict(found)

    return reading(read)


def latest_points(
    series_ids: Sequence[int], within: timedelta | None = None
) -> dict[int, tuple[datetime, float]]:
    """The newest point of each series that has one (in the last `within`, if given)."""
    wanted = list(series_ids)
    if not wanted:
        return {}
    points = _newest(np.asarray(wanted, dtype=np.int64), within)
    last = np.flatnonzero(np.diff(points.index, append=-1))
    return {
        wanted[points.index[row]]: (from_us(points.timestamps[row]), float(points.values[row]))
        for row in last
    }


def _newest(wanted: Ids, within: timedelta | None) -> Points:
    """Points of the last hour; the newest ones of all time for series that have none there."""

    def read(cursor: CursorWrapper) -> list[Points]:
        slots = _begin(cursor)
        seconds = (within or timedelta(hours=1)).total_seconds()
        cursor.execute("SELECT now() - make_interval(secs => %s)", [seconds])
        recent = Asked(wanted, cursor.fetchone()[0], END)
        parts = _decoded(_fetch(cursor, slots, recent), recent)
        seen = np.zeros(len(wanted), dtype=bool)
        for part in parts:
            seen[part.index] = True
        if within is None and not seen.all():
            missing = np.flatnonzero(~seen)
            ever = Asked(wanted[missing], BEGINNING, END)
            head = _from_head(cursor, slots, ever)
            found = copy_out(cursor, _NEWEST_CHUNKS, [ever.series.tolist()])
            more = [*_unpacked(found, ever), *head]
            parts += [part._replace(index=missing[part.index]) for part in more]
        return parts

    return _join(reading(read))


def _begin(cursor: CursorWrapper) -> list[int]:
    """The slots that hold rows."""
    cursor.execute(_BEGIN)
    while cursor.nextset():
        pass
    return [number for (number,) in cursor.fetchall()]


def _fetch(cursor: CursorWrapper, slots: Sequence[int], asked: Asked) -> Fetched:
    """What is stored in [start, stop), as it comes: the shorter the head's locks are held, the
    sooner a packed slot can be emptied.
    """
    head = _from_head(cursor, slots, asked)
    wanted = [asked.series.tolist(), asked.start - _DAY, asked.stop, asked.start]
    if asked.most is None:
        return Fetched(copy_out(cursor, _CHUNKS, wanted), head)
    found = copy_out(cursor, _CHUNKS_AT_MOST, [*wanted, *wanted, asked.most])
    if decode_int8(found[0][-1])[0] > asked.most:
        raise TooManyPointsError
    return Fetched(found, head)


def _decoded(fetched: Fetched, asked: Asked) -> list[Points]:
    """In the order in which it was stored; not sorted."""
    start_us, stop_us = to_us(asked.start), to_us(asked.stop)
    packed = [_cut(part, start_us, stop_us) for part in _unpacked(fetched.chunks, asked)]
    return [*packed, *fetched.head]


def _from_head(cursor: CursorWrapper, slots: Sequence[int], asked: Asked) -> list[Points]:
    """A part a slot, in the order of their filling at the time of this statement: one of `slots`
    may have been emptied and opened again since they were listed.
    """
    if not slots:
        return []
    runs = _runs(asked.series)
    near = " OR ".join(["series_id BETWEEN %s AND %s"] * (len(runs) // 2))
    parts = [
        f"SELECT {COLUMNS}, (SELECT int8send(sequence) FROM meters_headslot WHERE number = {slot}) "
        f"FROM {table_of(slot)} WHERE {_WANTED} AND ({near})"
        for slot in slots
    ]
    statement = f"COPY ({' UNION ALL '.join(parts)}) TO STDOUT (FORMAT BINARY)"
    parameters = [asked.series.tolist(), asked.start, asked.stop, *runs]
    found = copy_out(cursor, statement, parameters * len(slots))
    filled = sorted((fields for fields in found if fields[0]), key=itemgetter(3))
    rows = [as_rows(fields) for fields in filled]
    return [Points(asked.places(one.series_id), one.timestamp, one.value) for one in rows]


def _runs(series: Ids) -> list[int]:
    """First and last id of each of a few runs in which the series lie, one after the other.

    The block range index cannot use `= ANY`; with runs it leaves out what lies elsewhere.
    """
    ids = np.sort(series)
    gaps = np.diff(ids)
    cuts = np.flatnonzero(gaps > GAP)
    if len(cuts) >= MOST_RUNS:
        cuts = np.sort(np.argsort(gaps)[-MOST_RUNS + 1 :])
    firsts, lasts = np.append(0, cuts + 1), np.append(cuts, len(ids) - 1)
    return np.column_stack((ids[firsts], ids[lasts])).ravel().tolist()


def as_rows(fields: Sequence[bytes]) -> Rows:
    """Of `COLUMNS`."""
    return Rows(decode_int8(fields[0]), decode_times(fields[1]), decode_float8(fields[2]))


def as_packed(fields: Sequence[bytes]) -> chunks.Packed:
    """Of `CHUNK_COLUMNS`."""
    return chunks.Packed(
        decode_int8(fields[0]),
        decode_times(fields[1]),
        decode_int8(fields[2]),
        decode_int4(fields[3]),
        decode_int4(fields[4]),
        decode_int4(fields[5]),
        fields[6],
    )


def _unpacked(found: Sequence[Sequence[bytes]], asked: Asked) -> list[Points]:
    parts = []
    for fields in found:
        packed = as_packed(fields)
        if len(packed.counts):
            index = np.repeat(asked.places(packed.series_id), packed.counts)
            parts.append(Points(index, *chunks.unpack(packed)))
    return parts


def _cut(points: Points, start_us: int, stop_us: int) -> Points:
    """Without what a day's chunk holds outside of [start, stop)."""
    inside = (points.timestamps >= start_us) & (points.timestamps < stop_us)
    return points if inside.all() else points.take(inside)


def _join(parts: Sequence[Points]) -> Points:
    """Sorted by (index, timestamp); of each pair the one that was stored last."""
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Points(empty, empty, np.empty(0, dtype=np.float64))
    return chunks.arrange(*join(parts))
