"""Reading points: the one door for every API, page, alarm and export.

The head is read first, then the chunks, by one function of the database but each in a statement
with a snapshot of its own: what is packed before the second is seen there at the latest, what is
seen in both is the same points. The other way round points would be lost in between, and so they
would in a transaction with one snapshot, since a TRUNCATE shows in older snapshots too: never read
in REPEATABLE READ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.db.backends.utils import CursorWrapper

from meters.store import chunks
from meters.store.copy_format import decode_float8, decode_int8, decode_times
from meters.store.head import Rows
from meters.store.points import Points, join, split
from meters.store.replica import reading
from telemetry_site.arrays import plain_array
from telemetry_site.clock import from_us, to_us
from telemetry_site.prepared import byte_rows

#: Migration 0011. A head's row, then the chunks', with their columns as `Found` names them.
_POINTS = """
SELECT * FROM meters_points(%s::bigint[], %s::bigint[], %s::bigint[], %s, %s, %s::bigint, %s)
"""
#: One row with a byte string a column: the driver takes a Python step a row, 2.6 µs of CPU a point
#: where all the rest takes 0.3. The three aggregates see the same rows in the same order, that of
#: arrival. PostgreSQL's limit of 1 GB a row is some 44 million points.
COLUMNS = """
string_agg(int8send(series_id), ''), string_agg(timestamptz_send(timestamp), ''),
string_agg(float8send(value), '')
"""
_PACKED_COUNTS = """
SELECT series_id, sum(count)::bigint FROM meters_chunk
WHERE series_id = ANY(%s::bigint[]) AND start > %s AND start < %s AND last >= %s GROUP BY series_id
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
    def of(cls, fields: Sequence[Any]) -> Found:
        place, *columns, held = fields
        return cls(place, columns, held)

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


def _fetch(cursor: CursorWrapper, asked: Asked) -> list[Found]:
    """What is stored in [start, stop), as it comes: the shorter the head's locks are held, the
    sooner a packed slot can be emptied. Raises `TooManyPointsError`.
    """
    firsts, lasts = map(plain_array, runs_of(asked.series))
    ids = plain_array(asked.series.tolist())
    rows = byte_rows(
        cursor, _POINTS,
        [ids, firsts, lasts, asked.start, asked.stop, asked.most, asked.newest],
        keeps_plan=True,
    )  # fmt: skip
    found = [Found.of(fields) for fields in rows]
    if asked.most is not None and any(one.held > asked.most for one in found):
        raise TooManyPointsError
    return [one for one in found if one.columns[0]]


def _decoded(found: Sequence[Found], asked: Asked) -> list[Points]:
    """In the order in which it was stored, chunks before slots; not sorted."""
    return [asked.cut(one.points(asked)) for one in sorted(found, key=attrgetter("place"))]


def runs_of(series: Ids) -> tuple[list[int], list[int]]:
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


def as_rows(fields: Sequence[bytes]) -> Rows:
    """Of `COLUMNS`."""
    return Rows(decode_int8(fields[0]), decode_times(fields[1]), decode_float8(fields[2]))


def _join(parts: Sequence[Points]) -> Points:
    """Sorted by (index, timestamp); of each pair the one that was stored last."""
    if not parts:
        empty = np.empty(0, dtype=np.int64)
        return Points(empty, empty, np.empty(0, dtype=np.float64))
    return chunks.arrange(*join(parts))
