"""Silences: what may be written of one, making, changing, ending, and what it would fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Least, Now

from alarms.choices import SilenceState
from alarms.errors import DefinitionError, QuotaError
from alarms.models import Silence
from alarms.muting import matchers
from alarms.muting.fields import free_text, name_of, time_of
from meters.api.params import END_OF_TIME_US, is_uuid
from telemetry_site import clock

FIELDS = ("matchers", "startsAt", "endsAt", "createdBy", "comment")
_FILTER = re.compile(r"(?P<name>\w+)\s*(?P<sign>!?=)(?![=~])\s*(?P<value>[^\0]*)")
#: Of one project, those that are over not counted.
MOST = 500

_FITTING = f"""
SELECT id, count(*) OVER () FROM (
    SELECT alarm.id, alarm.name, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
    WHERE alarm.project_id IS NOT DISTINCT FROM %(project)s) AS alarm
WHERE {matchers.fit("%(matchers)s::jsonb", "labels")}
ORDER BY name, id LIMIT %(limit)s
"""
_OF_ALARM = f"""
SELECT silence.id FROM alarms_silence AS silence, (
    SELECT alarm.project_id, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
    WHERE alarm.id = %s) AS alarm
WHERE alarm.project_id IS NOT DISTINCT FROM silence.project_id
  AND {matchers.fit("silence.matchers", "labels")}
ORDER BY silence.ends_at DESC LIMIT 50
"""


class Fitting(NamedTuple):
    """The first of the alarms that are fitted, and how many there are."""

    ids: list[UUID]
    total: int


class Asked(NamedTuple):
    """What somebody writes of a silence, checked."""

    matchers: list[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str


def check(fields: Mapping[str, Any]) -> Asked:
    """All of Alertmanager's fields are required. Raises `DefinitionError`."""
    for name in fields:
        if name not in FIELDS:
            raise DefinitionError(name[:80], "is no field of a silence")
    for name in FIELDS:
        if fields.get(name) in (None, ""):
            raise DefinitionError(name, "is required")
    asked = Asked(
        matchers.check("matchers", fields["matchers"]),
        time_of("startsAt", fields["startsAt"]),
        time_of("endsAt", fields["endsAt"], END_OF_TIME_US),  # 9999 is how people write "for ever"
        name_of("createdBy", fields["createdBy"]),
        free_text("comment", fields["comment"]),
    )
    now = clock.now()
    if asked.ends_at <= asked.starts_at:
        raise DefinitionError("endsAt", "must be later than startsAt")
    if asked.ends_at <= now:
        raise DefinitionError("endsAt", "is over already")
    return asked._replace(starts_at=max(asked.starts_at, now))


def id_of(given: Any) -> UUID | None:
    """None: nothing has this id."""
    return UUID(given) if isinstance(given, str) and is_uuid(given) else None


def filter_of(text: str) -> Q:
    """Silences with such a matcher (``severity="low"``), or without (``!=``). Raises ValueError."""
    found = _FILTER.fullmatch(text.strip())
    if found is None or found["name"] not in matchers.LABELS:
        raise ValueError(
            f'{text[:80]!r} is no filter like name="web", of one of '
            f"{', '.join(matchers.LABELS)}, with = or !="
        )
    value = found["value"]
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    with_it = Q(matchers__contains=[{"name": found["name"], "value": value}])
    return with_it if found["sign"] == "=" else ~with_it


def create(asked: Asked, project_id: str | None, user_id: str) -> Silence:
    """Raises `QuotaError` where the project has as many as it may."""
    others = Silence.objects.filter(project_id=project_id, ends_at__gt=Now())
    if others.count() >= MOST:
        raise QuotaError(f"The project has {MOST} silences, the most it may have: end some.")
    silence = Silence(**asked._asdict(), project_id=project_id, user_id=user_id)
    if asked.starts_at <= clock.now():
        silence.starts_at = Now()  # by the clock that judges it
    silence.save(force_insert=True)
    silence.refresh_from_db()
    return silence


def change(silence: Silence, asked: Asked, user_id: str) -> Silence:
    """As Alertmanager does: what changes the past, or what it fits, is a silence of its own, and
    the one before is ended."""
    with transaction.atomic():
        current: Silence = Silence.objects.select_for_update().get(pk=silence.pk)
        state = current.state
        if state == SilenceState.EXPIRED or current.matchers != asked.matchers:
            expire(current, user_id)
            return create(asked, current.project_id, user_id)
        if state == SilenceState.PENDING:
            current.starts_at = asked.starts_at
        current.ends_at, current.comment = asked.ends_at, asked.comment
        current.created_by, current.user_id = asked.created_by, user_id
        current.updated_at = clock.now()
        current.save()
    return current


def expire(silence: Silence, user_id: str) -> bool:
    """End it now; False where it is over already. The row stays to be seen for 30 days."""
    rows = Silence.objects.filter(pk=silence.pk, ends_at__gt=Now())
    done = rows.update(
        starts_at=Least("starts_at", Now()), ends_at=Now(), updated_at=Now(), ended_by=user_id
    )
    silence.refresh_from_db()
    return bool(done)


def fitting(asked: list[dict[str, Any]], project_id: str | None, limit: int) -> Fitting:
    """The project's alarms that checked matchers fit, by name."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FITTING, {"project": project_id, "matchers": json.dumps(asked), "limit": limit}
        )
        rows = cursor.fetchall()
    return Fitting([row[0] for row in rows], rows[0][1] if rows else 0)


def of_alarm(alarm_id: UUID) -> list[UUID]:
    """The last of the silences that fit an alarm, those to come and those that are over too."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_ALARM, [alarm_id])
        return [row[0] for row in cursor]
