"""What happened to alarms, told on the operator's bus as aodh tells it (alarms.md 3.5, 5).

Each change is a row of the outbox, written with its history row: it is told at least once, and the
changes of one alarm's state in their order.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings

from alarms import outbox
from alarms.choices import ACTION_FIELDS, Change
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.notifier.schemes.bus import CHANGES
from alarms.notifier.schemes.trust import without_trust
from telemetry_site import clock

EVENT_TYPES = {
    Change.CREATION: "alarm.creation",
    Change.RULE_CHANGE: "alarm.rule_change",
    Change.STATE_TRANSITION: "alarm.state_transition",
    Change.DELETION: "alarm.deletion",
}
#: Higher than the number of any action: the row's identity is not that of an action's message.
ACTION_NO = 32767


def rows(told: Iterable[tuple[Alarm, AlarmHistory]]) -> list[Notification]:
    """Unsaved; none where no bus is named."""
    if not settings.TELEMETRY_ALARM_BUS_URL or not settings.TELEMETRY_ALARM_BUS_TOPIC:
        return []
    return [_row(alarm, change) for alarm, change in told]


def _row(alarm: Alarm, change: AlarmHistory) -> Notification:
    row = outbox.job(alarm, f"{CHANGES}:", _body(change))
    row.state_version, row.action_no = change.state_version, ACTION_NO
    return row


def _body(change: AlarmHistory) -> dict[str, Any]:
    """The evaluator's detail is a text that holds JSON, a person's an object."""
    is_evaluators = change.type == Change.STATE_TRANSITION and not change.user_id
    detail = _without_trusts(change.detail)
    payload = {
        "event_id": str(change.event_id),
        "alarm_id": str(change.alarm_id),
        "type": change.type,
        "detail": json.dumps(detail) if is_evaluators else detail,
        "user_id": change.user_id,
        "project_id": change.user_project_id or change.project_id,
        "on_behalf_of": change.project_id,
        "timestamp": clock.now().replace(tzinfo=None).isoformat(),
        "severity": change.severity or None,
    }
    publisher = "aodh.evaluator" if is_evaluators else "aodh.api"
    return {
        "event_type": EVENT_TYPES[Change(change.type)],
        "publisher_id": publisher,
        "payload": payload,
    }


def _without_trusts(detail: Mapping[str, Any]) -> dict[str, Any]:
    given = [name for name in ACTION_FIELDS if name in detail]
    return {**detail, **{name: list(map(without_trust, detail[name])) for name in given}}
