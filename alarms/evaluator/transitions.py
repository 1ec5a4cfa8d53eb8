"""Writes what was decided: state, history and outbox in one transaction (rule E2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from alarms import changes, outbox
from alarms.choices import Change
from alarms.evaluator import metrics, policing
from alarms.evaluator.claims import Claimed
from alarms.models import Alarm, AlarmHistory, Notification
from alarms.policies import Memory
from alarms.rows import copy_in
from alarms.rules import Verdict
from telemetry_site.clock import from_us
from telemetry_site.failpoints import failpoint


class Decision(NamedTuple):
    """What becomes of a claimed alarm; without a verdict only its `reason` is written anew, and
    without that nothing but what it has to remember."""

    claimed: Claimed
    verdict: Verdict | None
    reason: str = ""
    memory: Memory | None = None

    @property
    def says_anything(self) -> bool:
        return bool(self.verdict or self.reason or self.memory is not None)


#: Locked in the order of their ids, so that two evaluators never wait for each other crosswise.
_WRITE = """
WITH decided AS (
    SELECT * FROM unnest(%s::uuid[], %s::bigint[], %s::bigint[], %s::bigint[],
                         %s::boolean[], %s::boolean[], %s::boolean[], %s::text[], %s::text[],
                         %s::jsonb[])
    AS row (id, seen_state, seen_definition, claimed_at, changed, fires, keeps_reason, state,
            reason, data)),
locked AS (
    SELECT decided.* FROM decided JOIN alarms_alarm AS alarm USING (id)
    WHERE alarm.enabled AND alarm.state_version = seen_state
      AND alarm.definition_version = seen_definition
      AND (extract(epoch FROM alarm.evaluate_at) * 1000000)::bigint = claimed_at
    ORDER BY id FOR NO KEY UPDATE OF alarm)
UPDATE alarms_alarm AS alarm
SET state = locked.state,
    state_version = state_version + changed::int,
    state_timestamp = CASE WHEN changed THEN now() ELSE state_timestamp END,
    state_reason = CASE WHEN keeps_reason THEN state_reason ELSE reason END,
    state_reason_data = CASE WHEN keeps_reason THEN state_reason_data ELSE data END,
    repeat_no = CASE WHEN changed THEN 0 ELSE repeat_no + fires::int END
FROM locked WHERE alarm.id = locked.id
RETURNING alarm.id
"""


def write(decisions: Sequence[Decision]) -> None:
    """Write those whose alarm is still as it was claimed; the others are dropped and counted."""
    if not decisions:
        return
    with transaction.atomic():
        taken = _compare_and_set(decisions)
        failpoint("evaluator.after_cas")
        fired = [one for one in decisions if one.claimed.id in taken and one.verdict]
        alarms = Alarm.objects.in_bulk([one.claimed.id for one in fired])
        _record(fired, alarms)
        _remember([one for one in decisions if one.claimed.id in taken])
        failpoint("evaluator.before_commit")
    failpoint("evaluator.after_commit")
    metrics.LOST.inc(len(decisions) - len(taken))
    for one in fired:
        if one.verdict and one.verdict.changed:
            metrics.TRANSITIONS.labels(one.verdict.state).inc()


def _compare_and_set(decisions: Sequence[Decision]) -> set[UUID]:
    columns: list[list[Any]] = [list(column) for column in zip(*map(_row, decisions), strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, columns)
        return {row[0] for row in cursor.fetchall()}


def _row(decision: Decision) -> tuple[Any, ...]:
    claimed, verdict, reason, _ = decision
    seen = (
        claimed.id, claimed.state_version, claimed.definition_version, claimed.evaluate_at,
    )  # fmt: skip
    if verdict is None:
        return (*seen, False, False, not reason, claimed.state, reason, "{}")
    data = json.dumps(verdict.reason_data, allow_nan=False)
    changed = verdict.changed
    return (*seen, changed, True, not changed, verdict.state, verdict.reason, data)


def _record(fired: Sequence[Decision], alarms: dict[UUID, Alarm]) -> None:
    """A history row for each change, and a message for each action of the state."""
    history: list[AlarmHistory] = []
    messages: list[Notification] = []
    for claimed, verdict, _, _ in fired:
        assert verdict is not None
        alarm = alarms[claimed.id]
        if verdict.changed:
            row = history_row(alarm, claimed.state, verdict)
            history.append(row)
            messages += changes.rows([(alarm, row)])
        messages += outbox.messages(
            alarm, claimed.state, verdict.reason, verdict.reason_data, from_us(claimed.now)
        )
    copy_in(history)
    outbox.put(messages)


def _remember(taken: Sequence[Decision]) -> None:
    changed = [(one.claimed, one.memory) for one in taken if one.memory is not None]
    if changed:
        policing.save(changed)


def history_row(alarm: Alarm, before: str, verdict: Verdict) -> AlarmHistory:
    """Unsaved; `alarm` has its new `state_version`."""
    return AlarmHistory(
        alarm_id=alarm.pk,
        type=Change.STATE_TRANSITION,
        detail={"state": verdict.state, "transition_reason": verdict.reason},
        project_id=alarm.project_id,
        severity=alarm.severity,
        state_version=alarm.state_version,
        from_state=before,
        to_state=verdict.state,
    )
