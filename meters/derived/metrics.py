"""Derived series as metrics that are in no table, for whoever has metrics in hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import QuerySet

from meters.derived.series import Derived, find, find_numbers, number_of_uuid, uuid_of
from meters.models import Metric


def metrics_named(
    names: Collection[str], sources: QuerySet[Metric], most: int | None = None
) -> list[Metric]:
    """Those of these names, of some `sources` (the first `most` of them), with their resources."""
    return _as_metrics([one for one, _ in find(names, sources, most=most)], sources)


def metrics_with(uuids: Iterable[UUID], sources: QuerySet[Metric]) -> list[Metric]:
    """The same of those with these UUIDs."""
    numbers = {number for uuid in uuids if (number := number_of_uuid(uuid)) is not None}
    return _as_metrics([one for one, _ in find_numbers(numbers, sources)], sources)


def metric_with(uuid: UUID, metrics: QuerySet[Metric]) -> Metric | None:
    """Of the `metrics` or derived of them."""
    found = metrics.select_related("resource").filter(uuid=uuid).first()
    return found or next(iter(metrics_with([uuid], metrics)), None)


def _as_metrics(found: Collection[Derived], sources: QuerySet[Metric]) -> list[Metric]:
    if not found:
        return []
    rows = sources.select_related("resource").in_bulk({one.source for one in found})
    return [
        Metric(
            pk=one.pk, uuid=uuid_of(one.pk), resource=rows[one.source].resource, name=one.name,
            unit=one.unit, type=one.type, archive_policy_id=rows[one.source].archive_policy_id,
        )
        for one in found
        if one.source in rows
    ]  # fmt: skip
