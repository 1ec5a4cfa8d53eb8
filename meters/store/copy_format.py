"""PostgreSQL's binary COPY format for (series_id bigint, timestamp timestamptz, value float8).

Source: "COPY", section "Binary Format", of PostgreSQL's manual. Each row is the count of fields,
then each field as its length and its big-endian bytes. The driver hands out a row at a time, so
reading joins a column's values into one field of one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from django.db.backends.utils import CursorWrapper

from telemetry_site.database import copying

#: PostgreSQL counts timestamps in microseconds from 2000-01-01 UTC.
PG_EPOCH_US = 946_684_800_000_000
ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("series_size", ">i4"),
        ("series_id", ">i8"),
        ("timestamp_size", ">i4"),
        ("timestamp", ">i8"),
        ("value_size", ">i4"),
        ("value", ">f8"),
    ]
)
HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"


def encode_rows(
    series_id: npt.NDArray[np.int64],
    timestamp: npt.NDArray[np.int64],
    value: npt.NDArray[np.float64],
) -> bytes:
    """The bytes that COPY … FROM STDIN takes; `timestamp` in microseconds since 1970."""
    table = np.empty(len(series_id), dtype=ROW)
    table["fields"] = 3
    table["series_size"] = table["timestamp_size"] = table["value_size"] = 8
    table["series_id"] = series_id
    table["timestamp"] = timestamp - PG_EPOCH_US
    table["value"] = value
    return HEADER + table.tobytes() + TRAILER


def copy_out(
    cursor: CursorWrapper, statement: str, parameters: Sequence[object] = ()
) -> list[list[bytes]]:
    """The fields of each row of a COPY … TO STDOUT; null is empty."""
    with copying(cursor, statement, parameters or None) as copy:
        return list(_rows_of(b"".join(copy)))


def _rows_of(data: bytes) -> Iterator[list[bytes]]:
    place = len(HEADER)
    while (count := int.from_bytes(data[place : place + 2], "big", signed=True)) >= 0:
        place += 2
        row = []
        for _ in range(count):
            size = max(0, int.from_bytes(data[place : place + 4], "big", signed=True))
            row.append(data[place + 4 : place + 4 + size])
            place += 4 + size
        yield row


def decode_int8(field: bytes) -> npt.NDArray[np.int64]:
    """Of joined `int8send` values."""
    return np.frombuffer(field, ">i8").astype(np.int64)


def decode_int4(field: bytes) -> npt.NDArray[np.int64]:
    """Of joined `int4send` values."""
    return np.frombuffer(field, ">i4").astype(np.int64)


def decode_times(field: bytes) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 of joined `timestamptz_send` values."""
    return decode_int8(field) + PG_EPOCH_US


def decode_float8(field: bytes) -> npt.NDArray[np.float64]:
    """Of joined `float8send` values."""
    return np.frombuffer(field, ">f8").astype(np.float64)
