"""Rules, history and deliveries in words. No secret of an action's URL gets out of here."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from msgspec.structs import replace

from alarms.choices import ACTION_FIELDS, Change, Delivery, State
from alarms.definition import GroupThreshold, Rule, parse_rule
from alarms.definition.words import sentence
from alarms.errors import DefinitionError
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.notifier.urls import shown
from alarms.ui.filters import to_lines

EVALUATOR = "evaluator"


def rule_in_words(alarm: Alarm) -> str:
    """The rule as a sentence; of one that nobody can read, why."""
    try:
        return in_words(parse_rule(alarm.type, alarm.rule))
    except DefinitionError as error:
        return f"Unreadable rule: {error}"


def in_words(rule: Rule) -> str:
    """As `sentence`, with the lines of the form in place of a JSON search that they can say."""
    if isinstance(rule, GroupThreshold):
        lines = to_lines(rule.query)
        if lines and lines != rule.query:
            rule = replace(rule, query=lines.replace("\n", " and "))
    text = sentence(rule)
    return text[:1].upper() + text[1:]


@dataclass(frozen=True)
class Entry:
    """A row of history for people. `changes`: (field, new value) of a change of the rule."""

    row: AlarmHistory
    who: str
    reason: str
    changes: list[tuple[str, str]]


def history(rows: Iterable[AlarmHistory]) -> list[Entry]:
    listed = list(rows)
    names = names_of({row.user_id for row in listed})
    return [
        Entry(
            row,
            names.get(row.user_id, row.user_id) if row.user_id else EVALUATOR,
            _reason(row.detail),
            changes(row.detail) if row.type == Change.RULE_CHANGE else [],
        )
        for row in listed
    ]


def _reason(detail: dict[str, Any]) -> str:
    """Under one of two names, as in aodh: people's and the evaluator's."""
    return str(detail.get("state_reason") or detail.get("transition_reason") or "")


def names_of(user_ids: set[str]) -> dict[str, str]:
    """{id: name} of the accounts that are ours."""
    ours = [pk for pk in user_ids if pk.isascii() and pk.isdigit() and len(pk) < 10]
    users = get_user_model().objects.filter(pk__in=ours)
    return {str(user.pk): user.get_username() for user in users}


def changes(detail: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), _value(name, value)) for name, value in detail.items()]


def _value(name: str, value: Any) -> str:
    if name in ACTION_FIELDS and isinstance(value, list):
        return ", ".join(shown(str(url)) for url in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return "yes" if value is True else "no" if value is False else str(value)


def actions(alarm: Alarm) -> list[tuple[str, list[str]]]:
    """(state, its receivers as they may be shown)."""
    return [(str(state), [shown(url) for url in alarm.actions(state)]) for state in State]


def answer_in_words(status: int | None, error: str) -> str:
    """What came back from the receiver: HTTP 500, timeout, forbidden address."""
    return f"HTTP {status}" if status else error.replace("_", " ")


def laid_out(body: str) -> str:
    """JSON as people read it; any other text as it is."""
    try:
        content: Any = json.loads(body)
    except ValueError:
        return body
    return json.dumps(content, indent=2, ensure_ascii=False)


def next_try(notification: Notification, now: datetime) -> datetime | None:
    """When it is tried next; None where it is not, or is at this moment."""
    if notification.status != Delivery.PENDING or notification.next_attempt_at <= now:
        return None
    return notification.next_attempt_at
