"""The facts, as far as the principal may know them: a few questions to the store, however large."""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from uuid import UUID

import numpy as np
from django.conf import settings
from django.db.models import Q, QuerySet

from meters import ownership
from meters.api.params import is_uuid
from meters.models import Metric, Resource, ResourceRevision
from meters.queries import revision_end
from meters.store.read import latest_points, read_points
from meters.why.facts import Facts, ResourceFact, SeriesFact
from meters.why.operations import look
from meters.why.stored import STATE_METER
from meters.why.ties import Asked
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import now

#: Meters of the resource that are looked at for their newest sample.
METERS_LOOKED_AT = 1000
RELATIVES, TYPES, SIMILAR, NAMESAKES = 5, 3, 5, 20
#: Names among which a similar one is looked for.
NAMES_LOOKED_AT = 5000
#: The rhythm of a series is that of its newest samples, in so long before the newest.
RHYTHM_OF, RHYTHM_WITHIN = 20, timedelta(hours=2)


def gather(principal: Principal, resource: str, meter: str) -> Facts:
    """`resource` is an id, a uuid or a name."""
    visible = Metric.objects.scope(principal)
    found = _resources(principal, resource, meter)
    one = found[0] if found else None
    metric = visible.filter(resource=one, name=meter).first() if one else None
    on = visible.filter(name=meter)
    others = on.exclude(resource=one) if one else on
    held = others.count()
    may_know = principal.is_admin and "admin" in principal.scopes
    return Facts(
        now=now(),
        resource_asked=resource,
        meter_asked=meter,
        resource=_resource(principal, one) if one else None,
        series=_series(principal, metric) if metric else None,
        namesakes=max(len(found) - 1, 0),
        relatives=[] if metric else _relatives(others, one.original_id if one else resource),
        meter_on=held,
        meter_types=_types(others),
        similar=[] if metric or held else _similar(visible, meter),
        taken_away=None if one else _taken_away(principal, resource),
        retention=_retention(),
        operations=look(_asked(one, resource, meter)) if may_know else None,
    )


def _resources(principal: Principal, asked: str, meter: str) -> list[Resource]:
    """Those of this id, uuid or name; first the one that has the meter, then the youngest."""
    visible = Resource.objects.scope(principal).order_by("-pk")
    by_id = Q(original_id=asked) | Q(uuid=asked) if is_uuid(asked) else Q(original_id=asked)
    by_name = Q(metadata__display_name=asked) | Q(metadata__name=asked)
    # No index knows the names: they are looked for only where there is no such id.
    rows = list(visible.filter(by_id)[:NAMESAKES] or visible.filter(by_name)[:NAMESAKES])
    having = set(
        Metric.objects.filter(resource__in=rows, name=meter).values_list("resource_id", flat=True)
    )
    return sorted(rows, key=lambda row: row.pk not in having)


def _resource(principal: Principal, one: Resource) -> ResourceFact:
    metrics = list(one.metrics.order_by("pk")[:METERS_LOOKED_AT])
    latest = latest_points([metric.pk for metric in metrics])
    latest = ownership.of(principal, metrics).restrict_latest(latest)
    moments = [moment for moment, _ in latest.values()]
    state = [latest[row.pk][1] for row in metrics if row.name == STATE_METER and row.pk in latest]
    return ResourceFact(
        uuid=one.uuid, id=one.original_id, name=one.display_name, type=one.type,
        started_at=one.started_at, ended_at=one.ended_at, sender=one.creator,
        newest=max(moments, default=None), state=state[0] if state else None,
        mine_since=None if principal.is_admin else _mine_since(principal, one),
    )  # fmt: skip


def _mine_since(principal: Principal, one: Resource) -> datetime | None:
    """When the resource came to the principal from another; None where it always was its own."""
    history = list(one.revisions.order_by("valid_from").values_list("valid_from", "project_id"))
    others = [place for place, (_, project) in enumerate(history)
              if project not in principal.projects]  # fmt: skip
    return history[others[-1] + 1][0] if others and others[-1] + 1 < len(history) else None


def _series(principal: Principal, metric: Metric) -> SeriesFact:
    owned = ownership.of(principal, [metric])
    latest = owned.restrict_latest(latest_points([metric.pk])).get(metric.pk)
    policy = metric.archive_policy
    longest = policy.longest_us if policy else None
    return SeriesFact(
        uuid=metric.uuid, created_at=metric.created_at,
        newest=latest[0] if latest else None,
        step_s=_step(owned, metric, latest[0]) if latest else None,
        policy=policy.name if policy else "",
        kept_s=None if longest is None else longest / 1e6,
        granularities_s=[width / 1e6 for width in reversed(policy.granularities_us)]
        if policy else [],
    )  # fmt: skip


def _step(owned: ownership.Ownership, metric: Metric, newest: datetime) -> float | None:
    """The usual distance of the newest samples, in seconds."""
    start = newest - RHYTHM_WITHIN
    points = owned.restrict(read_points([metric.pk], start, newest + timedelta(microseconds=1)))
    steps = np.diff(points.timestamps[-RHYTHM_OF:])
    return float(np.median(steps)) / 1e6 if len(steps) else None


def _relatives(on: QuerySet[Metric], resource: str) -> list[tuple[str, str, UUID]]:
    """Resources with the meter whose id holds this one's: its disks, its interfaces."""
    rows = on.filter(resource__original_id__contains=resource).order_by("resource__original_id")
    fields = "resource__original_id", "resource__type", "resource__uuid"
    return list(rows.values_list(*fields)[:RELATIVES])


def _types(on: QuerySet[Metric]) -> list[str]:
    recent = on.order_by("-pk").values_list("resource__type", flat=True)[:200]
    return sorted(set(recent))[:TYPES]


def _similar(visible: QuerySet[Metric], meter: str) -> list[str]:
    names = visible.order_by("name").values_list("name", flat=True).distinct()[:NAMES_LOOKED_AT]
    return [name for name in get_close_matches(meter, names, SIMILAR, 0.7) if name != meter]


def _taken_away(principal: Principal, asked: str) -> datetime | None:
    """When a resource that was the principal's went to another project."""
    if principal.is_admin:
        return None
    mine = ResourceRevision.objects.scope(principal).filter(resource__original_id=asked)
    last = mine.annotate(end=revision_end()).order_by("-valid_from").first()
    return last.end if last else None


def _retention() -> timedelta | None:
    days = settings.TELEMETRY_RETENTION_DAYS
    return timedelta(days=days) if days > 0 else None


def _asked(one: Resource | None, resource: str, meter: str) -> Asked:
    if one is None:
        return Asked(meter, resource)
    return Asked(meter, one.original_id, one.type, one.metadata)
