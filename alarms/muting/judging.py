"""Which messages are kept back, found where they are written, and again when that ends.

The rows of alarms are as the transaction has just left them: so of a source and a target that go
to alarm in one cycle the target is inhibited.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

import structlog
from django.db import OperationalError, connection
from prometheus_client import Counter
from psycopg.errors import QueryCanceled

from alarms.choices import HOUSE_DESTINATIONS, Delivery
from alarms.models import Notification
from alarms.muting import matchers
from meters.store.timelimit import at_most

log = structlog.get_logger(__name__)

#: All that judging one transaction's messages may take; no expression that is let in needs it.
TIME_MS = 5_000
UNJUDGED = Counter(
    "telemetry_muting_unjudged_total", "Sets of messages sent because silences took too long."
)

#: One index look-up each: all that a cycle costs where nothing is muted.
_ANY = """
SELECT EXISTS (SELECT FROM alarms_silence
               WHERE ends_at > statement_timestamp() AND starts_at <= statement_timestamp())
    OR EXISTS (SELECT FROM alarms_inhibition),
       EXISTS (SELECT FROM alarms_alarmack WHERE ended_at IS NULL)
"""
_ACKED = """
SELECT alarm.id FROM alarms_alarm AS alarm JOIN alarms_alarmack AS ack ON ack.alarm_id = alarm.id
WHERE alarm.id = ANY(%s) AND ack.ended_at IS NULL AND alarm.state = 'alarm'
  AND ack.state_since = alarm.state_timestamp
  AND (ack.until IS NULL OR ack.until > statement_timestamp())
"""
#: Silence by silence (OFFSET 0 keeps it so), since a pattern is read once for all its alarms.
_SILENCED = f"""
SELECT hit.id, array_agg(silence.id ORDER BY silence.ends_at DESC, silence.id)
FROM alarms_silence AS silence CROSS JOIN LATERAL (
    SELECT id FROM (
        SELECT alarm.id, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
        WHERE alarm.id = ANY(%(ids)s)
          AND alarm.project_id IS NOT DISTINCT FROM silence.project_id) AS alarm
    WHERE {matchers.fit("silence.matchers", "labels")} OFFSET 0) AS hit
WHERE silence.starts_at <= statement_timestamp() AND silence.ends_at > statement_timestamp()
GROUP BY hit.id
"""
#: A source that is a target as well does not inhibit a target that is a source as well.
_INHIBITED = f"""
WITH target AS MATERIALIZED (
    SELECT rule.id AS rule, hit.id, hit.key, hit.is_both
    FROM alarms_inhibition AS rule CROSS JOIN LATERAL (
        SELECT id, {matchers.agreeing("rule.equal", "labels")} AS key,
               {matchers.fit("rule.source", "labels")} AS is_both
        FROM (SELECT alarm.id, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
              WHERE alarm.id = ANY(%(ids)s)
                AND alarm.project_id IS NOT DISTINCT FROM rule.project_id) AS alarm
        WHERE {matchers.fit("rule.target", "labels")} OFFSET 0) AS hit),
source AS (
    SELECT rule.id AS rule, hit.key, hit.is_both, (array_agg(hit.id ORDER BY hit.id))[1] AS id
    FROM alarms_inhibition AS rule CROSS JOIN LATERAL (
        SELECT id, {matchers.agreeing("rule.equal", "labels")} AS key,
               {matchers.fit("rule.target", "labels")} AS is_both
        FROM (SELECT alarm.id, {matchers.OF_ALARM} AS labels FROM alarms_alarm AS alarm
              WHERE alarm.state = 'alarm' AND alarm.enabled
                AND alarm.project_id IS NOT DISTINCT FROM rule.project_id) AS alarm
        WHERE {matchers.fit("rule.source", "labels")} OFFSET 0) AS hit
    WHERE rule.id IN (SELECT rule FROM target)
    GROUP BY rule.id, hit.key, hit.is_both)
SELECT target.id, array_agg(DISTINCT source.id)
FROM target JOIN source USING (rule, key)
WHERE NOT (target.is_both AND source.is_both)
GROUP BY target.id
"""


class Muted(NamedTuple):
    """Of one alarm: silences, the last to end first, and alarms that inhibit it."""

    silences: list[UUID]
    inhibitors: list[UUID]


def settle(rows: Sequence[Notification]) -> list[Notification]:
    """Those of the unsaved rows that are to be written: repetitions of what somebody has
    acknowledged are not, and what is kept back is marked so. What the house has to do is never.

    Called in the transaction that has written the alarms' states.
    """
    jobs = [row for row in rows if row.destination in HOUSE_DESTINATIONS]
    messages = [row for row in rows if row.destination not in HOUSE_DESTINATIONS]
    return [*jobs, *_settled(messages)]


def _settled(rows: Sequence[Notification]) -> Sequence[Notification]:
    if not rows:
        return rows
    with connection.cursor() as cursor:
        cursor.execute(_ANY)
        is_muting, is_acked = cursor.fetchone()
    kept = _without_acknowledged(rows) if is_acked else list(rows)
    if is_muting:
        found = judge_or_send({row.alarm_id for row in kept})
        for row in kept:
            if row.alarm_id in found:
                row.status = Delivery.SUPPRESSED
                row.silenced_by, row.inhibited_by = found[row.alarm_id]
    return kept


def judge(alarm_ids: Collection[UUID]) -> dict[UUID, Muted]:
    """Those of the alarms whose messages are kept back at this moment.

    Raises `OperationalError` where that can't be found out in time; the transaction goes on.
    """
    asked = {"ids": list(alarm_ids)}
    with at_most(TIME_MS), connection.cursor() as cursor:
        cursor.execute(_SILENCED, asked)
        silenced = dict(cursor.fetchall())
        cursor.execute(_INHIBITED, asked)
        inhibited = dict(cursor.fetchall())
    return {
        one: Muted(silenced.get(one, []), inhibited.get(one, []))
        for one in silenced.keys() | inhibited.keys()
    }


def judge_or_send(alarm_ids: Collection[UUID]) -> dict[UUID, Muted]:
    """Rather a message too many than one too few, or a transition that is not written."""
    try:
        return judge(alarm_ids)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        UNJUDGED.inc()
        log.error("silences took too long, messages are sent", alarms=len(alarm_ids))
        return {}


def _without_acknowledged(rows: Sequence[Notification]) -> list[Notification]:
    repeated = {row.alarm_id for row in rows if row.previous == row.current}
    with connection.cursor() as cursor:
        cursor.execute(_ACKED, [list(repeated)])
        known = {alarm_id for (alarm_id,) in cursor}
    return [row for row in rows if row.previous != row.current or row.alarm_id not in known]
