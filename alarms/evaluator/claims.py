"""Claims: which alarms are ours to evaluate now, and those that nobody can evaluate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection, transaction

from alarms.choices import NOT_HERE
from alarms.evaluator import metrics
from alarms.models import Alarm
from telemetry_site.clock import to_us

log = structlog.get_logger(__name__)

SHARD_SIZE = 10_000
#: After a fault of one alarm alone it rests so long: 1, 2, 4 … 60 minutes (E6).
REST_MINUTES = (1, 60)

#: An alarm is due at the multiples of its interval. A granularity that is none (a row written by
#: hand) must not stop the others, hence the CASE. Event alarms are never due. One that is due later
#: than it can be by itself was given its time by a clock that has been put back since: it is due.
#: date_part counts in floats, which hold a microsecond of our time, and are faster than numerics.
_CLAIM = """
WITH due AS (
    SELECT id, least(evaluate_at, now()) AS was_due,
           greatest(%(tick)s, least(%(interval)s, CASE WHEN jsonb_typeof(length) = 'number'
                    THEN (length#>>'{}')::float8 ELSE %(interval)s END)) AS every
    FROM alarms_alarm, coalesce(rule->'granularity', rule->'period') AS length
    WHERE enabled AND type <> 'event' AND (evaluate_at <= now() OR evaluate_at > now()
          + greatest(%(tick)s, %(interval)s) * interval '1 second'
          + CASE WHEN evaluation_failures > 0 THEN %(rest)s ELSE 0 END * interval '1 minute')
    ORDER BY evaluate_at LIMIT %(limit)s
    FOR NO KEY UPDATE OF alarms_alarm SKIP LOCKED)
UPDATE alarms_alarm AS alarm
SET evaluate_at = to_timestamp((floor(date_part('epoch', now()) / due.every) + 1) * due.every),
    evaluated_at = now()
FROM due WHERE alarm.id = due.id
RETURNING alarm.id, alarm.type, alarm.rule,
          CASE WHEN alarm.is_unscoped THEN NULL ELSE alarm.project_id END,
          alarm.state, alarm.state_reason, alarm.repeat_actions, alarm.state_version,
          alarm.definition_version, alarm.time_constraints,
          (date_part('epoch', alarm.evaluate_at) * 1000000)::bigint,
          alarm.evaluation_error <> '',
          (date_part('epoch', due.was_due) * 1000000)::bigint,
          floor(date_part('epoch', now() - due.was_due) / due.every)::bigint,
          (date_part('epoch', now()) * 1000000)::bigint,
          alarm.policy
"""
_FAILED = """
UPDATE alarms_alarm
SET evaluation_error = %s, evaluation_failures = evaluation_failures + 1,
    evaluate_at = now() + least(%s, %s * power(2, least(evaluation_failures, 10)))
                  * interval '1 minute'
WHERE id = %s AND definition_version = %s
  AND (extract(epoch FROM evaluate_at) * 1000000)::bigint = %s
"""
#: An error that is the same as before is no news: no row is written for it.
_UNDECIDABLE = """
UPDATE alarms_alarm SET evaluation_error = told.error, evaluation_failures = 0
FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS told (id, definition, error)
WHERE alarms_alarm.id = told.id AND definition_version = told.definition
  AND evaluation_error <> told.error
"""
_RECOVERED = """
UPDATE alarms_alarm SET evaluation_error = '', evaluation_failures = 0 WHERE id = ANY(%s)
"""


class Claimed(NamedTuple):
    """An alarm as it was when it was claimed; `seen_project` limits what it looks at.

    Times are microseconds since the epoch: the driver makes integers of them much faster than
    datetimes.
    """

    id: UUID
    type: str
    #: JSON, as the driver hands it out.
    rule: str
    seen_project: str | None
    state: str
    state_reason: str
    repeat_actions: bool
    state_version: int
    definition_version: int
    #: JSON too.
    time_constraints: str
    evaluate_at: int
    had_error: bool
    was_due: int
    missed: int
    now: int
    #: JSON as well; None: it has none.
    policy: str | None = None


def claim() -> list[Claimed]:
    """At most `SHARD_SIZE` of those that are due, the longest overdue first."""
    wanted = {
        "tick": settings.TELEMETRY_EVALUATION_TICK,
        "interval": settings.TELEMETRY_EVALUATION_INTERVAL,
        "rest": REST_MINUTES[1],
        "limit": SHARD_SIZE,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, wanted)
        claimed = list(map(Claimed._make, cursor.fetchall()))
    metrics.MISSED.inc(sum(one.missed for one in claimed))
    return claimed


def as_claimed(alarm: Alarm, now_us: int) -> Claimed:
    """An alarm as if it were claimed at an instant; nothing is written."""
    return Claimed(
        alarm.pk, alarm.type, json.dumps(alarm.rule), alarm.seen_project, alarm.state,
        alarm.state_reason, alarm.repeat_actions, alarm.state_version, alarm.definition_version,
        json.dumps(alarm.time_constraints), to_us(alarm.evaluate_at),
        bool(alarm.evaluation_error), now_us, 0, now_us,
        None if alarm.policy is None else json.dumps(alarm.policy),
    )  # fmt: skip


def note_failure(one: Claimed, error: Exception) -> None:
    """It shows on the alarm's page, and the alarm rests; the state is left alone."""
    metrics.ERRORS.inc()
    log.warning("alarm could not be evaluated", alarm_id=str(one.id), error=str(error).strip())
    text = f"{type(error).__name__}: {str(error).strip()}"[:1000]
    first, most = REST_MINUTES
    with connection.cursor() as cursor:
        cursor.execute(
            _FAILED, [text, most, first, one.id, one.definition_version, one.evaluate_at]
        )


def note_undecidable(claimed: Sequence[Claimed]) -> None:
    """Those whose type nobody here can evaluate: it stands on their pages, and no more happens."""
    if claimed:
        told = [f"{NOT_HERE.format(one.type).capitalize()}." for one in claimed]
        versions = [one.definition_version for one in claimed]
        with connection.cursor() as cursor:
            cursor.execute(_UNDECIDABLE, [[one.id for one in claimed], versions, told])


def recover(claimed: Sequence[Claimed]) -> None:
    healed = [one.id for one in claimed if one.had_error]
    if healed:
        with connection.cursor() as cursor:
            cursor.execute(_RECOVERED, [healed])
