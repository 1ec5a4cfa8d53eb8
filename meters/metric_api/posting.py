"""Measures that have been read and are allowed, on their way into the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.backends.utils import CursorWrapper

from meters.metric_api import making
from meters.metric_api.errors import ApiError, bad_request, refusal
from meters.metric_api.finding import (
    Measured,
    measured_by_name,
    require,
    require_posting,
    target_of,
)
from meters.metric_api.ids import ResourceIdError, resource_uuid
from meters.metric_api.known import Pair, known
from meters.metric_api.measures import Batch, Wanted, invalid_input
from meters.metric_api.schemas import checked_name
from meters.metric_api.times import text_of
from meters.models import Resource
from meters.store.head import Entry, Rows
from meters.store.write import FUTURE_ALLOWANCE, begin_rows, store_rows
from telemetry_site.auth.caller import Caller
from telemetry_site.clock import from_us, now, to_us
from telemetry_site.prepared import keeping_plans


@transaction.atomic
def store(batch: Batch[Measured]) -> None:
    """All or nothing; visible and safe once the transaction is committed. Raises `ApiError`."""
    with keeping_plans() as cursor:
        _store(cursor, begin_rows(cursor, len(batch.columns.values)), batch)


def _store(cursor: CursorWrapper, entry: Entry, batch: Batch[Measured]) -> None:
    metrics, lengths, columns = batch
    if not len(columns.values):
        return
    _refuse_future(batch)
    series = np.repeat(np.array([metric.pk for metric in metrics], dtype=np.int64), lengths)
    store_rows(cursor, entry, Rows(series, columns.timestamps, columns.values))
    _reopen(batch)


def _refuse_future(batch: Batch[Measured]) -> None:
    """A clock that runs ahead would push what is right out of the policy's timespan (K3)."""
    if settings.TELEMETRY_METRIC_API_FUTURE:
        return
    late = batch.columns.timestamps > to_us(now() + FUTURE_ALLOWANCE)
    if late.any():
        row = int(late.argmax())
        metric = batch.keys[int(np.searchsorted(np.cumsum(batch.lengths), row, side="right"))]
        told = text_of(from_us(int(batch.columns.timestamps[row])))
        raise bad_request(
            f"Metric {metric.uuid}: timestamp {told} is more than "
            f"{FUTURE_ALLOWANCE.seconds} s in the future"
        )


def _reopen(batch: Batch[Measured]) -> None:
    """A resource that is measured again after its end has not ended (metric-api.md 13.5)."""
    ended = [place for place, metric in enumerate(batch.keys) if metric.ended_at is not None]
    if not ended:
        return
    edges = np.cumsum([0, *batch.lengths])
    newest: dict[int, int] = {}
    for place in ended:
        times = batch.columns.timestamps[edges[place] : edges[place + 1]]
        owner = batch.keys[place].resource_id
        newest[owner] = max(int(times.max(initial=0)), newest.get(owner, 0))
    for pk, moment_us in newest.items():
        Resource.objects.filter(pk=pk, ended_at__lte=from_us(moment_us)).update(ended_at=None)


# --- by resource and name ------------------------------------------------------------------------


@transaction.atomic
def store_by_name(caller: Caller, batch: Batch[Wanted], creates: bool) -> None:
    """All or nothing. `creates`: metrics that are missing are made, resources never.

    Raises `ApiError`.
    """
    ids = {name: _identity(name, caller) for name in {one.resource_id for one in batch.keys}}
    pairs: list[Pair] = [(ids[one.resource_id].int, one.name) for one in batch.keys]
    with keeping_plans() as cursor:
        entry = begin_rows(cursor, len(batch.columns.values))
        found = _known_or_found(entry.epoch, pairs)
        if creates and not found.keys() >= set(pairs):
            making.lock_catalogue()
            found = _found(pairs)
            found |= _made(caller, ids, _missing(batch.keys, pairs, found))
        if missing := _missing(batch.keys, pairs, found):
            named = sorted(f"{ids[one.resource_id]}/{one.name}" for one in missing)
            raise bad_request(f"Unknown metrics: {', '.join(named)}")
        metrics = [found[pair] for pair in pairs]
        require_posting(caller, metrics)
        _store(cursor, entry, batch.under(metrics))


def _identity(name: str, caller: Caller) -> UUID:
    try:
        return resource_uuid(name, caller.creator)
    except ResourceIdError as error:
        raise invalid_input(str(error), (name,), of_value=False) from error


def _known_or_found(epoch: int, pairs: Sequence[Pair]) -> dict[Pair, Measured]:
    """Those that are there, and maybe others."""
    remembered = known.under(epoch)
    found = {pair: metric for pair in pairs if (metric := remembered.get(pair))}
    if lacking := [pair for pair in pairs if pair not in found]:
        found |= (new := _found(lacking))
        known.remember(epoch, new)
    return found


def _found(pairs: Sequence[Pair]) -> dict[Pair, Measured]:
    """Those that are there, and maybe others."""
    owners = [UUID(int=owner) for owner in {owner for owner, _ in pairs}]
    rows = measured_by_name(owners, {name for _, name in pairs})
    return {(metric.resource_uuid.int, metric.name): metric for metric in rows}


def _missing(
    wanted: Sequence[Wanted], pairs: Sequence[Pair], found: Mapping[Pair, Measured]
) -> list[Wanted]:
    """Each once, though a metric may be there under several keys: folded labels, spellings."""
    lacking = {pair: one for one, pair in zip(wanted, pairs, strict=True) if pair not in found}
    return list(lacking.values())


def _made(
    caller: Caller, ids: Mapping[str, UUID], missing: Sequence[Wanted]
) -> dict[Pair, Measured]:
    """The missing metrics, on resources that are there."""
    resources = _resources(ids, missing)
    for resource in resources.values():
        require("update resource", caller, target_of(resource))
    wanted = [
        making.NewMetric(
            checked_name(one.name), one.policy_name, one.unit, resources[ids[one.resource_id]]
        )
        for one in missing
    ]
    made = making.make_metrics(wanted, caller)
    return {(metric.resource_uuid.int, metric.name): metric for metric in made}


def _resources(ids: Mapping[str, UUID], missing: Sequence[Wanted]) -> dict[UUID, Resource]:
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
