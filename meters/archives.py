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

from meters.aggregation import RATE_PREFIX, aggregate, between, within_timespans
from meters.store.points import Points
from meters.store.read import latest_points, read_points, read_points_after_their_predecessors
from telemetry_site.clock import from_us, to_us


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
    spans = [archive.timespan_us for archive in archives]
    if _may_lack_the_newest(method):
        points = _derived(ids, granularity_us, method, start_us)
        return between(within_timespans(points, spans), None, wanted.stop_us)
    end_us = None if wanted.stop_us is None else -_floor(-wanted.stop_us, granularity_us)
    points = aggregate(read_points(ids, _time(start_us), _time(end_us)), granularity_us, method)
    newest = None if end_us is None else _stored(archives, granularity_us)
    return between(within_timespans(points, spans, newest), None, wanted.stop_us)


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


def _stored(archives: Sequence[Archive], granularity_us: int) -> dict[int, int]:
    """The newest bucket that is stored, by place, of each archive that has an end."""
    places = {
        archive.series: place
        for place, archive in enumerate(archives)
        if archive.timespan_us is not None
    }
    return {
        places[series]: _floor(to_us(moment), granularity_us)
        for series, (moment, _) in latest_points(list(places)).items()
    }


def _floor(moment_us: int, granularity_us: int) -> int:
    return moment_us // granularity_us * granularity_us


def _time(moment_us: int | None) -> datetime | None:
    return None if moment_us is None else from_us(moment_us)
