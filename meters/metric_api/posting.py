"""Measures that have been read and are allowed, on their way into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from meters.metric_api import making
from meters.metric_api.errors import ApiError, bad_request, refusal
from meters.metric_api.finding import Measured, measured, require, target_of
from meters.metric_api.ids import ResourceIdError, resource_uuid
from meters.metric_api.measures import Columns, Posted, invalid_input
from meters.metric_api.resources import MetricDefinition, policies_of
from meters.metric_api.schemas import checked_name
from meters.metric_api.times import text_of
from meters.models import Resource
from meters.store.head import Rows
from meters.store.write import FUTURE_ALLOWANCE, store_rows
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import from_us, now, to_us

Pair = tuple[UUID, str]


class Post(NamedTuple):
    """New measures of one metric, in the order in which they were sent."""

    metric: Measured
    columns: Columns


@transaction.atomic
def store(posts: Sequence[Post]) -> None:
    """All or nothing; visible and safe once the transaction is committed. Raises `ApiError`."""
    filled = [post for post in posts if len(post.columns.values)]
    if not filled:
        return
    _refuse_future(filled)
    lengths = [len(post.columns.values) for post in filled]
    store_rows(
        Rows(
            np.repeat(np.array([post.metric.pk for post in filled], dtype=np.int64), lengths),
            np.concatenate([post.columns.timestamps for post in filled]),
            np.concatenate([post.columns.values for post in filled]),
        )
    )
    _reopen(filled)


def _refuse_future(posts: Sequence[Post]) -> None:
    """A clock that runs ahead would push what is right out of the policy's timespan (K3)."""
    if settings.TELEMETRY_METRIC_API_FUTURE:
        return
    latest_us = to_us(now() + FUTURE_ALLOWANCE)
    for metric, columns in posts:
        if (newest_us := int(columns.timestamps.max())) > latest_us:
            raise bad_request(
                f"Metric {metric.uuid}: timestamp {text_of(from_us(newest_us))} is more than "
                f"{FUTURE_ALLOWANCE.seconds} s in the future"
            )


def _reopen(posts: Sequence[Post]) -> None:
    """A resource that is measured again after its end has not ended (metric-api.md 13.5)."""
    newest: dict[int, datetime] = {}
    for metric, columns in posts:
        if metric.ended_at is not None:
            moment = from_us(int(columns.timestamps.max()))
            newest[metric.resource_id] = max(moment, newest.get(metric.resource_id, moment))
    for pk, moment in newest.items():
        Resource.objects.filter(pk=pk, ended_at__lte=moment).update(ended_at=None)


# --- by resource and name ------------------------------------------------------------------------


@transaction.atomic
def store_by_name(caller: Caller, posted: Sequence[Posted], creates: bool) -> None:
    """All or nothing. `creates`: metrics that are missing are made, resources never.

    Raises `ApiError`.
    """
    ids = {name: _identity(name, caller) for name in {one.resource_id for one in posted}}
    found = _found(ids, posted)
    if creates and _missing(ids, posted, found):
        making.lock_catalogue()
        found = _found(ids, posted)
        found |= _made(caller, ids, _missing(ids, posted, found))
    if missing := _missing(ids, posted, found):
        named = sorted(f"{ids[one.resource_id]}/{one.name}" for one in missing)
        raise bad_request(f"Unknown metrics: {', '.join(named)}")
    for metric in found.values():
        require("post measures", caller, metric.target)
    store([Post(found[ids[one.resource_id], one.name], one.columns) for one in posted])


def _identity(name: str, caller: Caller) -> UUID:
    try:
        return resource_uuid(name, caller.creator)
    except ResourceIdError as error:
        raise invalid_input(str(error), (name,), of_value=False) from error


def _found(ids: Mapping[str, UUID], posted: Sequence[Posted]) -> dict[Pair, Measured]:
    wanted = {(ids[one.resource_id], one.name) for one in posted}
    names = {name for _, name in wanted}
    rows = measured(Q(resource__uuid__any=ids.values()) & Q(name__in=names))
    found = {(metric.resource_uuid, metric.name): metric for metric in rows}
    return {pair: metric for pair, metric in found.items() if pair in wanted}


def _missing(
    ids: Mapping[str, UUID], posted: Sequence[Posted], found: Mapping[Pair, Measured]
) -> list[Posted]:
    return [one for one in posted if (ids[one.resource_id], one.name) not in found]


def _made(
    caller: Caller, ids: Mapping[str, UUID], missing: Sequence[Posted]
) -> dict[Pair, Measured]:
    """The missing metrics, on resources that are there."""
    resources = _resources(ids, missing)
    for resource in resources.values():
        require("update resource", caller, target_of(resource))
    definitions = [
        (checked_name(one.name), MetricDefinition(one.policy_name, one.unit)) for one in missing
    ]
    wanted = [
        making.NewMetric(policy, one.name, one.unit, resources[ids[one.resource_id]])
        for one, policy in zip(missing, policies_of(definitions), strict=True)
    ]
    made = making.make_metrics(wanted, caller)
    return {(metric.resource.uuid, metric.name): Measured.of(metric) for metric in made}


def _resources(ids: Mapping[str, UUID], missing: Sequence[Posted]) -> dict[UUID, Resource]:
    wanted = {ids[one.resource_id]: one.resource_id for one in missing}
    found = {resource.uuid: resource for resource in Resource.objects.filter(uuid__any=wanted)}
    unknown = {identity: name for identity, name in wanted.items() if identity not in found}
    if unknown:
        raise unknown_resources(unknown)
    return found


def unknown_resources(unknown: Mapping[UUID, str]) -> ApiError:
    """The error by which ceilometer's publisher learns what it has to make."""
    detail = [
        {"resource_id": str(identity), "original_resource_id": name}
        for identity, name in unknown.items()
    ]
    return refusal("Unknown resources", detail=detail)
