"""PostgreSQL's binary COPY format for (series_id bigint, timestamp timestamptz, value float8).

Source: "COPY", section "Binary Format", of PostgreSQL's manual. Each row is the count of fields,
then each field as its length and its big-endian bytes. The `…send` functions make the same bytes
of a value: a reading joins a column's into one byte string.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
