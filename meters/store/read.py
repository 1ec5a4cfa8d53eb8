"""Reading points: the one door for every API, page, alarm and export.

The head is read first, then the chunks, by one function of the database but each in a statement
with a snapshot of its own: what is packed before the second is seen there at the latest, what is
seen in both is the same points. The other way round points would be lost in between, and so they
would in a transaction with one snapshot, since a TRUNCATE shows in older snapshots too: never read
in REPEATABLE READ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from meters.store import chunks
from meters.store.copy_format import (
    copy_out,
    decode_float8,
    decode_int8,
    decode_times,
)
from meters.store.head import Rows, table_of
from meters.store.points import Points, join, split
from meters.store.replica import reading
from telemetry_site.arrays import number_array
from telemetry_site.clock import from_us, now_us, to_us

#: As the function does; of the slots those that hold rows.
_TUNED = """
SET LOCAL synchronize_seqscans = off; SET LOCAL max_parallel_workers_per_gather = 0;
SET LOCAL enable_seqscan = off;
SELECT number FROM meters_headslot WHERE state <> 'free'
"""
#: Migration 0011. A head's row, then the chunks', with their columns as `Found` names them.
_POINTS = """
COPY (SELECT * FROM meters_points(%s::bigint[], %s::bigint[], %s::bigint[], %s, %s, %s, %s))
TO STDOUT (FORMAT BINARY)
"""
#: One row with a byte string a column: the driver takes a Python step a row, 2.6 µs of CPU a point
#: where all the rest takes 0.3. The three aggregates see the same rows in the same order, that of
#: arrival. PostgreSQL's limit of 1 GB a row is some 44 million points.
COLUMNS = """
string_agg(int8send(series_id), ''), string_agg(timestamptz_send(timestamp), ''),
string_agg(float8send(value), '')
"""
#: Not by the index, which would be asked for each series alone (migration 0011).
_WANTED = "series_id + 0 = ANY(%s::bigint[]) AND timestamp >= %s AND timestamp < %s"
_PACKED_COUNTS = """
SELECT series_id, sum(count)::bigint FROM meters_chunk
WHERE series_id = ANY(%s::bigint[]) AND start > %s AND start < %s AND last >= %s GROUP BY series_id
"""
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
_NEWEST = "COPY (SELECT * FROM meters_newest(%s, %s, %s, %s)) TO STDOUT (FORMAT BINARY)"
#: Of some series, all of which lie in runs of ids: the first or the last time in [start, stop).
_END_OF_SLOT = f"""
COPY (SELECT {_MOMENTS} FROM (
    SELECT series_id, {{}}(timestamp) AS at FROM {{}}
    WHERE {_WANTED} AND ({{near}})
    GROUP BY series_id) AS found)
TO STDOUT (FORMAT BINARY)
"""
_LAST_OF_CHUNKS = f"""
COPY (SELECT {_MOMENTS} FROM (
    SELECT series_id, at FROM unnest(%s::bigint[]) AS wanted (series_id), LATERAL (
        SELECT last AS at FROM meters_chunk AS chunk WHERE chunk.series_id = wanted.series_id
        ORDER BY start DESC, last DESC LIMIT 1) AS last_one) AS found)
TO STDOUT (FORMAT BINARY)
"""
_FILLED = "SELECT sequence FROM meters_headslot WHERE state <> 'free'"
#: All chunks of each series' first day: before they are merged, any of them may begin first.
_FIRST_CHUNKS = f"""
COPY (SELECT {chunks.COLUMNS} FROM (
    SELECT chunk.* FROM unnest(%s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
        SELECT start FROM meters_chunk WHERE series_id = wanted.id ORDER BY start LIMIT 1) AS day
    JOIN meters_chunk AS chunk ON chunk.series_id = wanted.id AND chunk.start = day.start) AS chunk)
TO STDOUT (FORMAT BINARY)
"""
BEGINNING = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
END = datetime.fromisoformat("2263-01-01T00:00:00+00:00")
_DAY = timedelta(days=1)
#: So far back a predecessor is looked for, step by step: nearly every series has one in a day.
PREDECESSOR_WITHIN = (timedelta(days=1), timedelta(days=32), timedelta(days=400_000))
#: Points of a block: a column of them is 1 MiB.
BLOCK = 131_072
#: Series with ids so near to each other lie in the same block ranges of a slot (5 024 rows).
GAP = 1_000
MOST_RUNS = 16

Ids = npt.NDArray[np.int64]


class TooManyPointsError(Exception):
    """More points are there than the caller wants to unpack, or to look at, at once."""


class Asked(NamedTuple):
    """Ids of series and the time [start, stop).

    Of more than `most` packed points none are read; with `newest` of each series' chunks the one
    that holds its newest point, instead of those in the time.
    """

    series: Ids
    start: datetime
    stop: datetime
    most: int | None = None
    newest: bool = False

    def places(self, ids: Ids) -> Ids:
        """Where each of the ids stands in `series`."""
        order = np.argsort(self.series)
        return order[np.searchsorted(self.series, ids, sorter=order)]

    def cut(self, points: Points) -> Points:
        """Without what a day's chunk holds outside of [start, stop)."""
        times = points.timestamps
        inside = (times >= to_us(self.start)) & (times < to_us(self.stop))
        return points if inside.all() else points.take(inside)


class Found(NamedTuple):
    """A row of `meters_points`: points of a slot, or `chunks.COLUMNS` where `place` is 0.

    Of a slot's columns only ids, times and values are filled; `held` is how many points chunks
    have that were counted.
    """

    place: int
    columns: Sequence[bytes]
    held: int

    @classmethod
    def of(cls, fields: Sequence[bytes]) -> Found:
        place, *columns, held = fields
        return cls(int.from_bytes(place, "big"), columns, int.from_bytes(held, "big"))

    def points(self, asked: Asked) -> Points:
        """As they come."""
        if self.place:
            rows = as_rows((self.columns[0], self.columns[1], self.columns[-1]))
            return Points(asked.places(rows.series_id), rows.timestamp, rows.value)
        return self.sorted(asked).points(slice(None))

    def sorted(self, asked: Asked) -> _Sorted:
        """By the place of the series."""
        if self.place:
            rows = self.points(asked)
            rows = rows.take(np.argsort(rows.index, kind="stable"))
            return _Sorted(rows.index, np.ones(len(rows.index), dtype=np.int64), rows)
        packed = chunks.as_packed(self.columns)
        places = asked.places(packed.series_id)
        order = np.argsort(places, kind="stable")  # so that their points need no sorting
        packed = packed.take(order)
        return _Sorted(places[order], packed.counts, packed)


class _Sorted(NamedTuple):
    """Points, or chunks: of each the place of its series, and how many points it is."""

    places: Ids
    counts: Ids
    items: Points | chunks.Packed

    def between(self, first: int, end: int) -> Points:
        """Of the series from one place to before another."""
        return self.points(slice(*np.searchsorted(self.places, (first, end)).tolist()))

    def points(self, some: slice) -> Points:
        items = self.items.take(some)
        if isinstance(items, Points):
            return items
        return Points(np.repeat(self.places[some], items.counts), *chunks.unpack(items))


class Fetched(NamedTuple):
    """What the database gave. It may be unpacked in another thread, while this one fetches more."""

    asked: Asked
    found: Sequence[Found]

    def points(self) -> Points:
        return _join(_decoded(self.found, self.asked))

    def blocks(self) -> Iterator[Points]:
        """The same points, some series' at a time, in order.

        So few that they stay in the processor's cache: sums take three quarters of the time then.
        """
        found = [one.sorted(self.asked) for one in sorted(self.found, key=attrgetter("place"))]
        counts = np.zeros(len(self.asked.series), dtype=np.int64)
        for one in found:
            np.add.at(counts, one.places, one.counts)
        for some in split(counts, BLOCK):
            yield _join([self.asked.cut(one.between(some.start, some.stop)) for one in found])


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
    return fetch_points(series_ids, start, stop, most).points()


def fetch_points(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Fetched:
    """The first half of `read_points`."""
    wanted = np.asarray(series_ids, dtype=np.int64)
    asked = Asked(wanted, start or BEGINNING, stop or END, most)
    if not len(wanted):
        return Fetched(asked, [])
    return Fetched(asked, reading(lambda cursor: _fetch(cursor, asked)))


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
    begin = start - PREDECESSOR_WITHIN[0]
    parts = [read_points(series_ids, begin, stop, most)]
    seen = parts[0].index[parts[0].timestamps < to_us(start)]
    lacking = np.setdiff1d(np.arange(len(series_ids)), seen)
    for within in PREDECESSOR_WITHIN[1:]:
        if not len(lacking):
            break
        earlier = max(start - within, BEGINNING)
        found = read_points([series_ids[place] for place in lacking.tolist()], earlier, begin, most)
        parts.append(found._replace(index=lacking[found.index]))
        lacking, begin = np.setdiff1d(lacking, parts[-1].index), earlier
    return _join(parts)


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
        found = copy_out(cursor, _NEWEST, [start, stop, most, spanning])
        if most is not None and any(int.from_bytes(held, "big") > most for *_, held in found):
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
        packed = chunks.as_packed(copy_out(cursor, _FIRST_CHUNKS, [list(wanted)])[0])
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
        parts += map(_moments, copy_out(cursor, _LAST_OF_CHUNKS, [wanted.tolist()]))
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
        for fields in copy_out(
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
    near, ids = _near(np.asarray(series_ids)), number_array(series_ids)

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
    seconds = (within or timedelta(hours=1)).total_seconds()

    def read(cursor: CursorWrapper) -> list[Points]:
        cursor.execute("SELECT now() - make_interval(secs => %s)", [seconds])
        recent = Asked(wanted, cursor.fetchone()[0], END)
        parts = _decoded(_fetch(cursor, recent), recent)
        seen = np.zeros(len(wanted), dtype=bool)
        for part in parts:
            seen[part.index] = True
        if within is None and not seen.all():
            missing = np.flatnonzero(~seen)
            ever = Asked(wanted[missing], BEGINNING, END, newest=True)
            more = _decoded(_fetch(cursor, ever), ever)
            parts += [part._replace(index=missing[part.index]) for part in more]
        return parts

    return _join(reading(read))


@contextmanager
def _slots(cursor: CursorWrapper) -> Iterator[list[int]]:
    """Those that hold rows, and the planner's settings for reading them."""
    with transaction.atomic(cursor.db.alias):
        cursor.execute(_TUNED)
        while cursor.nextset():
            pass
        yield [number for (number,) in cursor.fetchall()]


def _fetch(cursor: CursorWrapper, asked: Asked) -> list[Found]:
    """What is stored in [start, stop), as it comes: the shorter the head's locks are held, the
    sooner a packed slot can be emptied. Raises `TooManyPointsError`.
    """
    firsts, lasts = _runs(asked.series)
    ids = number_array(asked.series.tolist())
    rows = copy_out(
        cursor, _POINTS,
        [ids, firsts, lasts, asked.start, asked.stop, asked.most, asked.newest],
    )  # fmt: skip
    found = [Found.of(fields) for fields in rows]
    if asked.most is not None and any(one.held > asked.most for one in found):
        raise TooManyPointsError
    return [one for one in found if one.columns[0]]


def _decoded(found: Sequence[Found], asked: Asked) -> list[Points]:
    """In the order in which it was stored, chunks before slots; not sorted."""
    return [asked.cut(one.points(asked)) for one in sorted(found, key=attrgetter("place"))]


def _runs(series: Ids) -> tuple[list[int], list[int]]:
    """First and last ids of a few runs in which the series lie, one after the other.

    The block range index cannot use `= ANY`; with runs it leaves out what lies elsewhere.
    """
    ids = np.sort(series)
    gaps = np.diff(ids)
    cuts = np.flatnonzero(gaps > GAP)
    if len(cuts) >= MOST_RUNS:
        cuts = np.sort(np.argsort(gaps)[-MOST_RUNS + 1 :])
    firsts, lasts = np.append(0, cuts + 1), np.append(cuts, len(ids) - 1)
    return ids[firsts].tolist(), ids[lasts].tolist()


def _near(series: Ids) -> str:
    """The same as a condition, for the index; it holds for more than these series."""
    runs = zip(*_runs(series), strict=True)
    return " OR ".join(f"series_id BETWEEN {low} AND {high}" for low, high in runs)


def as_rows(fields: Sequence[bytes]) -> Rows:
    """Of `COLUMNS`."""
    return Rows(decode_int8(fields[0]), decode_times(fields[1]), decode_float8(fields[2]))


def _join(parts: Sequence[Points]) -> Points:
    """Sorted by (index, timestamp); of each pair the one that was stored last."""
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Points(empty, empty, np.empty(0, dtype=np.float64))
    return chunks.arrange(*join(parts))
