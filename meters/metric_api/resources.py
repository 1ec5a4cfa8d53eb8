"""What happens to resources through the metric API: made, changed, deleted, and their history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from meters.metric_api import making
from meters.metric_api.errors import bad_request, conflict, refusal
from meters.metric_api.finding import Measured, resource_type
from meters.metric_api.ids import resource_uuid
from meters.metric_api.making import NewMetric
from meters.metric_api.shapes import GENERIC
from meters.models import Metric, Resource, ResourceRevision, ResourceType
from meters.resource_types import check_attributes
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import now

#: Keys of a body that are no attributes of a type.
OWN = ("id", "started_at", "ended_at", "user_id", "project_id", "metrics")


class MetricDefinition(NamedTuple):
    """A metric as a body describes it."""

    policy_name: str | None = None
    unit: str = ""


class Created(NamedTuple):
    resource: Resource
    metrics: dict[str, UUID]


#: A metric that is there, or one to be made.
MetricsBody = Mapping[str, UUID | MetricDefinition]


@transaction.atomic
def create(caller: Caller, kind: ResourceType, body: Mapping[str, Any]) -> Created:
    """`body` has been checked against the schema of the type. Raises `ApiError`."""
    wanted = body.get("metrics", {})
    if any(isinstance(one, UUID) for one in wanted.values()):
        making.lock_catalogue()  # metrics move
    elif kind.name != GENERIC:
        making.share_catalogue()  # the type stays as it is
    kind = resource_type(kind.name)  # as it is now: it may have been patched meanwhile
    moment = now()
    resource = Resource(
        uuid=resource_uuid(body["id"], caller.creator), original_id=body["id"],
        creator=caller.creator, type=kind.name,
        project_id=body.get("project_id"), user_id=body.get("user_id"),
        metadata=check_attributes(kind, _attributes(body), partial=False),
        started_at=body.get("started_at", moment), ended_at=body.get("ended_at"),
        revision_start=moment,
    )  # fmt: skip
    _check_times(resource)
    if not making.insert_resource(resource):
        raise conflict(f"Resource {resource.uuid} already exists")
    attached = _attach(caller, resource, wanted)
    made = {one.name: one.uuid for one in _make(caller, resource, wanted, is_new=True)}
    return Created(resource, attached | made)


def _attributes(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in OWN}


def _check_times(resource: Resource) -> None:
    if resource.ended_at is not None and resource.started_at > resource.ended_at:
        raise bad_request("Start timestamp cannot be after end timestamp")


def _file_revision(resource: Resource) -> None:
    ResourceRevision.objects.create(
        resource=resource, valid_from=resource.revision_start, project_id=resource.project_id,
        user_id=resource.user_id, type=resource.type, source=resource.source,
        metadata=resource.metadata, digest=resource.revision_digest,
        started_at=resource.started_at, ended_at=resource.ended_at,
    )  # fmt: skip


@transaction.atomic
def change(caller: Caller, resource: Resource, kind: ResourceType, body: Mapping[str, Any]) -> bool:
    """Set what the body has; whether a revision was made of it. Raises `ApiError`.

    `metrics` replaces the whole set and makes no revision.
    """
    making.lock_catalogue()
    kind = resource_type(kind.name)
    resource.refresh_from_db(from_queryset=Resource.objects.select_for_update(no_key=True))
    before = _state(resource)
    for name in ("started_at", "ended_at", "user_id", "project_id"):
        if name in body:
            setattr(resource, name, body[name])
    attributes = check_attributes(kind, _attributes(body), partial=True)
    resource.metadata = {**resource.metadata, **attributes}
    changed = _state(resource) != before
    if changed:
        _check_times(resource)
        resource.revision_start = max(now(), resource.revision_start)
        resource.revision_digest = b""
        resource.save()
        _file_revision(resource)
        making.raise_epoch()
    if "metrics" in body:
        _replace_metrics(caller, resource, body["metrics"])
    return changed


def _state(resource: Resource) -> tuple[object, ...]:
    times: tuple[datetime, datetime | None] = (resource.started_at, resource.ended_at)
    return *times, resource.user_id, resource.project_id, dict(resource.metadata)


def _replace_metrics(caller: Caller, resource: Resource, wanted: MetricsBody) -> None:
    held = {metric.name: metric for metric in Metric.objects.filter(resource=resource)}
    kept = {name for name, one in held.items() if wanted.get(name) == one.uuid}
    claimed = {one for one in wanted.values() if isinstance(one, UUID)}
    gone = [one for name, one in held.items() if name not in kept and one.uuid not in claimed]
    making.detach(gone, caller)
    add_metrics(caller, resource, {k: v for k, v in wanted.items() if k not in kept})


def add_metrics(caller: Caller, resource: Resource, wanted: MetricsBody) -> list[Measured]:
    """Attach those that are there and make the others, which it returns. Raises `ApiError`."""
    _attach(caller, resource, wanted)
    return _make(caller, resource, wanted)


def _attach(caller: Caller, resource: Resource, wanted: MetricsBody) -> dict[str, UUID]:
    named = {name: one for name, one in wanted.items() if isinstance(one, UUID)}
    if not named:
        return {}
    rows = Metric.objects.filter(
        uuid__any=named.values(), creator=caller.creator, archive_policy__isnull=False
    )
    found = {one.uuid: one for one in rows}
    for identity in named.values():
        if identity not in found:
            raise bad_request(f"Metric {identity} does not exist")
    making.attach([(name, found[identity]) for name, identity in named.items()], resource)
    return named


def _make(
    caller: Caller, resource: Resource, wanted: MetricsBody, is_new: bool = False
) -> list[Measured]:
    """`is_new`: the resource was made just now and has none."""
    new = {name: one for name, one in wanted.items() if isinstance(one, MetricDefinition)}
    if not new:
        return []
    asked = [NewMetric(name, one.policy_name, one.unit, resource) for name, one in new.items()]
    try:
        return making.make_metrics(asked, caller, is_new)
    except making.NameTakenError as error:
        raise conflict(f"Named metric {error} already exists") from error


def ensure(caller: Caller, kind: ResourceType, wanted: Mapping[str, Mapping[str, str]]) -> None:
    """Make the caller's resources that are not there yet: {name: attributes}. Raises `ApiError`."""
    ids = {resource_uuid(name, caller.creator): name for name in wanted}
    rows = Resource.objects.filter(uuid__any=ids)
    found: dict[UUID, str] = dict(rows.values_list("uuid", "type"))
    for identity, type_name in found.items():
        if type_name != kind.name:
            raise refusal("Resource already exists", 409, detail=str(identity))
    for identity, name in ids.items():
        if identity not in found:
            create(caller, kind, {"id": name, **wanted[name]})
