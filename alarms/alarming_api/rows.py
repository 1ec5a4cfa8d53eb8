"""Alarms and history with what lists sort and queries look for, by aodh's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Case, F, Func, IntegerField, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Coalesce, NullIf

from alarms.alarming_api.complexquery import Column, Grammar
from alarms.alarming_api.paging import MOST, Listing, by_id
from alarms.choices import ACTION_FIELDS, Severity
from alarms.models import Alarm, AlarmHistory
from meters.metric_api.paging import Sort

ALARMS = Listing(
    fields={
        "alarm_id": "id", "enabled": "enabled", "name": "name", "type": "type",
        "severity": "severity_rank", "timestamp": "updated_at", "user_id": "user_id",
        "project_id": "project_id", "state": "state", "repeat_actions": "repeat_actions",
        "state_timestamp": "state_timestamp",
    },
    usual=(Sort("timestamp", "desc", "updated_at"),),
    ties=(Sort("alarm_id", "asc", "id"),),
    marked=by_id("id"),
)  # fmt: skip
HISTORY = Listing(
    fields={
        "event_id": "event_id", "alarm_id": "alarm_id", "on_behalf_of": "project_id",
        "project_id": "actor_project", "user_id": "user_id", "type": "type",
        "timestamp": "timestamp", "severity": "severity_rank",
    },
    usual=(Sort("timestamp", "desc", "timestamp"),),
    ties=(Sort("id", "desc", "id"),),
    marked=by_id("event_id"),
)  # fmt: skip

_TIE = (Sort("id", "asc", "id"),)
SILENCES = Listing(
    fields={
        "id": "id", "startsAt": "starts_at", "endsAt": "ends_at", "updatedAt": "updated_at",
    },
    usual=(Sort("endsAt", "desc", "ends_at"),),
    ties=_TIE,
    marked=by_id("id"),
    most=MOST,
)  # fmt: skip
INHIBITIONS = Listing(
    fields={"id": "id", "created_at": "created_at"},
    usual=(Sort("created_at", "desc", "created_at"),),
    ties=_TIE,
    marked=by_id("id"),
    most=MOST,
)
#: In the order in which they take alarms.
ROUTES = Listing(
    fields={"id": "id", "position": "position", "created_at": "created_at"},
    usual=(Sort("position", "asc", "position"), Sort("created_at", "asc", "created_at")),
    ties=_TIE,
    marked=by_id("id"),
    most=MOST,
)

#: The fields of an alarm that its JSON needs. Rows of these alone are read in half the time.
SHOWN = (
    "id", "name", "description", "enabled", *ACTION_FIELDS, "repeat_actions", "type",
    "time_constraints", "project_id", "user_id", "updated_at", "state", "state_timestamp",
    "state_reason", "severity", "evaluated_at", "rule", "policy", "definition_version",
)  # fmt: skip

_ALARM_COLUMNS: dict[str, Column] = {
    "alarm_id": Column("id", "id"),
    "enabled": Column("enabled", "flag"),
    "name": Column("name"),
    "type": Column("type"),
    "severity": Column("severity", "rank", "severity_rank"),
    "description": Column("description"),
    "timestamp": Column("updated_at", "time"),
    "user_id": Column("user_id"),
    "user": Column("user_id"),
    "project_id": Column("project_id"),
    "project": Column("project_id"),
    "state": Column("state"),
    "state_reason": Column("state_reason"),
    "state_timestamp": Column("state_timestamp", "time"),
    "repeat_actions": Column("repeat_actions", "flag"),
    "rule": Column("rule_text"),
    "time_constraints": Column("time_constraints_text"),
    "evaluate_timestamp": Column("evaluated_at", "time"),
}
#: A webhook's URL may hold a secret, and =~ would find it out bit by bit.
_FOR_EDITORS = {name: Column(f"{name}_text") for name in ACTION_FIELDS}
_HISTORY_COLUMNS: dict[str, Column] = {
    "event_id": Column("event_id", "id"),
    "alarm_id": Column("alarm_id", "id"),
    "on_behalf_of": Column("project_id"),
    "project_id": Column("actor_project"),
    "project": Column("actor_project"),
    "user_id": Column("user_id"),
    "user": Column("user_id"),
    "type": Column("type"),
    "timestamp": Column("timestamp", "time"),
    "severity": Column("severity", "rank", "severity_rank"),
}
_DETAIL = {"detail": Column("detail_text")}


def alarm_grammar(project: str | None, is_whole: bool) -> Grammar:
    """`project`: the only one that may be asked about; None: any."""
    columns: Mapping[str, Column] = {**_ALARM_COLUMNS, **(_FOR_EDITORS if is_whole else {})}
    return Grammar(columns, ("project_id", "project"), project)


def history_grammar(project: str | None, is_whole: bool) -> Grammar:
    columns: Mapping[str, Column] = {**_HISTORY_COLUMNS, **(_DETAIL if is_whole else {})}
    return Grammar(columns, ("on_behalf_of",), project)


def alarms() -> QuerySet[Any]:
    """Rows of `SHOWN`."""
    texts = {f"{name}_text": _json_text(name) for name in (*ACTION_FIELDS, "rule")}
    found = Alarm.objects.alias(
        severity_rank=severity_rank(),
        id_text=Cast("id", TextField()),
        time_constraints_text=_json_text("time_constraints"),
        **texts,
    )
    return found.values_list(*SHOWN, named=True)


def history() -> QuerySet[AlarmHistory]:
    return AlarmHistory.objects.alias(
        severity_rank=severity_rank(),
        event_id_text=Cast("event_id", TextField()),
        alarm_id_text=Cast("alarm_id", TextField()),
        actor_project=Coalesce(NullIf("user_project_id", Value("")), F("project_id")),
        detail_text=_json_text("detail"),
    )


def _json_text(name: str) -> Cast:
    return Cast(Func(F(name), function="to_jsonb"), TextField())


def severity_rank() -> Case:
    """Low, moderate, critical; rows of history without one come first."""
    places = [
        When(severity=severity, then=Value(place)) for place, severity in enumerate(Severity.values)
    ]
    return Case(*places, default=Value(-1), output_field=IntegerField())
