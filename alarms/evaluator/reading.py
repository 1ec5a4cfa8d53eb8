"""The points that rules look at, read once for many: cut to what their alarms may see, aggregated.

Where points come from is the reader's to know: from the store, unless it is given another source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.conf import settings

from alarms import rules
from alarms.definition import ClassicThreshold, PromqlThreshold, ResourceThreshold, SeriesRule
from alarms.evaluator import classic, vectors
from alarms.evaluator.subjects import Found, Series, Subject
from meters import ownership
from meters.aggregation import RATE_PREFIX, aggregate, between, combine, increases
from meters.derived.reading import read_points
from meters.store.points import Points
from telemetry_site.clock import from_us

#: Points of series by their numbers in [start, stop), as of `read_points`.
Source = Callable[[Sequence[int], datetime, datetime], Points]


class Buckets(NamedTuple):
    """The aggregated values in a window, oldest first: starts in microseconds, values."""

    timestamps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]


def window_of(subject: Subject, now_us: int) -> rules.Window:
    """What the subject looks at, at an instant."""
    rule = subject.rule
    lag = settings.TELEMETRY_INGESTION_LAG
    if isinstance(rule, ClassicThreshold):
        return classic.window(rule, now_us, lag)
    if isinstance(rule, PromqlThreshold):
        return vectors.window(rule, now_us, lag)
    return rules.window(now_us, rule.granularity, rule.evaluation_periods, lag)


def raw_points(subject: Subject, found: Found, now_us: int) -> Points:
    """The points that the subject's window is made of; `index` is the place in `found.series`."""
    window = window_of(subject, now_us)
    reader = Reader([found], window.start, window.stop)
    return restricted(subject, found.series, reader)


NO_POINTS = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))


class Reader:
    """The points of many series, read once; `of` hands out those of some."""

    def __init__(
        self, found: Sequence[Found], start_us: int, stop_us: int, source: Source | None = None
    ) -> None:
        ids = {one.pk for each in found for one in each.series}
        self._place = {pk: place for place, pk in enumerate(sorted(ids))}
        read = source or read_points
        self._points = read(list(self._place), from_us(start_us), from_us(stop_us))
        self._edges = np.searchsorted(self._points.index, np.arange(len(ids) + 1))

    def of(self, series: Sequence[Series]) -> Points:
        """Points whose index is the position in `series`; a series may stand there twice."""
        places = np.array([self._place[one.pk] for one in series], dtype=np.int64)
        if len(places) == len(self._place) and (places == np.arange(len(places))).all():
            return self._points
        counts = self._edges[places + 1] - self._edges[places]
        index = np.repeat(np.arange(len(places)), counts)
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.repeat(self._edges[places], counts) + offsets
        return Points(index, self._points.timestamps[rows], self._points.values[rows])


def bucketed(subject: Subject, found: Found, reader: Reader, window: rules.Window) -> Points:
    """One series of aggregated values: those of a group's members, put together by the method."""
    rule = subject.rule
    assert isinstance(rule, SeriesRule)
    points = restricted(subject, found.series, reader)
    parts = [
        aggregated(part, rule.granularity, rule.aggregation_method, is_counter)
        for is_counter, part in _by_kind(points, found.series)
    ]
    seen = Points(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    if not isinstance(rule, ResourceThreshold):
        seen = combine(seen, rule.aggregation_method.removeprefix(RATE_PREFIX))
    return between(seen, window.start, window.stop)


def restricted(subject: Subject, series: Sequence[Series], reader: Reader) -> Points:
    """The points of some series that the subject may see."""
    projects = None if subject.project_id is None else [subject.project_id]
    return ownership.of_projects(projects, series).restrict(reader.of(series))


def _by_kind(points: Points, series: Sequence[Series]) -> list[tuple[bool, Points]]:
    """Counters and others apart: a counter that begins anew is no fall."""
    counters = np.array([one.is_counter for one in series], dtype=np.bool_)[points.index]
    return [
        (is_counter, Points(*(column[counters == is_counter] for column in points)))
        for is_counter in (False, True)
    ]


def aggregated(points: Points, granularity_s: int, method: str, is_counter: bool) -> Points:
    """As `aggregate`, but the rate of a cumulative counter knows resets (known-trouble.md)."""
    granularity = granularity_s * rules.SECOND
    if is_counter and method.startswith(RATE_PREFIX):
        return aggregate(increases(points).points, granularity, method.removeprefix(RATE_PREFIX))
    return aggregate(points, granularity, method)
