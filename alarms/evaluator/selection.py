"""From rules to series: which metrics each alarm looks at, found for all alarms at once.

An alarm of a project finds what is that project's now; an alarm of the installation finds
everything. Where several resources bear the id, the one that our own agents measure is meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from alarms.definition import GroupThreshold, ResourceThreshold, SeriesRule
from meters.models import Metric, Resource
from meters.search import parse_search
from telemetry_site.clock import to_us

GENERIC = "generic"


class Subject(NamedTuple):
    """What is looked at: a rule, with the eyes of a project (None: of the installation)."""

    rule: SeriesRule
    project_id: str | None


class Series(NamedTuple):
    """A metric as the evaluator needs it. From `since_us` on its owner is its present one."""

    pk: int
    resource_id: int
    is_counter: bool
    since_us: int


class Found(NamedTuple):
    """The series of one subject, or why there are none (aodh's words)."""

    series: tuple[Series, ...] = ()
    problem: str = ""


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
    """The series of each subject, in their order."""
    found = [Found()] * len(subjects)
    single = [n for n, one in enumerate(subjects) if isinstance(one.rule, ResourceThreshold)]
    keys = {_key(subjects[n].rule) for n in single}
    candidates = _candidates(sorted(keys))
    for n in single:
        found[n] = _of_resource(subjects[n], candidates[_key(subjects[n].rule)])
    known: dict[tuple[str, str, str, str | None], Found] = {}
    for n, subject in enumerate(subjects):
        if isinstance(subject.rule, GroupThreshold):
            rule = subject.rule
            key = (rule.metric, rule.resource_type, rule.query, subject.project_id)
            if key not in known:
                known[key] = _of_group(rule, subject.project_id)
            found[n] = known[key]
    return found


def _key(rule: SeriesRule) -> tuple[str, str]:
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
    with connection.cursor() as cursor:
        cursor.execute(statement, [[resource for resource, _ in keys], [name for _, name in keys]])
        for position, _, resource, project, since, metric, kind in cursor:
            is_counter = kind == Metric.Type.CUMULATIVE
            series = Series(metric, resource, is_counter, since) if metric else None
            found[keys[position]].append(Candidate(project, series))


def is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _of_resource(subject: Subject, candidates: list[Candidate]) -> Found:
    rule = subject.rule
    assert isinstance(rule, ResourceThreshold)
    visible = [one for one in candidates if subject.project_id in (None, one.project_id)]
    if not visible:
        return Found(problem=f"resource {rule.resource_id} does not exists")
    for one in visible:
        if one.series:
            return Found((one.series,))
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
    series = tuple(
        Series(pk, resource, kind == Metric.Type.CUMULATIVE, to_us(since))
        for pk, resource, kind, since in rows
    )
    return Found(series, "" if series else f"metric {rule.metric} does not exists")


_OTHER_OWNERS = """
SELECT DISTINCT resource.id FROM meters_resource AS resource
JOIN meters_resourcerevision AS revision ON revision.resource_id = resource.id
WHERE resource.id = ANY(%s) AND revision.project_id IS DISTINCT FROM resource.project_id
"""


def had_other_owners(resources: Collection[int]) -> set[int]:
    """Those of the resources that were ever another's than they are now."""
    if not resources:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_OTHER_OWNERS, [list(resources)])
        return {row[0] for row in cursor}
