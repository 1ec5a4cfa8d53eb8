"""What a rule sees at many instants of one stretch of time, its points read once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alarms import rules
from alarms.definition import Part, PromqlThreshold, SeriesRule
from alarms.evaluator import classic, vectors
from alarms.evaluator.looking import lacking
from alarms.evaluator.reading import NO_POINTS, Buckets, Reader, bucketed, restricted, window_of
from alarms.evaluator.subjects import Found, Series, Subject
from meters.aggregation import Ints, between


def over_range(subject: Subject, series: Sequence[Series], start_us: int, stop_us: int) -> Buckets:
    """The aggregated values of one subject over [start, stop), and as much before as the window
    of an evaluation at its start reaches back."""
    if not series:
        return Buckets(NO_POINTS.timestamps, NO_POINTS.values)
    rule = subject.rule
    assert isinstance(rule, SeriesRule)
    window = rules.Window(window_of(subject, start_us).start, stop_us)
    found = Found(tuple(series))
    reader = Reader([found], window.start - rule.granularity * rules.SECOND, stop_us)
    points = bucketed(subject, found, reader, window)
    return Buckets(points.timestamps, points.values)


class Track:
    """One subject over [start, stop), at instants in it. Periods that were partial at an instant
    are seen whole."""

    def __init__(
        self, subject: Subject, found: Found, start_us: int, stop_us: int, instants: Ints
    ) -> None:
        self.subject = subject
        self.found = found
        self.buckets = Buckets(NO_POINTS.timestamps, NO_POINTS.values)
        self._points = NO_POINTS
        if isinstance(subject.rule, SeriesRule):
            self.buckets = over_range(subject, found.series, start_us, stop_us)
        elif found.series:
            first = window_of(subject, start_us).start
            reader = Reader([found], first, stop_us)
            self._points = restricted(subject, found.series, reader)
        self._vectors: dict[int, list[float]] = {}
        if isinstance(subject.rule, PromqlThreshold):
            vectors_then = vectors.values_over(subject.rule, found, self._points, instants)
            self._vectors = dict(zip(instants.tolist(), vectors_then, strict=True))

    def look(self, rule: Part, now_us: int) -> rules.Look:
        """At an instant, by the limits of `rule`, which looks where the subject's does."""
        values = self.values(now_us)
        periods = len(values) if isinstance(rule, PromqlThreshold) else rule.evaluation_periods
        if not values:
            problem = self.found.problem or lacking(rule, 0)
            return rules.Look(periods, problem=problem)
        return rules.look(values, rule.comparison_operator, rule.threshold, periods)

    def values(self, now_us: int) -> list[float]:
        """Those that are compared at an instant, oldest first."""
        rule = self.subject.rule
        window = window_of(self.subject, now_us)
        if isinstance(rule, SeriesRule):
            low, high = np.searchsorted(self.buckets.timestamps, window)
            last: list[float] = self.buckets.values[low:high][-rule.evaluation_periods :].tolist()
            return last
        if isinstance(rule, PromqlThreshold):
            return self._vectors[now_us]
        points = between(self._points, *window)
        values: list[float] = classic.values(rule, points, window).values.tolist()
        return values
