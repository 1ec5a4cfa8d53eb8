"""What is counted of evaluations: for the operator's metrics, and an alarm each for its owner."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import connection

from alarms.evaluator import metrics
from alarms.evaluator.judging import Case, Judged

#: The family that is counted an alarm each (alarms.md 1.11).
COUNTED = "threshold"
#: Numbers begin anew after so many, as aodh's do.
_HIGHEST = 2_000_000_000
_COUNT = """
INSERT INTO alarms_evaluationcount AS row (alarm_id, insufficient_data, ok, alarming)
SELECT alarm.id, (seen.state = 'insufficient data')::int, (seen.state = 'ok')::int,
       (seen.state = 'alarm')::int
FROM unnest(%s::uuid[], %s::text[]) AS seen (id, state) JOIN alarms_alarm AS alarm USING (id)
ORDER BY alarm.id FOR KEY SHARE OF alarm
ON CONFLICT (alarm_id) DO UPDATE
SET insufficient_data = row.insufficient_data %% {0} + excluded.insufficient_data,
    ok = row.ok %% {0} + excluded.ok, alarming = row.alarming %% {0} + excluded.alarming
""".format(_HIGHEST)  # noqa: UP032 - the % signs are the driver's


def count(family: str, cases: Sequence[Case], judged: Judged, took_s: float) -> None:
    insufficient = judged.insufficient
    metrics.EVALUATIONS.labels(family, "ok").inc(len(cases) - insufficient)
    metrics.EVALUATIONS.labels(family, "insufficient").inc(insufficient)
    delay = metrics.DELAY.labels(family)
    for case in cases:
        delay.observe((case.claimed.now - case.claimed.was_due) / 1e6 + took_s)
    if settings.TELEMETRY_EVALUATION_COUNTS and family == COUNTED and judged.firm:
        _count_each(judged)


def _count_each(judged: Judged) -> None:
    ids = [one.id for one, _ in judged.firm]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [ids, [state for _, state in judged.firm]])
