"""Series that stand in a test's file: found and read as the store's are, without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np

from alarms.definition import (
    ClassicThreshold,
    GroupThreshold,
    MetricsThreshold,
    PromqlThreshold,
    ResourceThreshold,
)
from alarms.evaluator import classic, vectors
from alarms.evaluator.selection import GENERIC, Candidate, of_listed, of_resource
from alarms.evaluator.subjects import Found, Series, Subject
from alarms.rules import SECOND
from meters.models import Metric
from meters.promql.series import Labelled, labels_of
from meters.promql.tables import NAME
from meters.store.points import Points
from telemetry_site.clock import to_us

USUAL_RESOURCE = "resource-1"


class Input(NamedTuple):
    """A series: a value each `interval_s` from `start_s` on (None: none there), seconds from the
    test's begin. `id` is the metric's, for rules that name metrics by their ids."""

    metric: str
    values: Sequence[float | None]
    interval_s: int = 60
    start_s: int = 0
    resource_id: str = USUAL_RESOURCE
    resource_type: str = GENERIC
    id: str = ""
    is_counter: bool = False
    metadata: dict[str, Any] = {}


class InMemory:
    """`find` and `read` are for `look_at`."""

    def __init__(self, inputs: Sequence[Input], begin: datetime) -> None:
        self.inputs = inputs
        resources = list(dict.fromkeys(one.resource_id for one in inputs))
        self._series = [
            Series(place + 1, resources.index(one.resource_id) + 1, one.is_counter, 0)
            for place, one in enumerate(inputs)
        ]
        self._columns = [_columns(one, to_us(begin)) for one in inputs]

    def find(self, subjects: Sequence[Subject]) -> list[Found]:
        return [_FINDERS[type(one.rule)](self, one) for one in subjects]

    def read(self, series_ids: Sequence[int], start: datetime, stop: datetime) -> Points:
        parts = []
        for position, number in enumerate(series_ids):
            times, values = self._columns[number - 1]
            low, high = np.searchsorted(times, [to_us(start), to_us(stop)])
            index = np.full(high - low, position, dtype=np.int64)
            parts.append(Points(index, times[low:high], values[low:high]))
        empty = Points(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float64))
        columns = zip(empty, *parts, strict=True)
        return Points(*(np.concatenate(column) for column in columns))

    def _of_resource(self, subject: Subject) -> Found:
        assert isinstance(subject.rule, ResourceThreshold)
        candidates = [
            Candidate(None, series if one.metric == subject.rule.metric else None)
            for one, series in zip(self.inputs, self._series, strict=True)
            if one.resource_id == subject.rule.resource_id
        ]
        return of_resource(subject, candidates)

    def _of_group(self, subject: Subject) -> Found:
        """The query is not asked: what the test gives of this metric is the group."""
        rule = subject.rule
        assert isinstance(rule, GroupThreshold)
        series = tuple(
            series
            for one, series in zip(self.inputs, self._series, strict=True)
            if one.metric == rule.metric and rule.resource_type in (GENERIC, one.resource_type)
        )
        return Found(series, "" if series else f"metric {rule.metric} does not exists")

    def _of_metrics(self, subject: Subject) -> Found:
        known = {
            one.id.lower(): Candidate(None, series)
            for one, series in zip(self.inputs, self._series, strict=True)
        }
        return of_listed(subject, known)

    def _classic(self, subject: Subject) -> Found:
        assert isinstance(subject.rule, ClassicThreshold)
        rows = [
            (one.resource_id, None, None, None, one.metadata, _uuid(one), series.pk,
             series.resource_id, _kind(one), _LONG_AGO)
            for one, series in zip(self.inputs, self._series, strict=True)
            if one.metric == subject.rule.meter_name
        ]  # fmt: skip
        return classic.chosen(subject, rows)

    def _vector(self, subject: Subject) -> Found:
        known: dict[str, list[Labelled]] = defaultdict(list)
        for one, series in zip(self.inputs, self._series, strict=True):
            labels = labels_of(
                one.metric, one.resource_id, one.resource_type, None, one.metadata, project=None
            )
            found = Labelled(series.pk, series.resource_id, _kind(one), "", None, 0, labels)
            known[labels[NAME]].append(found)
        return vectors.chosen(subject, vectors.node_of(subject), known)


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_FINDERS: dict[type, Callable[[InMemory, Subject], Found]] = {
    ResourceThreshold: InMemory._of_resource,
    GroupThreshold: InMemory._of_group,
    MetricsThreshold: InMemory._of_metrics,
    ClassicThreshold: InMemory._classic,
    PromqlThreshold: InMemory._vector,
}


def _columns(one: Input, begin_us: int) -> tuple[Any, Any]:
    kept = [(number, value) for number, value in enumerate(one.values) if value is not None]
    times = [begin_us + (one.start_s + number * one.interval_s) * SECOND for number, _ in kept]
    numbers = [value for _, value in kept]
    return np.array(times, dtype=np.int64), np.array(numbers, dtype=np.float64)


def _uuid(one: Input) -> UUID:
    return uuid5(NAMESPACE_URL, one.resource_id)


def _kind(one: Input) -> str:
    return Metric.Type.CUMULATIVE if one.is_counter else Metric.Type.GAUGE
