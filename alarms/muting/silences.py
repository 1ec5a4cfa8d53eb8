"""Silences: what may be written of one, making, changing, ending, and what it would fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Least, Now

from alarms.choices import SilenceState
from alarms.errors import DefinitionError, QuotaError
from alarms.models import Silence
from alarms.muting import matchers
from meters.api.names import flaw_of
from meters.api.params import moment
from telemetry_site import clock

FIELDS = ("matchers", "startsAt", "endsAt", "createdBy", "comment")
MAX_COMMENT = 4096
#: Of one project, those that are over not counted.
MOST = 500

_FITTING = f"""
SELECT id, count(*) OVER () FROM (
    SELECT alarm.id, alarm.name, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
    WHERE alarm.project_id IS NOT DISTINCT FROM %(project)s) AS alarm
WHERE {matchers.fit("%(matchers)s::jsonb", "labels")}
ORDER BY name, id LIMIT %(limit)s
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
        _moment("startsAt", fields["startsAt"]),
        _moment("endsAt", fields["endsAt"]),
        _name("createdBy", fields["createdBy"]),
        text("comment", fields["comment"], MAX_COMMENT),
    )
    now = clock.now()
    if asked.ends_at <= asked.starts_at:
        raise DefinitionError("endsAt", "must be later than startsAt")
    if asked.ends_at <= now:
        raise DefinitionError("endsAt", "is over already")
    return asked._replace(starts_at=max(asked.starts_at, now))


def text(field: str, value: Any, longest: int) -> str:
    """Raises `DefinitionError`."""
    if not isinstance(value, str):
        raise DefinitionError(field, "must be a text")
    if "\0" in value:
        raise DefinitionError(field, "holds a NUL character")
    if len(value) > longest:
        raise DefinitionError(field, f"has {len(value)} characters, at most {longest} are allowed")
    return value


def _name(field: str, value: Any) -> str:
    name = text(field, value, 255)
    if flaw := flaw_of(name):
        raise DefinitionError(field, flaw)
    return name


def _moment(field: str, value: Any) -> datetime:
    if not isinstance(value, str):
        raise DefinitionError(field, "must be a time as text")
    try:
        return moment(value)
    except ValueError as error:
        raise DefinitionError(field, str(error).rstrip(".")) from error


def create(asked: Asked, project_id: str | None, user_id: str) -> Silence:
    """Raises `QuotaError` where the project has as many as it may."""
    others = Silence.objects.filter(project_id=project_id, ends_at__gt=Now())
    if others.count() >= MOST:
        raise QuotaError(f"The project has {MOST} silences, the most it may have: end some.")
    silence = Silence(**asked._asdict(), project_id=project_id, user_id=user_id)
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
