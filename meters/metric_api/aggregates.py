"""Operations over metrics: which series they mean, their points, and the JSON of the result."""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from meters.archives import Archive, Range, archived
from meters.metric_api.cost import Tally, check_series
from meters.metric_api.errors import refusal
from meters.metric_api.finding import Readable
from meters.metric_api.shapes import measures_json
from meters.operations.evaluation import Inputs, Result, Series, evaluate
from meters.operations.query import Query, common_granularities
from meters.operations.tree import Node, Reference
from meters.store.points import Points, join


class Place(NamedTuple):
    """One series: a metric under one of its policy's aggregation methods."""

    metric: Readable
    aggregation: str


@dataclass
class Sources:
    """The series that the operations' references mean; one metric may be under several methods."""

    places: list[Place] = field(default_factory=list)
    columns: dict[Reference, list[int]] = field(default_factory=dict)
    _known: dict[tuple[int, str], int] = field(default_factory=dict)

    def add(self, reference: Reference, metric: Readable) -> None:
        """Raises `ApiError` when the metric's policy lacks the aggregation."""
        if reference.aggregation not in metric.policy.aggregation_methods:
            cause = "Metrics with unknown aggregation"
            raise refusal(cause, 404, detail=[list(reference)])
        key = (metric.pk, reference.aggregation)
        if key not in self._known:
            self._known[key] = len(self.places)
            self.places.append(Place(metric, reference.aggregation))
        self.columns.setdefault(reference, []).append(self._known[key])

    def offered(self) -> list[tuple[Reference, set[int]]]:
        """At which granularities each series has points."""
        policies = {place.metric.policy.pk: place.metric.policy for place in self.places}
        known = {pk: set(policy.granularities_us) for pk, policy in policies.items()}
        return [
            (reference, known[self.places[one].metric.policy.pk])
            for reference, ones in self.columns.items()
            for one in ones
        ]

    def only(self, resources: Iterable[int]) -> dict[Reference, list[int]]:
        """The columns of these resources; references without any are kept, empty."""
        wanted = set(resources)
        return {
            reference: sorted(one for pk in wanted for one in owned.get(pk, ()))
            for reference, owned in self._owned.items()
        }

    @cached_property
    def _owned(self) -> dict[Reference, dict[int, list[int]]]:
        """Each reference's columns by resource; asked for when all are added."""
        found: dict[Reference, dict[int, list[int]]] = {one: {} for one in self.columns}
        for reference, ones in self.columns.items():
            for one in ones:
                resource = self.places[one].metric.resource_id
                found[reference].setdefault(resource, []).append(one)
        return found


def plain_names(references: Sequence[Reference]) -> set[str] | None:
    """The names of metrics that are meant; None where some are wildcards."""
    names = {reference.metric for reference in references}
    return None if any(set(name) & set("*?[") for name in names) else names


def by_name(references: Sequence[Reference], metrics: Sequence[Readable]) -> Sources:
    """References are names or shell wildcards of the resources' metrics."""
    named: dict[str, list[Readable]] = defaultdict(list)
    for metric in metrics:
        named[metric.name].append(metric)
    sources = Sources()
    for reference in references:
        for name in sorted(fnmatch.filter(named, reference.metric)):
            for metric in named[name]:
                sources.add(reference, metric)
    return sources


def inputs_of(sources: Sources, query: Query, granularity_us: int | None) -> Inputs:
    """All points that the operations may need. Raises `OperationsError` and `ApiError`."""
    check_series(len(sources.places))
    wanted = Range(query.start_us, query.stop_us)
    points = {
        granularity: _points(sources.places, granularity, wanted)
        for granularity in common_granularities(sources.offered(), granularity_us)
    }
    owners = [place.metric.resource_id for place in sources.places]
    return Inputs(sources.columns, points, owners)


def _points(places: Sequence[Place], granularity_us: int, wanted: Range) -> Points:
    """`Points.index` is the place."""
    by_method: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(places):
        by_method[one.aggregation].append(place)
    parts = []
    for method, chosen in by_method.items():
        archives = [archive_of(places[place].metric, granularity_us) for place in chosen]
        found = archived(archives, granularity_us, method, wanted)
        parts.append(found._replace(index=np.array(chosen, dtype=np.int64)[found.index]))
    if len(parts) == 1:
        return parts[0]
    joined = join(parts)
    return joined.take(np.lexsort((joined.timestamps, joined.index)))


def archive_of(metric: Readable, granularity_us: int) -> Archive:
    return Archive(metric.pk, metric.policy.timespan_us(granularity_us))


def compute(
    operations: Node, inputs: Inputs, query: Query, by_resource: bool, tally: Tally
) -> Result:
    """Operands of a function pair resource by resource where metrics are meant by name.

    Raises `OperationsError`, and `ApiError` when the measures are too many for one answer.
    """
    result = evaluate(operations, inputs if by_resource else inputs._replace(owners=None), query)
    tally.add(sum(len(series.values) for series in result.series))
    return result


def result_json(result: Result, places: Sequence[Place], by_resource: bool) -> dict[str, Any]:
    """The value of ``measures``."""
    if result.aggregated:
        return {"aggregated": list(_rows(result.series))}
    told: dict[str, Any] = {}
    for series in result.series:
        assert series.column is not None
        metric, aggregation = places[series.column]
        under = told.setdefault(str(metric.resource_uuid), {}) if by_resource else told
        key = metric.name if by_resource else str(metric.uuid)
        under.setdefault(key, {}).setdefault(aggregation, []).extend(_rows([series]))
    return told


def _rows(found: Iterable[Series]) -> Iterable[list[Any]]:
    for series in found:
        yield from measures_json(series.timestamps, series.granularity_us / 1e6, series.values)
