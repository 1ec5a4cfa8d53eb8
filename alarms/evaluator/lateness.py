"""Whether alarms are evaluated at all (alarms.md 8.2, item 5): what nobody here would tell."""

from __future__ import annotations

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from telemetry_site.health import Remembered

#: An alarm that is late by more intervals than this is no chance.
INTERVALS = 3
_LATEST = """
SELECT extract(epoch FROM statement_timestamp() - min(evaluate_at))::float8
FROM alarms_alarm WHERE enabled AND type <> 'event' AND evaluate_at <= statement_timestamp()
"""


def late_s() -> float:
    """By how much the alarm that is due the longest is late, in seconds."""
    with connection.cursor() as cursor:
        cursor.execute(_LATEST)
        return float(cursor.fetchone()[0] or 0)


def _ask() -> str:
    interval = max(settings.TELEMETRY_EVALUATION_TICK, settings.TELEMETRY_EVALUATION_INTERVAL)
    try:
        late = late_s()
    except (DatabaseError, InterfaceError):
        return "the database gives no answer"
    if late <= INTERVALS * interval:
        return ""
    return f"alarms are not evaluated: one is due since {late:.0f} s"


#: "" if they are.
reason = Remembered(_ask)
