"""Groups of resources by their attributes, now or at each time of their history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from meters.aggregation import aggregate
from meters.metric_api import aggregates, listing
from meters.metric_api.aggregates import Sources
from meters.metric_api.cost import Tally, check_groups
from meters.metric_api.errors import bad_request
from meters.metric_api.history import revisions_of, state_of
from meters.metric_api.shapes import Described, State, current, resource_json
from meters.models import Resource, ResourceType
from meters.operations.evaluation import Inputs
from meters.operations.history import in_force
from meters.operations.query import Query
from meters.operations.tree import Node, Reference
from meters.store.points import Points, join
from telemetry_site.clock import to_us

Values = tuple[Any, ...]
_CREATED_BY = ("created_by_user_id", "created_by_project_id")
_EVER_US = np.iinfo(np.int64).max


def check_attributes_known(kind: ResourceType, by: Sequence[str], complaint: str) -> None:
    """Raises `ApiError`: the complaint, in which ``{}`` stands for the name."""
    known = {*listing.FIELDS, *kind.attributes, *_CREATED_BY}
    for name in by:
        if name not in known:
            raise bad_request(complaint.format(name))


def values_of(state: State, kind: ResourceType, by: Sequence[str]) -> Values:
    told = resource_json(state, kind, ())
    return tuple(told[name] for name in by)


def _in_order(groups: Mapping[Values, Any]) -> list[Values]:
    """By their values; null comes last."""
    return sorted(groups, key=lambda values: [(one is None, str(one)) for one in values])


def members(
    kind: ResourceType, by: Sequence[str], resources: Mapping[int, Described]
) -> list[tuple[Values, list[int]]]:
    """The resources of each group, groups in the order of their values. Raises `ApiError`."""
    found: dict[Values, list[int]] = defaultdict(list)
    for pk, resource in resources.items():
        found[values_of(current(resource), kind, by)].append(pk)
    check_groups(len(found))
    return [(values, found[values]) for values in _in_order(found)]


def columns_of(
    groups: Sequence[tuple[Values, list[int]]], sources: Sources, wanted: Sequence[Reference]
) -> Iterator[tuple[Values, dict[Reference, list[int]]]]:
    """The columns of each group that has a metric of each reference."""
    for values, pks in groups:
        columns = sources.only(pks)
        if all(columns.get(reference) for reference in wanted):
            yield values, columns


def by_history(
    operations: Node, sources: Sources, query: Query, granularity_us: int | None,
    kind: ResourceType, by: Sequence[str], tally: Tally,
) -> list[dict[str, Any]]:  # fmt: skip
    """Each revision's share of the measures goes to the group of the values that it had.

    Of one group, what its revisions share of a bucket is added up (metric-api.md 17.3).
    """
    inputs = aggregates.inputs_of(sources, query, granularity_us)
    owners = {place.metric.resource_id for place in sources.places}
    spans: dict[Values, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for revision in revisions_of(Resource.objects.filter(pk__any=owners)).order_by("valid_from"):
        since, until = _span(revision, query)
        if since < until:
            values = values_of(state_of(revision), kind, by)
            spans[values][revision.resource_id].append((since, until))
    check_groups(len(spans))
    found = []
    for values in _in_order(spans):
        part = _shares(inputs, sources, spans[values])
        result = aggregates.compute(operations, part, query, True, tally)
        measures = aggregates.result_json(result, sources.places, by_resource=True)
        if any(len(series.values) for series in result.series):
            group = dict(zip(by, values, strict=True))
            found.append({"measures": {"measures": measures}, "group": group})
    return found


def _span(revision: Any, query: Query) -> tuple[int, int]:
    """When it was in force; the first one reaches back to the start of the question."""
    since = 0 if revision.number == 1 else to_us(revision.valid_from)
    until = _EVER_US if revision.until is None else to_us(revision.until)
    stop = _EVER_US if query.stop_us is None else query.stop_us
    return max(since, query.start_us or 0), min(until, stop)


def _shares(
    inputs: Inputs, sources: Sources, spans: Mapping[int, Sequence[tuple[int, int]]]
) -> Inputs:
    """The group's places only, each with the sum of its revisions' shares."""
    columns = sources.only(spans)
    points = {
        granularity: _weighted(held, granularity, sources, spans)
        for granularity, held in inputs.points.items()
    }
    return inputs._replace(columns=columns, points=points)


def _weighted(
    points: Points, granularity_us: int, sources: Sources,
    spans: Mapping[int, Sequence[tuple[int, int]]],
) -> Points:  # fmt: skip
    most = max(len(held) for held in spans.values())
    parts = []
    for turn in range(most):
        since = np.zeros(len(sources.places), dtype=np.int64)
        until = np.zeros(len(sources.places), dtype=np.int64)
        for place, one in enumerate(sources.places):
            held = spans.get(one.metric.resource_id, ())
            if turn < len(held):
                since[place], until[place] = held[turn]
        parts.append(in_force(points, granularity_us, since, until))
    joined = join(parts)
    ordered = joined.take(np.lexsort((joined.timestamps, joined.index)))
    return aggregate(ordered, granularity_us, "sum")
