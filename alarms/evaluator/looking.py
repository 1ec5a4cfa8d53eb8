"""What many alarms see at one instant: one search for the series, one read, a few aggregations.

Alarms with equal granularity, method and number of periods share a window, so their series are
aggregated together and compared as one matrix. What is seen over several series, or over a
resource that changed hands within the window, is aggregated by itself from the points that were
read anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
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
    aggregated,
    bucketed,
    restricted,
    window_of,
)
from alarms.evaluator.selection import find, had_other_owners
from alarms.evaluator.subjects import Found, Subject
from meters.aggregation import RATE_PREFIX, between
from meters.store.points import Points

#: One read for windows of up to so many times the shortest of them.
BAND = 4


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
        #: Points that were taken in, with where those of each position begin, …
        self._entries = [(NO_POINTS, np.zeros(2, dtype=np.int64))]
        #: and for each subject in which of them its own are, at which position.
        self._entry = np.zeros(size, dtype=np.int64)
        self._position = np.zeros(size, dtype=np.int64)

    def buckets(self, place: int) -> Buckets:
        """The last values (at most `evaluation_periods`) of one subject."""
        points, low, high = self._slice(place)
        low = max(low, high - int(self.numbers.periods[place]))
        return Buckets(points.timestamps[low:high], points.values[low:high])

    def _slice(self, place: int) -> tuple[Points, int, int]:
        points, edges = self._entries[self._entry[place]]
        position = self._position[place]
        return points, int(edges[position]), int(edges[position + 1])

    def look(self, place: int) -> rules.Look:
        """The columns' row as an object."""
        numbers = self.numbers
        _, low, high = self._slice(place)
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
        where = np.asarray(places, dtype=np.int64)
        self._entry[where] = len(self._entries)
        self._position[where] = np.arange(len(places))
        self._entries.append((points, edges))
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
        thresholds = np.array([rule.threshold for rule in chosen])[:, np.newaxis]
        names = [rule.comparison_operator for rule in chosen]
        outside = np.zeros(matrix.shape, dtype=np.bool_)
        for name in set(names):
            rows = slice(None) if names.count(name) == len(names) else np.array(names) == name
            outside[rows] = rules.COMPARE[name](matrix[rows], thresholds[rows])
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
        if one.problem:
            view.problems[place] = one.problem
    groups = _groups(subjects, found, now_us)
    moved = _moved(view, found, groups)
    for band in _bands(groups):
        _look_at_band(view, found, band, moved, now_us, source)
    return view


class Group(NamedTuple):
    """Subjects that look alike: `rule` is one of theirs."""

    rule: Part
    window: rules.Window
    places: list[int]

    @property
    def first_read(self) -> int:
        """Rates need the point before their window, so one period more."""
        rule = self.rule
        if isinstance(rule, SeriesRule) and rule.aggregation_method.startswith(RATE_PREFIX):
            return self.window.start - rule.granularity * rules.SECOND
        return self.window.start


def _groups(subjects: Sequence[Subject], found: Sequence[Found], now_us: int) -> list[Group]:
    """Those with series, by what they do with them; few, however many subjects there are."""
    groups: dict[Hashable, Group] = {}
    for place, (subject, one) in enumerate(zip(subjects, found, strict=True)):
        rule = subject.rule
        if not one.series and not isinstance(rule, PromqlThreshold):
            continue
        key: Hashable = place
        if isinstance(rule, SeriesRule):
            key = (
                type(rule), rule.granularity, rule.evaluation_periods, rule.aggregation_method,
            )  # fmt: skip
        group = groups.get(key)
        if group is None:
            group = groups[key] = Group(rule, window_of(subject, now_us), [])
        group.places.append(place)
    return list(groups.values())


def _bands(groups: Sequence[Group]) -> list[list[Group]]:
    """By the length of their windows, so that none reads a year for an hour."""
    bands: dict[int, list[Group]] = defaultdict(list)
    for group in groups:
        bands[(_length(group.rule).bit_length() + 1) // (BAND // 2)].append(group)
    return list(bands.values())


def _length(rule: Part) -> int:
    """Of the window, in seconds, near enough."""
    if isinstance(rule, ClassicThreshold):
        return rule.period * (rule.evaluation_periods + 1)
    if isinstance(rule, PromqlThreshold):
        return -vectors.window(rule, 0, 0).start // rules.SECOND
    return rule.granularity * (rule.evaluation_periods + 1)


def _look_at_band(
    view: View, found: Sequence[Found], band: Sequence[Group], moved: set[int], now_us: int,
    source: Source | None,
) -> None:  # fmt: skip
    """One read for all, then what can be aggregated together, then the others."""
    start = min(group.first_read for group in band)
    reader = Reader([found[place] for each in band for place in each.places], start, now_us, source)
    for group in band:
        if isinstance(group.rule, ResourceThreshold):
            gauges, counters = _by_kind(found, [one for one in group.places if one not in moved])
            _enter_together(view, found, group, gauges, reader, is_counter=False)
            _enter_together(view, found, group, counters, reader, is_counter=True)
            alone = [one for one in group.places if one in moved]
        else:
            alone = group.places
        for place in alone:
            _enter_alone(view, found[place], place, reader, group.window, now_us)


def _by_kind(found: Sequence[Found], places: Iterable[int]) -> tuple[list[int], list[int]]:
    """Whose series is a counter comes second."""
    kinds: tuple[list[int], list[int]] = ([], [])
    for place in places:
        kinds[found[place].series[0].is_counter].append(place)
    return kinds


def _enter_together(
    view: View, found: Sequence[Found], group: Group, places: Sequence[int], reader: Reader, *,
    is_counter: bool,
) -> None:  # fmt: skip
    """Of one series each, which is theirs all the time."""
    rule = group.rule
    assert isinstance(rule, ResourceThreshold)
    if places:
        points = reader.of([found[place].series[0] for place in places])
        points = aggregated(points, rule.granularity, rule.aggregation_method, is_counter)
        view.enter(places, between(points, *group.window))


def _enter_alone(
    view: View, found: Found, place: int, reader: Reader, window: rules.Window, now_us: int
) -> None:
    subject = view.subjects[place]
    if isinstance(subject.rule, PromqlThreshold):
        points = restricted(subject, found.series, reader)
        view.enter_vector(place, vectors.values(subject.rule, found, points, now_us))
    elif isinstance(subject.rule, ClassicThreshold):
        points = between(restricted(subject, found.series, reader), *window)
        view.enter([place], classic.values(subject.rule, points, window))
    else:
        view.enter([place], bucketed(subject, found, reader, window))


def _moved(view: View, found: Sequence[Found], groups: Sequence[Group]) -> set[int]:
    """Subjects whose series may have had another owner within the window (or a period before).

    A series of one owner was described anew at most, so one question settles all.
    """
    recent: dict[int, int] = {}
    for group in groups:
        if not isinstance(group.rule, ResourceThreshold):
            continue
        first = group.window.start - group.rule.granularity * rules.SECOND
        for place in group.places:
            series = found[place].series[0]
            if series.since_us > first and view.subjects[place].project_id is not None:
                recent[place] = series.resource_id
    changed = had_other_owners(set(recent.values()))
    return {place for place, resource in recent.items() if resource in changed}
