"""What an archive policy answers: aggregates of raw points, as if they had been kept.

Buckets start at multiples of the granularity since 1970 and are complete also where the range
asked for ends inside of one. A point is answered if its bucket is younger than the newest bucket
*of its own series* minus the policy's timespan (metric-api.md 9.3): relative to the series, not to
the clock, so that a metric that fell silent keeps what it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings

from meters.aggregation import RATE_PREFIX, aggregate, between, within_timespans
from meters.store.chunks import DAY_US
from meters.store.points import Points, join, split
from meters.store.read import (
    TooManyPointsError,
    latest_points,
    packed_counts,
    read_points,
    read_points_after_their_predecessors,
)
from meters.store.write import FUTURE_ALLOWANCE
from telemetry_site.clock import from_us, now, to_us

#: Stored samples that one question may unpack of one metric, which are in memory together …
MAX_SAMPLES_A_METRIC = 20_000_000
#: … and of all its metrics, which are read in parts of
MAX_SAMPLES = 100_000_000
SAMPLES_A_READ = 5_000_000


class TooManySamplesError(ValueError):
    """The question would read more than `MAX_SAMPLES`."""


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

    Raises `AggregationError` on an unknown method, and `TooManySamplesError` before it reads
    anything. No metric may be there twice.
    """
    start_us = None if wanted.start_us is None else _floor(wanted.start_us, granularity_us)
    end_us = None if wanted.stop_us is None else -_floor(-wanted.stop_us, granularity_us)
    if _may_lack_the_newest(method):
        end_us = None
    whole = Range(start_us, end_us)
    most = min(SAMPLES_A_READ, MAX_SAMPLES, MAX_SAMPLES_A_METRIC)
    try:
        points = _archived(archives, granularity_us, method, whole, most)
    except TooManyPointsError:
        points = _archived_in_parts(archives, granularity_us, method, whole)
    return between(points, None, wanted.stop_us)


def _archived_in_parts(
    archives: Sequence[Archive], granularity_us: int, method: str, whole: Range
) -> Points:
    parts = []
    for places in _parts(archives, whole):
        points = _archived(archives[places], granularity_us, method, whole)
        parts.append(points._replace(index=points.index + places.start))
    return join(parts)


def _parts(archives: Sequence[Archive], whole: Range) -> Iterator[slice]:
    """Places of archives whose samples may be in memory together, at least one part."""
    ids = [archive.series for archive in archives]
    counts = packed_counts(ids, _time(whole.start_us), _time(whole.stop_us))
    _check(int(counts.sum()), MAX_SAMPLES, f"The {len(ids)} metrics have")
    _check(int(counts.max(initial=0)), MAX_SAMPLES_A_METRIC, "One metric has")
    yield from split(counts, SAMPLES_A_READ) if len(ids) else [slice(0, 0)]


def _check(count: int, limit: int, whose: str) -> None:
    if count > limit:
        raise TooManySamplesError(
            f"{whose} {count} samples in that time, at most {limit} can be read at once: "
            "narrow start and stop, or ask for fewer metrics."
        )


def _archived(
    archives: Sequence[Archive],
    granularity_us: int,
    method: str,
    whole: Range,
    most: int | None = None,
) -> Points:
    """Of whole buckets. Raises `TooManyPointsError` where a reading unpacks more than `most`."""
    ids = [archive.series for archive in archives]
    spans = [archive.timespan_us for archive in archives]
    if _may_lack_the_newest(method):
        points = _derived(ids, granularity_us, method, whole.start_us, most)
        return within_timespans(points, spans)
    limited = _limited(archives, whole.start_us)
    ends_lately = whole.stop_us is not None and whole.stop_us > to_us(now()) - DAY_US
    # Their newest points then come along, for a day's points more at most.
    stop_us = None if limited and ends_lately else whole.stop_us
    raw = read_points(ids, _time(whole.start_us), _time(stop_us), most)
    newest = None if stop_us is None else _stored(limited, granularity_us)
    return within_timespans(aggregate(raw, granularity_us, method), spans, newest)


def _may_lack_the_newest(method: str) -> bool:
    """Whether a bucket with points may have no value: of one point `std` and rates have none."""
    return method == "std" or method.startswith(RATE_PREFIX)


def _derived(
    ids: Sequence[int], granularity_us: int, method: str, start_us: int | None, most: int | None
) -> Points:
    """All buckets from `start_us` on: which one is the newest is known only from their values."""
    is_rate = method.startswith(RATE_PREFIX)
    read = read_points_after_their_predecessors if is_rate else read_points
    raw = read(ids, _time(start_us), None, most)
    return between(aggregate(raw, granularity_us, method), start_us, None)


def _limited(archives: Sequence[Archive], start_us: int | None) -> dict[int, int]:
    """The places, by series, of archives that may end after `start_us`: their newest points say
    where.
    """
    return {
        archive.series: place
        for place, archive in enumerate(archives)
        if archive.timespan_us is not None and _may_end_after(start_us, archive.timespan_us)
    }


def _stored(places: dict[int, int], granularity_us: int) -> dict[int, int]:
    """The newest bucket that is stored, by place."""
    return {
        places[series]: _floor(to_us(moment), granularity_us)
        for series, (moment, _) in latest_points(list(places)).items()
    }


def _may_end_after(start_us: int | None, timespan_us: int) -> bool:
    """No series has a point later than what is allowed of the future."""
    if start_us is None or settings.TELEMETRY_METRIC_API_FUTURE:
        return True
    return start_us <= to_us(now() + FUTURE_ALLOWANCE) - timespan_us


def _floor(moment_us: int, granularity_us: int) -> int:
    return moment_us // granularity_us * granularity_us


def _time(moment_us: int | None) -> datetime | None:
    return None if moment_us is None else from_us(moment_us)
