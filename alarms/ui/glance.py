"""Alarms at a glance, for the overview and every page's head."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When

from alarms.choices import Severity, State
from alarms.models import Alarm
from telemetry_site.auth.principal import Principal

#: Worst first.
STATE_ORDER = (State.ALARM, State.INSUFFICIENT_DATA, State.OK)
SEVERITY_ORDER = (Severity.CRITICAL, Severity.MODERATE, Severity.LOW)
WORST = 5


@dataclass(frozen=True)
class Glance:
    """How many enabled alarms are in each state."""

    ok: int = 0
    alarm: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        return self.ok + self.alarm + self.unknown


def glance(principal: Principal) -> Glance:
    rows = Alarm.objects.scope(principal).filter(enabled=True).order_by()
    counts = dict(rows.values_list("state").annotate(Count("pk")))
    return Glance(
        ok=counts.get(State.OK, 0),
        alarm=counts.get(State.ALARM, 0),
        unknown=counts.get(State.INSUFFICIENT_DATA, 0),
    )


def worst(principal: Principal) -> list[Alarm]:
    """The first of those that are in `alarm`."""
    firing = Alarm.objects.scope(principal).filter(enabled=True, state=State.ALARM)
    return list(worst_first(firing)[:WORST])


def worst_first(rows: QuerySet[Alarm]) -> QuerySet[Alarm]:
    """By state, then severity, then the newest change."""
    return rows.annotate(
        state_rank=_rank("state", STATE_ORDER), severity_rank=_rank("severity", SEVERITY_ORDER)
    ).order_by("-enabled", "state_rank", "severity_rank", "-state_timestamp", "pk")


def _rank(column: str, order: tuple[str, ...]) -> Case:
    places = [When(**{column: value}, then=Value(place)) for place, value in enumerate(order)]
    return Case(*places, default=Value(len(order)), output_field=IntegerField())
