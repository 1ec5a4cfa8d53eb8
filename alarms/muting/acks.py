"""Acknowledgements: somebody knows of the alarm, so it is not told again and again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from alarms.choices import State
from alarms.errors import DefinitionError, StateError
from alarms.models import Alarm, AlarmAck
from alarms.muting.fields import free_text, time_of
from telemetry_site import clock


class Asked(NamedTuple):
    """`until` None: until the state changes."""

    comment: str
    until: datetime | None


def check(fields: Mapping[str, Any]) -> Asked:
    """Raises `DefinitionError`."""
    for name in fields:
        if name not in Asked._fields:
            raise DefinitionError(name[:80], "is no field of an acknowledgement")
    comment = free_text("comment", fields.get("comment"))
    given = fields.get("until")
    until = None if given is None else time_of("until", given)
    if until and until <= clock.now():
        raise DefinitionError("until", "is over already")
    return Asked(comment, until)


def acknowledge(alarm: Alarm, asked: Asked, user_id: str, name: str) -> AlarmAck:
    """In place of one that is there. Raises `StateError` unless the alarm is in alarm, and
    `Alarm.DoesNotExist` when it is gone."""
    with transaction.atomic():
        current: Alarm = Alarm.objects.select_for_update(no_key=True).get(pk=alarm.pk)
        if current.state != State.ALARM:
            raise StateError(f"The alarm is {current.state}: only one in alarm is acknowledged.")
        _end(current.pk, user_id)
        ack = AlarmAck(
            alarm_id=current.pk, project_id=current.project_id, user_id=user_id,
            state_since=current.state_timestamp, created_by=name, **asked._asdict(),
        )  # fmt: skip
        ack.save(force_insert=True)
        ack.refresh_from_db()
    return ack


def take_back(alarm: Alarm, user_id: str) -> None:
    """Raises `StateError` where the alarm is not acknowledged."""
    with transaction.atomic():
        current: Alarm = Alarm.objects.select_for_update(no_key=True).get(pk=alarm.pk)
        if not of_alarms([current.pk]):
            raise StateError("The alarm is not acknowledged.")
        _end(current.pk, user_id)


def of_alarms(ids: Collection[UUID]) -> dict[UUID, AlarmAck]:
    """The acknowledgements that hold now, by alarm."""
    rows = AlarmAck.objects.filter(
        Q(until=None) | Q(until__gt=Now()), alarm_id__in=ids, ended_at=None
    )
    since = dict(
        Alarm.objects.filter(pk__in=ids, state=State.ALARM).values_list("pk", "state_timestamp")
    )
    return {one.alarm_id: one for one in rows if since.get(one.alarm_id) == one.state_since}


def _end(alarm_id: UUID, user_id: str) -> None:
    AlarmAck.objects.filter(alarm_id=alarm_id, ended_at=None).update(
        ended_at=Now(), ended_by=user_id
    )
