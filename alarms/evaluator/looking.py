"""What many alarms see at one instant: one search for the series, one read, a few aggregations.

Alarms with equal granularity, method and number of periods share a window, so their series are
aggregated together and compared as one matrix. What is seen over several series, or over a
resource that changed hands within the window, is aggregated by itself from the points that were
read anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from alarms import rules
from alarms.definition import ClassicThreshold, Part, PromqlThreshold, ResourceThreshold, SeriesRule
from alarms.evaluator import classic, vectors
from alarms.evaluator.reading import (
    NO_POINTS,
    Buckets,
    Reader,
    Source,
    Windows,
    aggregated,
    bucketed,
    restricted,
)
from alarms.evaluator.selection import find, had_other_owners
from alarms.evaluator.subjects import Found, Series, Subject
from meters.aggregation import RATE_PREFIX, between
from meters.store.points import Points

#: One read for windows of up to so many times the shortest of them.
BAND = 4


class Shape(NamedTuple):
    """What alarms must have in common to be aggregated together."""

    granularity: int
    periods: int
    method: str
    is_counter: bool


class View:
    """What each subject sees: in columns for the decision, by `buckets` for people."""

    def __init__(self, subjects: Sequence[Subject]) -> None:
        size = len(subjects)
        self.subjects = subjects
        self.problems = [""] * size
        self.numbers = rules.Looks(
            periods=np.array([_periods(one.rule) for one in subjects], dtype=np.int64),
            outside=np.zeros(size, dtype=np.int64),
            heading=np.zeros(size, dtype=np.bool_),
            last=np.full(size, np.nan),
            enough=np.zeros(size, dtype=np.bool_),
        )
        self._slices: list[tuple[Points, int, int]] = [(NO_POINTS, 0, 0)] * size

    def buckets(self, place: int) -> Buckets:
        """The last values (at most `evaluation_periods`) of one subject."""
        points, low, high = self._slices[place]
        low = max(low, high - int(self.numbers.periods[place]))
        return Buckets(points.timestamps[low:high], points.values[low:high])

    def look(self, place: int) -> rules.Look:
        """The columns' row as an object."""
        numbers = self.numbers
        _, low, high = self._slices[place]
        return rules.Look(
            int(numbers.periods[place]),
            int(numbers.outside[place]),
            bool(numbers.heading[place]),
            float(numbers.last[place]) if high > low else None,
            self.problems[place],
        )

    def enter(self, places: Sequence[int], points: Points) -> None:
        """Take in aggregated points; `points.index` is a position in `places`."""
        edges = np.searchsorted(points.index, np.arange(len(places) + 1))
        for position, place in enumerate(places):
            self._slices[place] = (points, int(edges[position]), int(edges[position + 1]))
        where = np.asarray(places, dtype=np.int64)
        counts = np.diff(edges)
        self._compare(where, points, edges[1:], counts)
        for position in np.flatnonzero(counts < self.numbers.periods[where]).tolist():
            place = places[position]
            self.problems[place] = lacking(self.subjects[place].rule, int(counts[position]))

    def enter_vector(self, place: int, points: Points) -> None:
        """Take in the elements of a vector, all of which are judged, however many there are."""
        self.numbers.periods[place] = len(points.values)
        if len(points.values):
            self.enter([place], points)
        else:
            self.problems[place] = lacking(self.subjects[place].rule, 0)

    def _compare(
        self,
        where: npt.NDArray[np.int64],
        points: Points,
        ends: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
    ) -> None:
        """Rows of equal length, the last values of each, against their thresholds."""
        periods = int(self.numbers.periods[where[0]])
        some = np.flatnonzero(counts)
        self.numbers.last[where[some]] = points.values[ends[some] - 1]
        full = np.flatnonzero(counts >= periods)
        matrix = points.values[ends[full][:, np.newaxis] + np.arange(-periods, 0)]
        outside = self._outside(where[full], matrix)
        self.numbers.outside[where[full]] = outside.sum(axis=1)
        self.numbers.heading[where[full]] = outside[:, -1]
        self.numbers.enough[where[full]] = True

    def _outside(
        self, places: npt.NDArray[np.int64], matrix: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.bool_]:
        chosen = [self.subjects[place].rule for place in places]
        thresholds = np.array([rule.threshold for rule in chosen])
        comparisons = np.array([rule.comparison_operator for rule in chosen])
        outside = np.zeros(matrix.shape, dtype=np.bool_)
        for name in set(comparisons.tolist()):
            rows = comparisons == name
            outside[rows] = rules.COMPARE[name](matrix[rows], thresholds[rows][:, np.newaxis])
        return outside


def _periods(rule: Part) -> int:
    return 0 if isinstance(rule, PromqlThreshold) else rule.evaluation_periods


def lacking(rule: Part, count: int) -> str:
    """aodh's words for too few values."""
    if isinstance(rule, PromqlThreshold):
        return "datapoints are unknown"
    if count or isinstance(rule, ClassicThreshold):
        return f"{rule.evaluation_periods} datapoints are unknown"
    return rules.no_datapoint(rule.granularity)


def look_at(
    subjects: Sequence[Subject],
    now_us: int,
    found: Sequence[Found] | None = None,
    source: Source | None = None,
) -> View:
    """What each of the subjects sees at an instant; `found` is what `find` said of them already,
    `source` where their points are, if not in the store."""
    view = View(subjects)
    found = find(subjects) if found is None else found
    for place, one in enumerate(found):
        view.problems[place] = one.problem
    windows = Windows(now_us)
    moved = _moved(subjects, found, windows)
    for band in _bands(subjects, found):
        _look_at_band(view, found, band, moved, windows, now_us, source)
    return view


def _bands(subjects: Sequence[Subject], found: Sequence[Found]) -> list[list[int]]:
    """Subjects with series by the length of their window, so that none reads a year for an hour."""
    bands: dict[int, list[int]] = defaultdict(list)
    for place, (subject, one) in enumerate(zip(subjects, found, strict=True)):
        if one.series or isinstance(subject.rule, PromqlThreshold):
            length = _length(subject.rule)
            bands[(length.bit_length() + 1) // (BAND // 2)].append(place)
    return list(bands.values())


def _length(rule: Part) -> int:
    """Of the window, in seconds, near enough."""
    if isinstance(rule, ClassicThreshold):
        return rule.period * (rule.evaluation_periods + 1)
    if isinstance(rule, PromqlThreshold):
        return -vectors.window(rule, 0, 0).start // rules.SECOND
    return rule.granularity * (rule.evaluation_periods + 1)


def _look_at_band(
    view: View, found: Sequence[Found], band: list[int], moved: set[int], windows: Windows,
    now_us: int, source: Source | None,
) -> None:  # fmt: skip
    """One read for all, then a shape at a time."""
    shapes: dict[Shape, list[int]] = defaultdict(list)
    alone = []
    for place in band:
        shape = None if place in moved else _shape(view.subjects[place], found[place])
        if shape:
            shapes[shape].append(place)
        else:
            alone.append(place)
    start = min(_first_read(view.subjects[place], windows) for place in band)
    reader = Reader([found[place] for place in band], start, now_us, source)
    for shape, places in shapes.items():
        series = [found[place].series[0] for place in places]
        window = windows.of(view.subjects[places[0]])
        _enter_together(view, places, series, reader, shape, window)
    for place in alone:
        subject = view.subjects[place]
        window = windows.of(subject)
        if isinstance(subject.rule, PromqlThreshold):
            points = restricted(subject, found[place].series, reader)
            view.enter_vector(place, vectors.values(subject.rule, found[place], points, now_us))
        elif isinstance(subject.rule, ClassicThreshold):
            points = between(restricted(subject, found[place].series, reader), *window)
            view.enter([place], classic.values(subject.rule, points, window))
        else:
            view.enter([place], bucketed(subject, found[place], reader, window))


def _first_read(subject: Subject, windows: Windows) -> int:
    """Rates need the point before their window, so one period more."""
    start = windows.of(subject).start
    rule = subject.rule
    if isinstance(rule, SeriesRule) and rule.aggregation_method.startswith(RATE_PREFIX):
        return start - rule.granularity * rules.SECOND
    return start


def _shape(subject: Subject, found: Found) -> Shape | None:
    """None where the subject must be aggregated by itself."""
    rule = subject.rule
    if not isinstance(rule, ResourceThreshold):
        return None
    is_counter = found.series[0].is_counter
    return Shape(rule.granularity, rule.evaluation_periods, rule.aggregation_method, is_counter)


def _moved(subjects: Sequence[Subject], found: Sequence[Found], windows: Windows) -> set[int]:
    """Subjects whose series may have had another owner within the window (or a period before).

    A series of one owner was described anew at most, so one question settles all.
    """
    recent: dict[int, int] = {}
    for place, (subject, one) in enumerate(zip(subjects, found, strict=True)):
        rule = subject.rule
        if one.series and subject.project_id is not None and isinstance(rule, ResourceThreshold):
            first = windows.of(subject).start - rule.granularity * rules.SECOND
            if one.series[0].since_us > first:
                recent[place] = one.series[0].resource_id
    changed = had_other_owners(set(recent.values()))
    return {place for place, resource in recent.items() if resource in changed}


def _enter_together(
    view: View, places: list[int], series: list[Series], reader: Reader, shape: Shape,
    window: rules.Window,
) -> None:  # fmt: skip
    points = aggregated(reader.of(series), shape.granularity, shape.method, shape.is_counter)
    view.enter(places, between(points, window.start, window.stop))
