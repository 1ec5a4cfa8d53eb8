"""How often each alarm was found in each state, for GET /v2/metrics (alarms.md 1.11)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.conf import settings
from django.db import connection

from alarms import rules
from alarms.choices import State
from alarms.evaluator.claims import Claimed

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


def count(claimed: Sequence[Claimed], seen: rules.Looks) -> None:
    """One for each that was decided firmly; a mixed window is no state."""
    if not settings.TELEMETRY_EVALUATION_COUNTS:
        return
    states = zip(claimed, _firm(seen), strict=True)
    found = [(one.id, state) for one, state in states if state]
    if found:
        ids, names = zip(*found, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, [*_STATES, list(ids), list(names)])


def _firm(seen: rules.Looks) -> list[str]:
    """The state of each window; "" where it is mixed."""
    found = np.full(len(seen.enough), "", dtype=object)
    found[seen.outside == 0] = State.OK.value
    found[seen.outside == seen.periods] = State.ALARM.value
    found[~seen.enough] = State.INSUFFICIENT_DATA.value
    states: list[str] = found.tolist()
    return states
