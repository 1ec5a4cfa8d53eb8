"""What an archive policy answers: aggregates of raw points, as if they had been kept.

Buckets start at multiples of the granularity since 1970 and are complete also where the range
asked for ends inside of one. A point is answered if its bucket is younger than the newest bucket
*of its own series* minus the policy's timespan (metric-api.md 9.3): relative to the series, not to
the clock, so that a metric that fell silent keeps what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from meters.aggregation import RATE_PREFIX, Ints, aggregate, between

from meters.store.points import Points
from meters.store.read import latest_points, read_points, read_points_after_their_predecessors
from telemetry_site.clock import from_us, to_us

#: Of all time: before every cut that a timespan can make.
_NEVER = np.iinfo(np.int64).min


class Range(NamedTuple):
    """Times of buckets: start (rounded down to the granularity) ≤ time < stop; None: no bound."""

    start_us: int | None = None
    stop_us: int | None = None


class Archive(NamedTuple):
    """One metric as its policy keeps it at one granularity; no timespan is without end."""

    series: int
    timespan_us: int | None


def archived(
    archives: Sequence[Archive], granularity_us: int, method: str, wanted: Range
) -> Points:
    """The aggregates of each archive; `Points.index` is the place in `archives`.

    Raises `AggregationError` on an unknown method. No metric may be there twice.
    """
    start_us = None if wanted.start_us is None else _floor(wanted.start_us, granularity_us)
    ids = [archive.series for archive in archives]
    if _may_lack_the_newest(method):
        points = _derived(ids, granularity_us, method, start_us)
        kept = points.take(points.timestamps > _cuts(archives, _newest_of(points, len(ids)))[points.index])
        return between(kept, start_us, wanted.stop_us)
    end_us = None if wanted.stop_us is None else -_floor(-wanted.stop_us, granularity_us)
    points = aggregate(read_points(ids, _time(start_us), _time(end_us)), granularity_us, method)
    points = between(points, None, wanted.stop_us)
    newest = _newest_of(points, len(ids)) if end_us is None else _stored(archives, granularity_us)
    return points.take(points.timestamps > _cuts(archives, newest)[points.index])


def _may_lack_the_newest(method: str) -> bool:
    """Whether a bucket with points may have no value: of one point `std` and rates have none."""
    return method == "std" or method.startswith(RATE_PREFIX)


def _derived(ids: Sequence[int], granularity_us: int, method: str, start_us: int | None) -> Points:
    """All buckets from `start_us` on: which one is the newest is known only from their values."""
    if method.startswith(RATE_PREFIX):
        raw = read_points_after_their_predecessors(ids, _time(start_us))
    else:
        raw = read_points(ids, _time(start_us))
    return between(aggregate(raw, granularity_us, method), start_us, None)


def _newest_of(points: Points, series: int) -> Ints:
    """The newest time of each series; `_NEVER` of one without points."""
    newest = np.full(series, _NEVER, dtype=np.int64)
    newest[points.index] = points.timestamps  # sorted: the last one of each stays
    return newest


def _stored(archives: Sequence[Archive], granularity_us: int) -> Ints:
    """The newest bucket of each archive that has an end."""
    newest = np.full(len(archives), _NEVER, dtype=np.int64)
    places = {one.series: place for place, one in enumerate(archives) if one.timespan_us is not None}
    for series, (moment, _) in latest_points(list(places)).items():
        newest[places[series]] = _floor(to_us(moment), granularity_us)
    return newest


def _cuts(archives: Sequence[Archive], newest: Ints) -> Ints:
    """Points up to here are no longer answered."""
    endless = np.array([one.timespan_us is None for one in archives], dtype=np.bool_)
    spans = np.array([one.timespan_us or 0 for one in archives], dtype=np.int64)
    return np.where(endless | (newest == _NEVER), _NEVER, newest - spans)


def _floor(moment_us: int, granularity_us: int) -> int:
    return moment_us // granularity_us * granularity_us


def _time(moment_us: int | None) -> datetime | None:
    return None if moment_us is None else from_us(moment_us)
