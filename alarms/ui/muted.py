"""What keeps an alarm quiet at this moment, and what did, for its page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from alarms.models import Alarm, AlarmAck, Silence
from alarms.muting import silences
from alarms.muting.marks import marks
from alarms.ui.told import names_of
from telemetry_site.auth.principal import Principal

PAST_SHOWN = 20


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
    mark = marks([alarm.pk])[alarm.pk]
    acked = [one for one in held.order_by("-created_at")[:PAST_SHOWN] if one != mark.ack]
    active = [one for one in fitting if one.state == "active"]
    others: list[Any] = [*(one for one in fitting if one not in active), *acked]
    known = names_of({one.ended_by for one in others})
    past = sorted(others, key=lambda one: one.created_at, reverse=True)
    return Quiet(
        active,
        [(one, known.get(one.ended_by, one.ended_by)) for one in past[:PAST_SHOWN]],
        list(Alarm.objects.scope(principal).filter(pk__in=mark.inhibited_by).order_by("name")),
        mark.ack,
    )
