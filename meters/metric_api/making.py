"""Metrics and resources that are made, attached and detached through the metric API.

Everything here runs in a transaction of the caller's under the catalogue's lock, which collectors
take too: two of them never wait for each other crosswise. Who only adds new rows shares the lock
with others that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec
from django.db import connection

from meters.archive_policies import PolicyError, policy_names
from meters.metric_api.errors import bad_request
from meters.metric_api.finding import Measured
from meters.models import STANDALONE, Metric, Resource
from meters.store import catalogue
from meters.store.catalogue_statements import CATALOGUE_LOCK, RAISE_EPOCH
from telemetry_site.arrays import plain_array, text_array
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import now
from telemetry_site.prepared import keeping_plans


class NewMetric(NamedTuple):
    """Without a `policy_name` the rules say which; `resource` None is a metric of no resource."""

    name: str = ""
    policy_name: str | None = None
    unit: str = ""
    resource: Resource | None = None


class NameTakenError(Exception):
    """A resource has a metric of this name."""


def lock_catalogue() -> None:
    """Held until the transaction ends."""
    with connection.cursor() as cursor:
        catalogue.lock_catalogue(cursor)


def share_catalogue() -> None:
    """Held until the transaction ends, together with others that add a resource of their own.

    Not to be followed by `lock_catalogue`: two that share it would wait for each other.
    """
    with keeping_plans() as cursor:
        cursor.execute(_SHARE, [CATALOGUE_LOCK])


def raise_epoch() -> None:
    """Collectors and posts forget which series a resource's meter is."""
    with connection.cursor() as cursor:
        cursor.execute(RAISE_EPOCH)


_SHARE = "SELECT pg_advisory_xact_lock_shared(%s)"
#: With its first revision; nothing where it is there already, also made by another just now.
_INSERT_RESOURCE = f"""
WITH shared AS MATERIALIZED ({_SHARE}),
made AS (
    INSERT INTO meters_resource (uuid, original_id, creator, type, project_id, user_id, source,
                                 metadata, revision_digest, revision_start, started_at, ended_at)
    SELECT %s::uuid, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::bytea, %s::timestamptz,
           %s::timestamptz, %s::timestamptz
    FROM shared
    ON CONFLICT DO NOTHING
    RETURNING *
)
INSERT INTO meters_resourcerevision (resource_id, valid_from, project_id, user_id, type, source,
                                     metadata, digest, started_at, ended_at)
SELECT id, revision_start, project_id, user_id, type, source, metadata, revision_digest,
       started_at, ended_at
FROM made
RETURNING resource_id
"""
_INSERT_METRICS = """
INSERT INTO meters_metric (uuid, resource_id, name, unit, type, archive_policy_id, creator)
SELECT wanted.uuid, resource_id, wanted.name, unit, %s, policy.id, %s
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[])
    AS wanted (uuid, resource_id, name, unit, policy)
JOIN meters_archivepolicy AS policy ON policy.name = wanted.policy
RETURNING uuid, id
"""


def insert_resource(resource: Resource) -> bool:
    """Store a new resource, which gets its primary key; False where there is one of this id.

    Shares the catalogue's lock from then on, if the caller does not hold it.
    """
    with keeping_plans() as cursor:
        cursor.execute(
            _INSERT_RESOURCE,
            [
                CATALOGUE_LOCK,
                resource.uuid, resource.original_id, resource.creator, resource.type,
                resource.project_id, resource.user_id, resource.source,
                msgspec.json.encode(resource.metadata).decode(), bytes(resource.revision_digest),
                resource.revision_start, resource.started_at, resource.ended_at,
            ],
        )  # fmt: skip
        made = cursor.fetchone()
    if made:
        (resource.pk,) = made
    return made is not None


def make_metrics(
    wanted: Sequence[NewMetric], caller: Caller, on_new_resource: bool = False
) -> list[Measured]:
    """In the order wanted. Raises `NameTakenError` with the name, and `ApiError` where there is no
    such policy; nothing is made then.
    """
    if not on_new_resource:
        taken = _taken([(one.resource.pk, one.name) for one in wanted if one.resource])
        if taken:
            raise NameTakenError(taken)
    alone = iter(_stand_ins([one for one in wanted if one.resource is None], caller))
    owners = [one.resource or next(alone) for one in wanted]
    try:
        policies = policy_names([(one.name, one.policy_name) for one in wanted])
        ids = _insert_metrics(wanted, owners, policies, caller.creator)
    except PolicyError as error:
        raise bad_request(str(error)) from error
    return [
        Measured(
            pk, identity, one.name, caller.creator,
            owner.pk, owner.uuid, owner.project_id, owner.ended_at,
        )
        for one, owner, (identity, pk) in zip(wanted, owners, ids, strict=True)
    ]  # fmt: skip


def _insert_metrics(
    wanted: Sequence[NewMetric], owners: Sequence[Resource], policies: Sequence[str], creator: str
) -> list[tuple[UUID, int]]:
    """Their ids and primary keys. Raises `PolicyError`."""
    ids = [uuid4() for _ in wanted]
    columns = [
        plain_array(ids),
        plain_array(one.pk for one in owners),
        text_array(one.name for one in wanted),
        text_array(one.unit for one in wanted),
        text_array(policies),
    ]
    with keeping_plans() as cursor:
        cursor.execute(_INSERT_METRICS, [Metric.Type.GAUGE, creator, *columns])
        made: dict[UUID, int] = dict(cursor.fetchall())
    for one, policy in zip(ids, policies, strict=True):
        if one not in made:
            raise PolicyError(f"Archive policy {policy} does not exist")
    return [(one, made[one]) for one in ids]


def _taken(pairs: Sequence[tuple[int, str]]) -> str:
    """A name that one of the resources has, or that is wanted twice; else empty."""
    owners = {pk for pk, _ in pairs}
    rows = Metric.objects.filter(resource__in=owners, name__in={name for _, name in pairs})
    seen = set(rows.values_list("resource_id", "name"))
    for pair in pairs:
        if pair in seen:
            return pair[1]
        seen.add(pair)
    return ""


def _stand_ins(alone: Sequence[object], caller: Caller) -> list[Resource]:
    """A resource of its own for each metric that has none, so that every metric has one owner."""
    if not alone:
        return []
    moment = now()
    ids = [uuid4() for _ in alone]
    return Resource.objects.bulk_create(
        Resource(
            uuid=one, original_id=str(one), creator=caller.creator, type=STANDALONE,
            project_id=caller.project_id or None, user_id=caller.user_id or None,
            revision_start=moment, started_at=moment,
        )
        for one in ids
    )  # fmt: skip


def detach(metrics: Sequence[Metric], caller: Caller) -> None:
    """They live on without their resource, under their names."""
    for metric, stand_in in zip(metrics, _stand_ins(metrics, caller), strict=True):
        metric.resource = stand_in
    _move(metrics)


def attach(metrics: Sequence[tuple[str, Metric]], resource: Resource) -> None:
    """Each under its new name; two of them may swap names."""
    left = [metric.resource_id for _, metric in metrics]
    for _, metric in metrics:
        metric.name = str(metric.uuid)
    _move([metric for _, metric in metrics])
    for name, metric in metrics:
        metric.name, metric.resource = name, resource
    _move([metric for _, metric in metrics])
    Resource.objects.filter(pk__in=left, type=STANDALONE, metrics=None).delete()


def _move(metrics: Sequence[Metric]) -> None:
    if metrics:
        Metric.objects.bulk_update(metrics, ["name", "resource"])
        raise_epoch()
