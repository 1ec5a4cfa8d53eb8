"""How alarms and their history look in answers: aodh's fields in aodh's order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from alarms.choices import ACTION_FIELDS, Type
from alarms.definition import PARTS, RULES
from alarms.definition.constraints import TimeConstraint
from alarms.models import AlarmHistory
from alarms.notifier.schemes.trust import without_trust
from alarms.notifier.urls import shown
from alarms.standing import AlarmRow, Standing, standings

_COMMON = (
    "comparison_operator", "threshold", "aggregation_method", "evaluation_periods", "granularity",
)  # fmt: skip
#: The keys of history's details, in the order in which aodh writes them.
_DETAIL_ORDER = {
    name: place
    for place, name in enumerate(
        ["alarm_id", "type", "enabled", "name", "description", "timestamp", "user_id",
         "project_id", "state", "state_timestamp", "state_reason", "transition_reason",
         *ACTION_FIELDS, "repeat_actions", "time_constraints", "severity", "rule", "policy"]
    )
}  # fmt: skip


def alarms_json(alarms: Sequence[AlarmRow], is_whole: bool) -> list[dict[str, Any]]:
    """`is_whole`: with actions as they are, for who may change them."""
    known = standings(alarms)
    return [
        {**_alarm_json(alarm, is_whole), **_policy(alarm, known.get(alarm.id))} for alarm in alarms
    ]


def _alarm_json(alarm: AlarmRow, is_whole: bool) -> dict[str, Any]:
    return {
        "alarm_id": str(alarm.id),
        "name": alarm.name,
        "description": alarm.description,
        "enabled": alarm.enabled,
        **{name: _urls(getattr(alarm, name), is_whole) for name in ACTION_FIELDS},
        "repeat_actions": alarm.repeat_actions,
        "type": alarm.type,
        "time_constraints": [_constraint(one) for one in alarm.time_constraints],
        "project_id": alarm.project_id,
        "user_id": alarm.user_id,
        "timestamp": time_text(alarm.updated_at),
        "state": alarm.state,
        "state_timestamp": time_text(alarm.state_timestamp),
        "state_reason": alarm.state_reason,
        "severity": alarm.severity,
        "evaluate_timestamp": time_text(alarm.evaluated_at),
        f"{alarm.type}_rule": rule_json(alarm.type, alarm.rule),
    }


def _policy(alarm: AlarmRow, found: Standing | None) -> dict[str, Any]:
    """Beyond aodh's fields, and so only where there is one."""
    if found is None:
        return {}
    status = {
        "phase": found.phase,
        "since": time_text(found.since),
        "fired_at": time_text(found.fired_at) if found.fired_at else None,
        "acked_by": found.acked_by,
        "silenced_by": list(map(str, found.silenced_by)),
        "inhibited_by": list(map(str, found.inhibited_by)),
    }
    return {"policy": alarm.policy, "policy_status": status}


def history_json(row: AlarmHistory, is_whole: bool) -> dict[str, Any]:
    """`detail` is a text that holds JSON."""
    return {
        "event_id": str(row.event_id),
        "alarm_id": str(row.alarm_id),
        "type": row.type,
        "detail": json.dumps(_detail(row.detail, is_whole)),
        "project_id": row.user_project_id or row.project_id,
        "user_id": row.user_id,
        "on_behalf_of": row.project_id,
        "timestamp": time_text(row.timestamp),
    }


def rule_json(kind: str, rule: Any) -> Any:
    """In the order of the fields, which JSON in the database does not keep."""
    if kind == Type.COMPOSITE:
        return _composite(rule)
    names = _order(kind)
    return {name: rule[name] for name in names if name in rule}


def time_text(moment: datetime) -> str:
    """UTC without a zone: ``2026-11-25T01:52:55.608549``."""
    text: str = msgspec.to_builtins(moment.astimezone(UTC))  # a quarter of isoformat's time
    return text.removesuffix("Z")


def _urls(urls: list[str], is_whole: bool) -> list[str]:
    return [without_trust(url) if is_whole else shown(url) for url in urls]


def _constraint(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: stored[name] for name in TimeConstraint.__struct_fields__ if name in stored}


def _composite(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node.get("type") in PARTS:
        return {**rule_json(node["type"], node), "type": node["type"]}
    return {name: [_composite(part) for part in parts] for name, parts in node.items()}


@cache
def _order(kind: str) -> tuple[str, ...]:
    """What is a type's own comes before what many have."""
    names = RULES[kind].__struct_fields__
    own = [name for name in names if name not in _COMMON]
    return (*own, *(name for name in _COMMON if name in names))


def _detail(detail: dict[str, Any], is_whole: bool) -> dict[str, Any]:
    last = len(_DETAIL_ORDER)
    names = sorted(detail, key=lambda name: _DETAIL_ORDER.get(name, last))
    ordered = {name: detail[name] for name in names}
    urls = {name: _urls(ordered[name], is_whole) for name in ACTION_FIELDS if name in ordered}
    return ordered | urls
