"""Ids of samples: a UUID (version 8, of one's own making) of the series and the time.

A sample is (series, time) and has no row of its own, so its id is made of both and tells them
again: 58 bits of the series' number, 64 of the microseconds since the epoch.
"""

from __future__ import annotations

import uuid
from typing import NamedTuple

from meters.wire import STORED

_SERIES_BITS, _TIME_BITS = 58, 64
_VERSION, _VARIANT = 8, 0b10


class Position(NamedTuple):
    series: int
    timestamp_us: int


def message_id(series: int, timestamp_us: int) -> str:
    number = series << _TIME_BITS | timestamp_us & (1 << _TIME_BITS) - 1
    high, middle, low = number >> 74, number >> 62 & 0xFFF, number & (1 << 62) - 1
    return str(uuid.UUID(int=high << 80 | _VERSION << 76 | middle << 64 | _VARIANT << 62 | low))


def position_of(text: str) -> Position | None:
    """None for what is no sample's id."""
    try:
        number = uuid.UUID(text).int
    except ValueError:
        return None
    if number >> 76 & 0xF != _VERSION or number >> 62 & 0b11 != _VARIANT:
        return None
    joined = number >> 80 << 74 | (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
    timestamp_us = joined & (1 << _TIME_BITS) - 1
    if timestamp_us > STORED.latest_us:
        return None  # or before 1970: nothing is stored there
    return Position(joined >> _TIME_BITS, timestamp_us)
