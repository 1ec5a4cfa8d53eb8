"""What keeps an alarm quiet at this moment, for its page and the list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import OperationalError

from alarms.models import Alarm, AlarmAck, Silence
from alarms.muting import acks, silences
from alarms.muting.judging import Muted, judge
from alarms.ui.told import names_of
from telemetry_site.auth.principal import Principal

PAST_SHOWN = 20


@dataclass(frozen=True)
class Mark:
    """Of one alarm in the list."""

    is_silenced: bool = False
    is_inhibited: bool = False
    ack: AlarmAck | None = None


def marks(alarms: Iterable[Alarm]) -> dict[UUID, Mark]:
    ids = [alarm.pk for alarm in alarms]
    muted, acked = _judged(ids), acks.of_alarms(ids)
    return {
        one: Mark(
            bool(muted[one].silences) if one in muted else False,
            bool(muted[one].inhibitors) if one in muted else False,
            acked.get(one),
        )
        for one in ids
    }


def _judged(ids: list[UUID]) -> dict[UUID, Muted]:
    """Without marks where they take too long: the page comes all the same."""
    try:
        return judge(ids) if ids else {}
    except OperationalError:
        return {}


@dataclass(frozen=True)
class Quiet:
    """All that concerns the silence round one alarm: what holds now, and what did."""

    active: list[Silence] = field(default_factory=list)
    past: list[tuple[Any, str]] = field(default_factory=list)
    inhibitors: list[Alarm] = field(default_factory=list)
    ack: AlarmAck | None = None


def quiet(principal: Principal, alarm: Alarm) -> Quiet:
    """`past`: silences that are over or to come, and acknowledgements, newest first, each with the
    name of who ended it."""
    rows = Silence.objects.scope(principal).filter(pk__in=silences.of_alarm(alarm.pk))
    fitting = list(rows.order_by("-ends_at", "pk"))
    held = AlarmAck.objects.scope(principal).filter(alarm_id=alarm.pk)
    ack = acks.of_alarms([alarm.pk]).get(alarm.pk)
    acked = [one for one in held.order_by("-created_at")[:PAST_SHOWN] if one != ack]
    active = [one for one in fitting if one.state == "active"]
    others: list[Any] = [*(one for one in fitting if one not in active), *acked]
    known = names_of({one.ended_by for one in others})
    past = sorted(others, key=lambda one: one.created_at, reverse=True)
    muted = _judged([alarm.pk]).get(alarm.pk)
    sources = muted.inhibitors if muted else []
    return Quiet(
        active,
        [(one, known.get(one.ended_by, one.ended_by)) for one in past[:PAST_SHOWN]],
        list(Alarm.objects.scope(principal).filter(pk__in=sources).order_by("name")),
        ack,
    )
