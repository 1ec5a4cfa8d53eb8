"""A page of samples: read in growing windows from where the page begins, never all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from meters import ownership
from meters.derived.reading import read_points
from meters.models import Metric
from meters.retention import begin
from meters.store.points import Points
from meters.store.write import FUTURE_ALLOWANCE
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import from_us, to_us

Micros = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIRST_WINDOW_US = 60 * 1_000_000
GROWTH = 8
#: One read is not to be expected to give more points than this (24 bytes each) …
POINTS_A_READ = 2_000_000
#: … where a series has a sample each so many microseconds.
USUAL_INTERVAL_US = 10 * 1_000_000
#: After so many reads the page is handed out as it is, and its `next` goes on from there.
READS_A_PAGE = 256


class Sample(NamedTuple):
    metric: Metric
    timestamp_us: int
    value: float


class Position(NamedTuple):
    """Between which samples a page begins: behind this time and series (0: at this time)."""

    timestamp_us: int
    series: int = 0


@dataclass(frozen=True)
class Page:
    """`next` is where the page after this one begins, None at the end."""

    samples: list[Sample]
    next: Position | None


def within(
    metrics: Sequence[Metric], start: datetime | None, stop: datetime | None, now: datetime
) -> tuple[int, int]:
    """[start, stop) in microseconds, within the times that the store has samples of."""
    earliest, latest = to_us(begin(metrics, now)), to_us(now + FUTURE_ALLOWANCE)
    low = earliest if start is None else max(to_us(start), earliest)
    high = latest if stop is None else min(to_us(stop), latest)
    return low, high


def read_page(
    principal: Principal,
    metrics: Sequence[Metric],
    bounds: tuple[int, int],
    limit: int,
    newest_first: bool,
    after: Position | None = None,
) -> Page:
    """Samples in [start, stop) ordered by (time, series), or wholly backwards if `newest_first`."""
    metrics = sorted(metrics, key=lambda metric: metric.pk)
    owned = ownership.of(principal, metrics)
    samples: list[Sample] = []
    edge = None
    for low, high in islice(_windows(bounds, len(metrics), newest_first, after), READS_A_PAGE):
        points = _read(owned, low, high)
        room = limit + 1 - len(samples)
        samples += _samples(metrics, _first(metrics, points, newest_first, after, room))
        if len(samples) > limit:
            last = samples[limit - 1]
            return Page(samples[:limit], Position(last.timestamp_us, last.metric.pk))
        edge = low if newest_first else high
    done = edge is None or edge == (bounds[0] if newest_first else bounds[1])
    return Page(samples, None if done or edge is None else Position(edge))


def stream(
    principal: Principal, metrics: Sequence[Metric], bounds: tuple[int, int], newest_first: bool
) -> Iterator[Points]:
    """All samples in [start, stop), for an export; only one read is in memory at a time.

    `metrics` ordered by their primary key; `Points.index` is the place there.
    """
    owned = ownership.of(principal, metrics)
    for low, high in _windows(bounds, len(metrics), newest_first, None):
        points = _read(owned, low, high)
        yield _first(metrics, points, newest_first, None, len(points.index))


def _windows(
    bounds: tuple[int, int], series: int, newest_first: bool, after: Position | None
) -> Iterator[tuple[int, int]]:
    """Windows [low, high) from the page's beginning on, each longer than the one before."""
    start, stop = bounds
    longest = max(POINTS_A_READ * USUAL_INTERVAL_US // max(series, 1), 1)
    length = min(FIRST_WINDOW_US, longest)
    if after is not None and newest_first:
        stop = min(stop, after.timestamp_us + (1 if after.series else 0))
    elif after is not None:
        start = max(start, after.timestamp_us)
    while start < stop and series:
        if newest_first:
            low = max(start, stop - length)
            yield low, stop
            stop = low
        else:
            high = min(stop, start + length)
            yield start, high
            start = high
        length = min(length * GROWTH, longest)


def _read(owned: ownership.Ownership, low: int, high: int) -> Points:
    series = [metric.pk for metric in owned.metrics]
    return owned.restrict(read_points(series, from_us(low), from_us(high)))


def _first(
    metrics: Sequence[Metric],
    points: Points,
    newest_first: bool,
    after: Position | None,
    room: int,
) -> Points:
    """At most `room` samples of the window, in the page's order, from behind `after` on."""
    keys = np.array([metric.pk for metric in metrics], dtype=np.int64)[points.index]
    order = np.lexsort((keys, points.timestamps))
    if newest_first:
        order = order[::-1]
    if after is not None and after.series:
        order = order[_behind(points.timestamps[order], keys[order], newest_first, after)]
    return points.take(order[:room])


def _samples(metrics: Sequence[Metric], points: Points) -> list[Sample]:
    columns = (points.index.tolist(), points.timestamps.tolist(), points.values.tolist())
    rows = zip(*columns, strict=True)
    return [Sample(metrics[index], micros, value) for index, micros, value in rows]


def _behind(times: Micros, keys: Micros, newest_first: bool, after: Position) -> Flags:
    same = times == after.timestamp_us
    if newest_first:
        behind: Flags = (times < after.timestamp_us) | (same & (keys < after.series))
    else:
        behind = (times > after.timestamp_us) | (same & (keys > after.series))
    return behind
