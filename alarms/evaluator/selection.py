"""From rules to series: which metrics each alarm looks at, found for all alarms at once.

An alarm of a project finds what is that project's now; an alarm of the installation finds
everything. Where several resources bear the id, the one that our own agents measure is meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connection

from alarms.definition import (
    ClassicThreshold,
    GroupThreshold,
    MetricsThreshold,
    Part,
    PromqlThreshold,
    ResourceThreshold,
)
from alarms.evaluator.classic import find_classic
from alarms.evaluator.subjects import Found, Series, Subject, is_uuid
from alarms.evaluator.vectors import find_vectors
from meters.models import Metric, Resource
from meters.search import parse_search
from telemetry_site.arrays import plain_array, text_array
from telemetry_site.clock import to_us

__all__ = ["Found", "Series", "Subject", "find", "had_other_owners", "is_uuid"]

GENERIC = "generic"


#: $1, $2: resource ids and meters wanted, by position.
_BY_ID = """
SELECT wanted.position - 1, resource.creator, resource.id, resource.project_id,
       (extract(epoch FROM resource.revision_start) * 1000000)::bigint, metric.id, metric.type
FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS wanted (resource, metric, position)
JOIN meters_resource AS resource ON resource.original_id = wanted.resource
LEFT JOIN meters_metric AS metric
       ON metric.resource_id = resource.id AND metric.name = wanted.metric
ORDER BY resource.creator, resource.id
"""
_BY_UUID = _BY_ID.replace(
    "resource.original_id = wanted.resource", "resource.uuid = wanted.resource::uuid"
)


class Candidate(NamedTuple):
    """A resource with the wanted id; `series` is None where it has not the wanted meter."""

    project_id: str | None
    series: Series | None


def find(subjects: Sequence[Subject]) -> list[Found]:
    """The series of each subject, in their order: a search a kind of rule, not a rule."""
    found = [Found()] * len(subjects)
    places: dict[type, list[int]] = defaultdict(list)
    for place, subject in enumerate(subjects):
        places[type(subject.rule)].append(place)
    for kind, chosen in places.items():
        some = FINDERS[kind]([subjects[place] for place in chosen])
        for place, one in zip(chosen, some, strict=True):
            found[place] = one
    return found


def _of_resources(subjects: Sequence[Subject]) -> list[Found]:
    keys = [_key(one.rule) for one in subjects]
    candidates = _candidates(sorted(set(keys)))
    return [of_resource(one, candidates[key]) for one, key in zip(subjects, keys, strict=True)]


def _of_groups(subjects: Sequence[Subject]) -> list[Found]:
    known: dict[tuple[str, str, str, str | None], Found] = {}
    found = []
    for rule, project_id in subjects:
        assert isinstance(rule, GroupThreshold)
        key = (rule.metric, rule.resource_type, rule.query, project_id)
        if key not in known:
            known[key] = _of_group(rule, project_id)
        found.append(known[key])
    return found


def _of_metrics(subjects: Sequence[Subject]) -> list[Found]:
    """Metrics by their ids, all of all subjects looked up at once."""
    wanted = {name for one in subjects for name in _metrics(one) if is_uuid(name)}
    rows = Metric.objects.filter(uuid__in=wanted).values_list(
        "uuid", "pk", "resource_id", "type", "resource__revision_start", "resource__project_id"
    )
    known = {
        str(row[0]): Candidate(row[5], series_of(row[1], row[2], row[3], row[4])) for row in rows
    }
    return [of_listed(one, known) for one in subjects]


def of_listed(subject: Subject, known: Mapping[str, Candidate]) -> Found:
    names = _metrics(subject)
    visible = [
        one.series
        for name in dict.fromkeys(name.lower() for name in names)
        if (one := known.get(name)) and subject.project_id in (None, one.project_id) and one.series
    ]
    if len(visible) < len({name.lower() for name in names}):
        return Found(problem=f"At least of metrics in {names} does not exist")
    return Found(tuple(visible))


def _metrics(subject: Subject) -> list[str]:
    assert isinstance(subject.rule, MetricsThreshold)
    return subject.rule.metrics


def series_of(pk: int, resource_id: int, kind: str, since: datetime) -> Series:
    return Series(pk, resource_id, kind == Metric.Type.CUMULATIVE, to_us(since))


def _key(rule: Part) -> tuple[str, str]:
    assert isinstance(rule, ResourceThreshold)
    return rule.resource_id, rule.metric


def _candidates(keys: list[tuple[str, str]]) -> dict[tuple[str, str], list[Candidate]]:
    found: dict[tuple[str, str], list[Candidate]] = defaultdict(list)
    _look_up(_BY_ID, keys, found)
    _look_up(_BY_UUID, [key for key in keys if is_uuid(key[0])], found)
    return found


def _look_up(
    statement: str,
    keys: list[tuple[str, str]],
    found: dict[tuple[str, str], list[Candidate]],
) -> None:
    if not keys:
        return
    cumulative = Metric.Type.CUMULATIVE.value
    with connection.cursor() as cursor:
        cursor.execute(statement, [text_array(column) for column in zip(*keys, strict=True)])
        for position, _, resource, project, since, metric, kind in cursor.fetchall():
            is_counter = kind == cumulative
            series = Series(metric, resource, is_counter, since) if metric else None
            found[keys[position]].append(Candidate(project, series))


def of_resource(subject: Subject, candidates: list[Candidate]) -> Found:
    rule = subject.rule
    assert isinstance(rule, ResourceThreshold)
    is_known = False
    for one in candidates:
        if subject.project_id in (None, one.project_id):
            if one.series:
                return Found((one.series,))
            is_known = True
    if not is_known:
        return Found(problem=f"resource {rule.resource_id} does not exists")
    text = f"metric {rule.metric} for resource {rule.resource_id} does not exists"
    return Found(problem=text)


def _of_group(rule: GroupThreshold, project_id: str | None) -> Found:
    resources = Resource.objects.filter(parse_search(rule.query))
    if rule.resource_type != GENERIC:
        resources = resources.filter(type=rule.resource_type)
    if project_id is not None:
        resources = resources.filter(project_id=project_id)
    metrics = Metric.objects.filter(name=rule.metric, resource__in=resources).order_by("pk")
    rows = metrics.values_list("pk", "resource_id", "type", "resource__revision_start")
    series = tuple(series_of(*row) for row in rows)
    return Found(series, "" if series else f"metric {rule.metric} does not exists")


#: How the series of each kind of rule are found, those of many rules at once.
FINDERS: dict[type, Callable[[Sequence[Subject]], list[Found]]] = {
    ResourceThreshold: _of_resources,
    MetricsThreshold: _of_metrics,
    GroupThreshold: _of_groups,
    ClassicThreshold: find_classic,
    PromqlThreshold: find_vectors,
}

_OTHER_OWNERS = """
SELECT DISTINCT resource.id FROM meters_resource AS resource
JOIN meters_resourcerevision AS revision ON revision.resource_id = resource.id
WHERE resource.id = ANY(%s::bigint[]) AND revision.project_id IS DISTINCT FROM resource.project_id
"""


def had_other_owners(resources: Collection[int]) -> set[int]:
    """Those of the resources that were ever another's than they are now."""
    if not resources:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_OWNERS, [plain_array(resources)])
        return {row[0] for row in cursor.fetchall()}
