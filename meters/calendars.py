"""Buckets of the calendar, in UTC: years, half-years, quarters, months, weeks from Sunday."""

from __future__ import annotations

import numpy as np

from meters.aggregation import AggregationError, Ints, aggregate_by
from meters.store.points import Points

_DAY_US = 86_400_000_000
#: 1970-01-04, the first Sunday after the epoch.
_SUNDAY = 3
_MONTHS = {"Y": 12, "H": 6, "Q": 3, "M": 1}
#: The letters that stand for a calendar bucket in place of a granularity.
UNITS = (*_MONTHS, "W")


def resample_calendar(points: Points, unit: str, method: str) -> Points:
    """One point a series and calendar bucket; `timestamps` are the buckets' starts in UTC.

    Raises `AggregationError` on a unit that is not in `UNITS` and on an unknown method.
    """
    if unit not in UNITS:
        raise AggregationError(f"{unit!r} is not one of {', '.join(UNITS)}")
    return aggregate_by(points, lambda times: _starts(times, unit), method)


def _starts(timestamps: Ints, unit: str) -> Ints:
    """The start of each time's bucket, in microseconds since the epoch."""
    if unit == "W":
        days = timestamps // _DAY_US - _SUNDAY
        return (days // 7 * 7 + _SUNDAY) * _DAY_US
    length = _MONTHS[unit]
    months = timestamps.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    starts = (months // length * length).astype("datetime64[M]")
    return starts.astype("datetime64[us]").astype(np.int64)
