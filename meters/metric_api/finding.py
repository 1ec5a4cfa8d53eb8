"""Rows that a request names, and what its caller may see of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from meters.metric_api import policies
from meters.metric_api.errors import forbidden, not_found
from meters.metric_api.ids import ResourceIdError, resource_uuid
from meters.metric_api.policies import Rule, Target
from meters.metric_api.shapes import GENERIC, Described
from meters.models import STANDALONE, ArchivePolicy, Metric, Resource, ResourceType
from telemetry_site.auth.caller import Caller
from telemetry_site.prepared import Prepared


def parse_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def require(rule: Rule, caller: Caller, target: Target = policies.ANY) -> None:
    """Raises 403."""
    if not policies.allows(rule, caller, target):
        raise forbidden()


def target_of(row: Metric | Resource) -> Target:
    owner = row.resource if isinstance(row, Metric) else row
    return Target(row.creator, owner.project_id)


# --- metrics -----------------------------------------------------------------------------------


def _metrics() -> QuerySet[Metric]:
    rows = Metric.objects.select_related("resource", "archive_policy")
    return rows.filter(archive_policy__isnull=False)


def _many_metrics() -> QuerySet[Metric]:
    """As `_metrics`, with one object for all the metrics of a policy."""
    rows = Metric.objects.select_related("resource").prefetch_related("archive_policy")
    return rows.filter(archive_policy__isnull=False)


def listed_metrics(caller: Caller) -> QuerySet[Metric]:
    return _metrics().filter(policies.metric_filter("list metric", caller))


_by_id = Prepared(lambda identity: _metrics().filter(uuid=identity), UUID)


def metric_by_id(text: str) -> Metric:
    """Raises 404; who may do what with it is still to be asked."""
    found = parse_uuid(text)
    metric = None if found is None else _by_id.first(found)
    if metric is None:
        raise not_found(f"Metric {text} does not exist")
    return metric


def metrics_by_ids(ids: set[UUID]) -> dict[UUID, Metric]:
    return {metric.uuid: metric for metric in _many_metrics().filter(uuid__any=ids)}


names_of = Prepared(
    lambda owner: (
        Metric.objects.filter(resource_id=owner, archive_policy__isnull=False)
        .order_by("name")
        .values_list("name", "uuid")
    ),
    int,
)


def metrics_of(resources: list[int]) -> QuerySet[Metric]:
    return _many_metrics().filter(resource__id__any=resources)


class Readable(NamedTuple):
    """What of a metric there is to know for reading its measures."""

    pk: int
    uuid: UUID
    name: str
    resource_id: int
    resource_uuid: UUID
    policy: ArchivePolicy

    @classmethod
    def of(cls, metric: Metric) -> Readable:
        assert metric.archive_policy is not None
        return cls(
            metric.pk, metric.uuid, metric.name, metric.resource_id, metric.resource.uuid,
            metric.archive_policy,
        )  # fmt: skip


def _readable(condition: Q) -> QuerySet[Metric, tuple[Any, ...]]:
    rows = Metric.objects.filter(condition, archive_policy__isnull=False).order_by("pk")
    return rows.values_list(
        "pk", "uuid", "name", "resource_id", "resource__uuid", "archive_policy_id"
    )


_readable_of = Prepared(lambda owners: _readable(Q(resource__id__any=owners)), list)
_readable_by_name = Prepared(
    lambda owners, names: _readable(Q(resource__id__any=owners, name__any=names)), list, list
)
_policies = Prepared(lambda ids: ArchivePolicy.objects.filter(id__any=ids), list)


def readable(resources: Sequence[int], names: Collection[str] | None = None) -> list[Readable]:
    """The metrics of these resources, of these names if given, without a model instance each."""
    owners = list(resources)
    found: list[tuple[Any, ...]]
    if names is None:
        found = _readable_of.rows(owners)
    else:
        found = _readable_by_name.rows(owners, list(names))
    policies = {one.pk: one for one in _policies.rows(list({row[-1] for row in found}))}
    return [Readable._make((*row[:-1], policies[row[-1]])) for row in found]


class Measured(NamedTuple):
    """What of a metric there is to know for posting its measures."""

    pk: int
    uuid: UUID
    name: str
    creator: str
    resource_id: int
    resource_uuid: UUID
    project_id: str | None
    ended_at: datetime | None

    @classmethod
    def of(cls, metric: Metric) -> Measured:
        resource = metric.resource
        return cls(
            metric.pk, metric.uuid, metric.name, metric.creator, metric.resource_id,
            resource.uuid, resource.project_id, resource.ended_at,
        )  # fmt: skip


def _measured(condition: Q) -> QuerySet[Metric, tuple[Any, ...]]:
    rows = Metric.objects.filter(condition, archive_policy__isnull=False)
    return rows.values_list(
        "pk", "uuid", "name", "creator", "resource_id",
        "resource__uuid", "resource__project_id", "resource__ended_at",
    )  # fmt: skip


_measured_by_id = Prepared(lambda ids: _measured(Q(uuid__any=ids)), list)
_measured_by_name = Prepared(
    lambda owners, names: _measured(Q(resource__uuid__any=owners, name__any=names)), list, list
)


def measured_by_id(ids: Collection[UUID]) -> Iterator[Measured]:
    return map(Measured._make, _measured_by_id.rows(list(ids)))


def measured_by_name(owners: Collection[UUID], names: Collection[str]) -> Iterator[Measured]:
    """The metrics of any of the names on any of the resources."""
    return map(Measured._make, _measured_by_name.rows(list(owners), list(names)))


def require_posting(caller: Caller, metrics: Iterable[Measured]) -> None:
    """Raises 403 where the caller may not post measures of one of them."""
    for target in set(map(attrgetter("creator", "project_id"), metrics)):
        require("post measures", caller, Target(*target))


_by_name = Prepared(lambda owner, name: _metrics().filter(resource_id=owner, name=name), int, str)


def metric_by_name(resource: Resource, name: str) -> Metric:
    metric = _by_name.first(resource.pk, name)
    if metric is None:
        raise not_found(f"Metric {name} does not exist")
    return metric


# --- resources ---------------------------------------------------------------------------------


_type_by_name: Prepared[ResourceType] = Prepared(
    lambda name: ResourceType.objects.filter(name=name), str
)


def known_type(name: str) -> ResourceType | None:
    if name == GENERIC:  # it is always there and never changes
        return ResourceType(name=GENERIC)
    return _type_by_name.first(name)


def resource_type(name: str) -> ResourceType:
    found = known_type(name)
    if found is None:
        raise not_found(f"Resource type {name} does not exist")
    return found


def resources_of_type(kind: ResourceType) -> QuerySet[Resource]:
    """Under `generic` those of every type."""
    rows = Resource.objects.exclude(type=STANDALONE)
    return rows if kind.name == GENERIC else rows.filter(type=kind.name)


def primary_keys(rows: QuerySet[Resource]) -> list[int]:
    return list(rows.order_by("pk").values_list("pk", flat=True))


def described(rows: QuerySet[Resource]) -> dict[int, Described]:
    """By primary key, in its order."""
    found = rows.order_by("pk").values_list(*Described._fields)
    return {row[0]: Described(*row) for row in found}


def visible_resources(caller: Caller, rule: Rule, kind: ResourceType) -> QuerySet[Resource]:
    """Raises 403 where the rule can hold for nothing."""
    return resources_of_type(kind).filter(policies.resource_filter(rule, caller))


_resource_by_id = Prepared(
    lambda identity: Resource.objects.exclude(type=STANDALONE).filter(uuid=identity), UUID
)


def resource_by_id(caller: Caller, text: str, kind: ResourceType | None = None) -> Resource:
    """Raises 404. A name stands for the caller's own resource of that name."""
    try:
        identity = resource_uuid(text, caller.creator)
    except ResourceIdError as error:
        raise not_found(f"Resource {text} does not exist") from error
    resource = _resource_by_id.first(identity)
    if resource is None or (kind and kind.name not in (GENERIC, resource.type)):
        raise not_found(f"Resource {identity} does not exist")
    return resource
