"""Event alarms, judged in the transaction that stores the events (architecture.md 5).

An event counts where it was new, and so once, however often it is delivered; what it does is
committed with it, so none is lost. The alarms that it matches are locked in the order of their ids,
all of a transaction at once: two collectors never wait for each other crosswise.

Candidates are read anew each time. An alarm sees the events of exactly its own project; one of the
installation sees all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from django.db import DataError, IntegrityError, connection, transaction

from alarms import outbox
from alarms.choices import State, Type
from alarms.definition import EventRule, parse_rule
from alarms.definition.constraints import parse_constraints
from alarms.errors import OF_ONE_ALARM, AlarmingError
from alarms.evaluator import metrics
from alarms.evaluator.transitions import history_row
from alarms.events import Index, decide, matches
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.opening import is_open
from alarms.rows import copy_in
from meters.store.events import owner_of
from meters.wire import Event
from telemetry_site.database import database_now

log = structlog.get_logger(__name__)

FAMILY = "event"
_CANDIDATES = """
SELECT id, project_id, rule FROM alarms_alarm
WHERE type = 'event' AND enabled AND (state <> 'alarm' OR repeat_actions)
  AND (project_id = ANY(%s) OR project_id IS NULL)
"""
_MOVE = """
UPDATE alarms_alarm AS alarm
SET state = 'alarm', state_version = moved.version, repeat_no = 0,
    state_timestamp = CASE WHEN alarm.state = 'alarm' THEN state_timestamp ELSE now() END,
    state_reason = moved.reason, state_reason_data = moved.data,
    evaluated_at = now(), evaluation_error = ''
FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::jsonb[]) AS moved (id, version, reason, data)
WHERE alarm.id = moved.id
"""
_FAULTS = (DataError, IntegrityError, *OF_ONE_ALARM)


_Named = tuple[UUID, EventRule]


class _Fired(NamedTuple):
    history: AlarmHistory
    messages: list[Notification]


def judge_events(events: Sequence[Event]) -> None:
    """Called with new events, within the transaction that stores them."""
    hits = _hits(events)
    if not hits:
        return
    rows = Alarm.objects.filter(pk__in=list(hits), type=Type.EVENT, enabled=True)
    alarms = list(rows.order_by("pk").select_for_update(no_key=True))
    try:
        with transaction.atomic():
            _fire(alarms, hits)
    except _FAULTS:
        for alarm in Alarm.objects.filter(pk__in=[one.pk for one in alarms]).order_by("pk"):
            _fire_alone(alarm, hits)


def _hits(events: Sequence[Event]) -> dict[UUID, list[Event]]:
    """The events that each alarm wants, in the order in which they came."""
    owners = [owner_of(event) for event in events]
    rules: dict[str | None, list[_Named]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_CANDIDATES, [sorted({one for one in owners if one is not None})])
        for alarm_id, project_id, text in cursor.fetchall():
            rule = _readable(alarm_id, text)
            if rule is not None:
                rules[project_id].append((alarm_id, rule))
    indexes = {project_id: (some, Index(some)) for project_id, some in rules.items()}
    hits: dict[UUID, list[Event]] = defaultdict(list)
    for event, owner in zip(events, owners, strict=True):
        for project_id in {owner, None}:
            if project_id in indexes:
                for alarm_id in _matching(*indexes[project_id], event):
                    hits[alarm_id].append(event)
    return hits


def _matching(rules: Sequence[_Named], index: Index[UUID], event: Event) -> list[UUID]:
    """Those that want the event; one that fails over it keeps nobody from storing it."""
    try:
        return list(index.matching(event))
    except OF_ONE_ALARM:
        return [alarm_id for alarm_id, rule in rules if _matches(alarm_id, rule, event)]


def _matches(alarm_id: UUID, rule: EventRule, event: Event) -> bool:
    try:
        return matches(rule, event)
    except OF_ONE_ALARM as error:
        _note(alarm_id, error)
        return False


def _readable(alarm_id: UUID, text: str) -> EventRule | None:
    try:
        return _rule(text)
    except AlarmingError as error:
        _note(alarm_id, error)
        return None


@lru_cache(maxsize=100_000)
def _rule(text: str) -> EventRule:
    return _parsed(msgspec.json.decode(text))


def _parsed(rule: object) -> EventRule:
    parsed = parse_rule(Type.EVENT, rule)
    assert isinstance(parsed, EventRule)
    return parsed


def _fire(alarms: Sequence[Alarm], hits: dict[UUID, list[Event]]) -> None:
    if not alarms:
        return
    now = database_now()
    fired = [row for alarm in alarms for row in _rows(alarm, hits[alarm.pk], now)]
    if not fired:
        return
    moved = {one.history.alarm_id for one in fired}
    _move([one for one in alarms if one.pk in moved])
    copy_in([one.history for one in fired])
    outbox.put([row for one in fired for row in one.messages])
    metrics.EVALUATIONS.labels(FAMILY, "ok").inc(len(fired))


def _move(alarms: Sequence[Alarm]) -> None:
    data = [json.dumps(one.state_reason_data, allow_nan=False) for one in alarms]
    with connection.cursor() as cursor:
        cursor.execute(
            _MOVE,
            [
                [one.pk for one in alarms], [one.state_version for one in alarms],
                [one.state_reason for one in alarms], data,
            ],
        )  # fmt: skip


def _rows(alarm: Alarm, events: Sequence[Event], now: datetime) -> Iterator[_Fired]:
    """One a firing, and the alarm as it is after them."""
    if not is_open(parse_constraints(alarm.time_constraints), now):
        return
    rule = _parsed(alarm.rule)
    for event in events:
        before = alarm.state
        verdict = decide(before, alarm.repeat_actions, rule, event)
        if verdict is None:
            continue
        alarm.state = verdict.state
        alarm.state_version += 1
        alarm.repeat_no = 0
        alarm.state_reason, alarm.state_reason_data = verdict.reason, verdict.reason_data
        if verdict.changed:
            metrics.TRANSITIONS.labels(State.ALARM.value).inc()
        sent = outbox.messages(alarm, before, verdict.reason, verdict.reason_data, now)
        yield _Fired(history_row(alarm, before, verdict), sent)


def _fire_alone(alarm: Alarm, hits: dict[UUID, list[Event]]) -> None:
    try:
        with transaction.atomic():
            _fire([alarm], hits)
    except _FAULTS as error:
        _note(alarm.pk, error)


def _note(alarm_id: UUID, error: Exception) -> None:
    """On the alarm's page; the events and the other alarms go on."""
    metrics.ERRORS.inc()
    log.warning("event alarm could not be judged", alarm_id=str(alarm_id), error=str(error).strip())
    text = f"{type(error).__name__}: {str(error).strip()}"[:1000]
    Alarm.objects.filter(pk=alarm_id).exclude(evaluation_error=text).update(evaluation_error=text)
