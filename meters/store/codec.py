"""A chunk's two columns as bytes: timestamps (int64, µs since 1970) and values (float64).

Both are the standalone format of the library pcodec, bit for bit. Where it takes less room, and
only in `thorough` packing, since it costs a second encoding, pcodec gets something simpler:

- Polled timestamps lie near a grid. A byte `GRID`, first time, step and unit (µs), then the
  distances from the grid in units: 0.70 B instead of 0.83 B a point for polls that jitter by 40 ms.
- Values are often whole numbers of a decimal unit. A byte `DECIMAL`, the number of decimals, then
  the whole numbers: 1.53 B instead of 1.63 B a point for percentages of two decimals.

A column without such a byte begins with pcodec's own mark, a "p".
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pcodec import ChunkConfig, standalone

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

GRID, DECIMAL = 1, 2
_QUICK = ChunkConfig(compression_level=4)
_THOROUGH = ChunkConfig(compression_level=8)
_GRID = struct.Struct("<bqqi")
_DECIMAL = struct.Struct("<bb")
_MILLISECOND = 1000
#: Fewer points don't pay for what stands before them.
_LEAST = 16
_MOST_DECIMALS = 4
#: Up to here every whole number is a float64 of its own.
_EXACT = float(1 << 53)


def pack(timestamps: Ints, values: Floats, thorough: bool) -> tuple[bytes, bytes]:
    """Of one chunk; at least one point, timestamps ascending."""
    if not thorough or len(timestamps) < _LEAST:
        return (
            _compressed(timestamps, _QUICK),
            _compressed(values, _QUICK),
        )
    return _shortest(timestamps, _on_grid(timestamps)), _shortest(values, _as_decimals(values))


def _compressed(column: Ints | Floats, config: ChunkConfig) -> bytes:
    found: bytes = standalone.simple_compress(column, config)
    return found


def _shortest(column: Ints | Floats, simpler: bytes | None) -> bytes:
    plain = _compressed(column, _THOROUGH)
    return plain if simpler is None or len(plain) <= len(simpler) else simpler


def _on_grid(timestamps: Ints) -> bytes:
    unit = 1 if np.any(timestamps % _MILLISECOND) else _MILLISECOND
    first, count = int(timestamps[0]), len(timestamps)
    step = round((int(timestamps[-1]) - first) / (count - 1) / unit) * unit
    distances = (timestamps - first - _grid(step, count)) // unit
    return _GRID.pack(GRID, first, step, unit) + _compressed(distances, _THOROUGH)


def _as_decimals(values: Floats) -> bytes | None:
    """None where a value has more decimals, or is a negative zero."""
    for decimals in range(_MOST_DECIMALS + 1):
        scaled = np.rint(values * 10.0**decimals)
        if not np.all(np.abs(scaled) < _EXACT):
            return None
        whole = scaled.astype(np.int64)
        if np.array_equal((whole / 10.0**decimals).view(np.int64), values.view(np.int64)):
            return _DECIMAL.pack(DECIMAL, decimals) + _compressed(whole, _THOROUGH)
    return None


def unpack_times(data: bytes, into: Ints) -> None:
    """`into` has as many places as there are points."""
    if data[0] != GRID:
        standalone.simple_decompress_into(data, into)
        return
    _, first, step, unit = _GRID.unpack_from(data)
    standalone.simple_decompress_into(data[_GRID.size :], into)
    into *= unit
    into += _grid(step, len(into))
    into += first


def first_time(data: bytes, count: int) -> int:
    """Of a chunk with so many points."""
    if data[0] == GRID:
        return int(_GRID.unpack_from(data)[1])
    times = np.empty(count, dtype=np.int64)
    unpack_times(data, times)
    return int(times[0])


def unpack_values(data: bytes, into: Floats) -> None:
    if data[0] != DECIMAL:
        standalone.simple_decompress_into(data, into)
        return
    _, decimals = _DECIMAL.unpack_from(data)
    whole = np.empty(len(into), dtype=np.int64)
    standalone.simple_decompress_into(data[_DECIMAL.size :], whole)
    np.divide(whole, 10.0**decimals, out=into)


@lru_cache(maxsize=64)
def _grid(step: int, count: int) -> Ints:
    found = np.arange(count, dtype=np.int64) * step
    found.flags.writeable = False
    return found
