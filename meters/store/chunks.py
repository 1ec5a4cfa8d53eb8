"""Chunks: from sorted points to compressed rows and back (`meters.store.codec`: their bytes)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.db.backends.utils import CursorWrapper

from meters.store import codec
from meters.store.copy_format import (
    HEADER,
    PG_EPOCH_US,
    TRAILER,
    decode_int4,
    decode_int8,
    decode_times,
)
from meters.store.points import Points
from telemetry_site.clock import now_us
from telemetry_site.database import copying

DAY_US = 86_400_000_000
_COPY = """
COPY meters_chunk (series_id, start, sequence, last, count, merged, time_bytes, data, tail)
FROM STDIN (FORMAT BINARY)
"""
#: Rows before their data: a count of fields, then the length of each and it.
_FIXED = struct.Struct(">hiqiqiqiqiiibiii")
_LENGTH = struct.Struct(">i")
#: PostgreSQL cuts what lies outside of its row into pieces of so many bytes, four of which fill a
#: page. A shorter piece leaves holes there (a quarter of the table), so the rest stays in the row.
PIECE_BYTES = 1996
_WRITE_BYTES = 1 << 20

#: Of chunks in one row, a byte string a column (see `copy_format`); migration 0011 names them, too.
COLUMNS = """
string_agg(int8send(series_id), ''), string_agg(timestamptz_send(start), ''),
string_agg(int8send(sequence), ''), string_agg(int4send(count), ''),
string_agg(int4send(time_bytes), ''),
string_agg(int4send(octet_length(data) + octet_length(tail)), ''), string_agg(data || tail, '')
"""

Ints = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """Chunks as parallel columns; in `data` each has `sizes` bytes from `begins` on, of which the
    first `time_bytes` are its timestamps.
    """

    series_id: Ints
    start: Ints
    sequence: Ints
    counts: Ints
    time_bytes: Ints
    begins: Ints
    sizes: Ints
    data: bytes

    def take(self, chosen: Ints | slice) -> Packed:
        return Packed(
            self.series_id[chosen], self.start[chosen], self.sequence[chosen], self.counts[chosen],
            self.time_bytes[chosen], self.begins[chosen], self.sizes[chosen], self.data,
        )  # fmt: skip


def as_packed(fields: Sequence[bytes]) -> Packed:
    """Of `COLUMNS`."""
    ids, starts, sequences, counts, time_sizes, packed_sizes, data = fields
    sizes = decode_int4(packed_sizes)
    return Packed(
        decode_int8(ids), decode_times(starts), decode_int8(sequences), decode_int4(counts),
        decode_int4(time_sizes), np.cumsum(sizes) - sizes, sizes, data,
    )  # fmt: skip


def arrange(index: Ints, timestamps: Ints, values: npt.NDArray[np.float64]) -> Points:
    """Sorted by (index, timestamp); of equal pairs the last given stays.

    Made for runs that are nearly or wholly sorted already, as chunks and then the head are.
    """
    if _is_arranged(index, timestamps):
        return Points(index, timestamps, values)
    order = _order(index, timestamps)
    index, timestamps = index[order], timestamps[order]
    newest = np.ones(len(order), dtype=bool)
    newest[:-1] = (index[1:] != index[:-1]) | (timestamps[1:] != timestamps[:-1])
    return Points(index[newest], timestamps[newest], values[order][newest])


def _is_arranged(index: Ints, timestamps: Ints) -> bool:
    later = timestamps[1:] > timestamps[:-1]
    later &= index[1:] == index[:-1]
    later |= index[1:] > index[:-1]
    return bool(later.all())


def _order(index: Ints, timestamps: Ints) -> Ints:
    """Stable. By one key where it fits, since that sort makes use of sorted runs."""
    first = timestamps.min()
    span = int(timestamps.max() - first) + 1
    if int(index.max()) + 1 < (1 << 62) // span:
        return np.argsort(index * span + (timestamps - first), kind="stable")
    return np.lexsort((timestamps, index))


def write(cursor: CursorWrapper, points: Points, sequence: Ints, merged: bool) -> int:
    """COPY the points, whose `index` is the series id, as one chunk a series and day.

    `sequence` is that of each point's chunk. Returns the number of chunks.
    """
    if not len(points.index):
        return 0
    made, waiting = 0, bytearray(HEADER)
    with copying(cursor, _COPY) as copy:
        for row in _rows(points, sequence, merged):
            made += 1
            waiting += row
            if len(waiting) >= _WRITE_BYTES:
                copy.write(bytes(waiting))
                waiting.clear()
        copy.write(bytes(waiting) + TRAILER)
    return made


def _rows(points: Points, sequence: Ints, merged: bool) -> Iterator[bytes]:
    day = points.timestamps // DAY_US
    over = now_us() - DAY_US - PG_EPOCH_US  # days that began earlier get no more but late samples
    changes = np.flatnonzero((np.diff(points.index) != 0) | (np.diff(day) != 0)) + 1
    starts = np.concatenate(([0], changes))
    ends = np.append(changes, len(day)).tolist()
    columns = (points.index[starts], day[starts] * DAY_US - PG_EPOCH_US, sequence[starts])
    lasts = points.timestamps[np.append(changes, len(day)) - 1] - PG_EPOCH_US
    plain = zip(starts.tolist(), ends, *(c.tolist() for c in columns), lasts.tolist(), strict=True)
    for begin, end, series_id, start, number, last in plain:
        column = slice(begin, end)
        thorough = merged and start <= over
        times, values = codec.pack(points.timestamps[column], points.values[column], thorough)
        body = times + values
        whole = len(body) // PIECE_BYTES * PIECE_BYTES
        fixed = _FIXED.pack(
            9, 8, series_id, 8, start, 8, number, 8, last, 4, end - begin, 1, merged,
            4, len(times), whole,
        )  # fmt: skip
        yield b"".join((fixed, body[:whole], _LENGTH.pack(len(body) - whole), body[whole:]))


def unpack(packed: Packed) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Timestamps and values of all chunks, one after the other."""
    total = int(packed.counts.sum())
    timestamps, values = np.empty(total, dtype=np.int64), np.empty(total)
    at = 0
    middles = packed.begins + packed.time_bytes
    columns = (packed.begins, middles, packed.begins + packed.sizes, packed.counts)
    for begin, middle, end, count in zip(*(one.tolist() for one in columns), strict=True):
        until = at + count
        codec.unpack_times(packed.data[begin:middle], timestamps[at:until])
        codec.unpack_values(packed.data[middle:end], values[at:until])
        at = until
    return timestamps, values


def first_times(packed: Packed) -> Ints:
    """Of the first point of each chunk."""
    columns = (packed.begins, packed.begins + packed.time_bytes, packed.counts)
    return np.array(
        [
            codec.first_time(packed.data[begin:end], count)
            for begin, end, count in zip(*(one.tolist() for one in columns), strict=True)
        ],
        dtype=np.int64,
    )
