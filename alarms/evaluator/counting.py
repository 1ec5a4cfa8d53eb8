"""What is counted of evaluations: for the operator's metrics, and how often each alarm was found in
each state, for GET /v2/metrics (alarms.md 1.11)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.conf import settings
from django.db import connection

from alarms.choices import State
from alarms.composites import NONE, STATES
from alarms.evaluator import metrics
from alarms.evaluator.judging import Case, Judged
from telemetry_site.arrays import text_array

#: The family that is counted an alarm each.
COUNTED = "threshold"
#: Where aodh begins at 1 again.
MOST = 2_000_000_000
_STATES = {
    State.INSUFFICIENT_DATA.value: "insufficient_data",
    State.OK.value: "ok",
    State.ALARM.value: "alarming",
}
_RISEN = ", ".join(
    f"{name} = counts.{name} + excluded.{name} "
    f"- CASE WHEN counts.{name} + excluded.{name} > {MOST} THEN {MOST} ELSE 0 END"
    for name in _STATES.values()
)
#: Of alarms that are deleted meanwhile nothing is counted.
_COUNT = f"""
INSERT INTO alarms_evaluationcount AS counts (alarm_id, {", ".join(_STATES.values())})
SELECT alarm.id, (seen.state = %s)::int, (seen.state = %s)::int, (seen.state = %s)::int
FROM unnest(%s::uuid[], %s::text[]) AS seen (id, state)
JOIN alarms_alarm AS alarm ON alarm.id = seen.id
ORDER BY alarm.id
ON CONFLICT (alarm_id) DO UPDATE SET {_RISEN}
"""


_STANDING = """
SELECT state, count(*), count(*) FILTER (WHERE evaluate_at <= now() AND type <> 'event')
FROM alarms_alarm WHERE enabled GROUP BY state
"""


def measure() -> None:
    """How many alarms are in which state, and how many are due."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDING)
        rows = cursor.fetchall()
    counts = {state: count for state, count, _ in rows}
    for state in State.values:
        metrics.ALARMS.labels(state).set(counts.get(state, 0))
    metrics.OVERDUE.set(sum(overdue for _, _, overdue in rows))


def count(family: str, cases: Sequence[Case], judged: Judged, took_s: float) -> None:
    insufficient = judged.insufficient
    metrics.EVALUATIONS.labels(family, "ok").inc(len(cases) - insufficient)
    metrics.EVALUATIONS.labels(family, "insufficient").inc(insufficient)
    waited = Counter(case.claimed.now - case.claimed.was_due for case in cases)
    delay = metrics.DELAY.labels(family)
    for waited_us, times in waited.items():
        metrics.observe_often(delay, waited_us / 1e6 + took_s, times)
    if settings.TELEMETRY_EVALUATION_COUNTS and family == COUNTED:
        _count_each(cases, judged)


def _count_each(cases: Sequence[Case], judged: Judged) -> None:
    """One for each that was decided firmly; a mixed window is no state."""
    firm = [
        (str(case.claimed.id), STATES[code])
        for case, code in zip(cases, judged.states.tolist(), strict=True)
        if code != NONE
    ]
    if firm:
        columns = [text_array(column) for column in zip(*firm, strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [*_STATES, *columns])
