"""How much a project's alarms may send to one receiver's host: a token bucket each (alarms.md 8.2,
item 18). What is over it waits; of too much that waits only each alarm's newest word stays.

The installation's own alarms, and what the house has to do, are not limited.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from alarms.choices import HOUSE_DESTINATIONS, Delivery
from alarms.models import Notification

#: More than so many that wait for one host are too much.
MOST_WAITING = 100
#: `last_error` of what a newer message of the same alarm stands for.
COALESCED = "coalesced"
SHOWN = 50


def _level(of: str) -> str:
    """SQL: what a bucket holds now."""
    return f"""least(%(burst)s::float8, {of}.level + %(rate)s::float8 * greatest(
        0, extract(epoch FROM now() - {of}.at)::float8))"""


#: The buckets that hold no token. Few rows: those that sent within the last day.
SPENT = f"""
    SELECT project_id, destination FROM alarms_sendingbudget AS budget
    WHERE %(rate)s > 0 AND {_level("budget")} < 1"""
#: Of a claim, as the next part of the statement whose part `claimed` it is: one token less.
TAKE = f"""
    INSERT INTO alarms_sendingbudget AS budget (project_id, destination, level, at)
    SELECT project_id, destination, %(burst)s - 1, now() FROM claimed
    WHERE %(rate)s > 0 AND project_id IS NOT NULL AND destination <> ALL(%(house)s)
    ON CONFLICT ON CONSTRAINT budget_identity DO UPDATE
    SET at = now(), level = {_level("budget")} - 1"""
_COALESCE = f"""
WITH spent AS MATERIALIZED ({SPENT}),
crowded AS MATERIALIZED (
    SELECT project_id, destination
    FROM alarms_notification JOIN spent USING (project_id, destination)
    WHERE status = 'pending' GROUP BY project_id, destination HAVING count(*) > %(most)s)
UPDATE alarms_notification AS old
SET status = 'cancelled', last_error = '{COALESCED}', lease_token = NULL
FROM crowded
WHERE old.status = 'pending' AND NOT old.is_test
  AND (old.lease_until IS NULL OR old.lease_until < now())
  AND old.project_id = crowded.project_id AND old.destination = crowded.destination
  AND old.group_id IS DISTINCT FROM old.alarm_id
  AND EXISTS (SELECT FROM alarms_notification AS newer
              WHERE newer.status = 'pending' AND newer.alarm_id = old.alarm_id
                AND newer.url = old.url AND NOT newer.is_test
                AND (newer.state_version, newer.repeat_no) > (old.state_version, old.repeat_no))
"""
_NEXT = f"""
SELECT project_id, destination, (1 - {_level("budget")}) / %(rate)s::float8
FROM alarms_sendingbudget AS budget WHERE {_level("budget")} < 1
ORDER BY at DESC LIMIT {SHOWN}
"""


def bounds() -> dict[str, Any]:
    """Parameters of the statements above; a rate of 0 is none."""
    a_minute = max(settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE, 0)
    return {
        "rate": a_minute / 60, "burst": float(a_minute), "house": list(HOUSE_DESTINATIONS),
        "most": MOST_WAITING,
    }  # fmt: skip


def coalesce() -> int:
    """Cancel what a newer message of its alarm stands for, where too much waits for the limit."""
    with connection.cursor() as cursor:
        cursor.execute(_COALESCE, bounds())
        return int(cursor.rowcount)


class Spent(NamedTuple):
    """A bucket without a token; the next one comes in `wait_s` seconds."""

    project_id: str
    destination: str
    wait_s: float


def spent() -> list[Spent]:
    with connection.cursor() as cursor:
        if not settings.TELEMETRY_NOTIFICATIONS_PER_MINUTE > 0:
            return []
        cursor.execute(_NEXT, bounds())
        return [Spent(*row) for row in cursor]


def held_up(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """Those among `rows` that wait for their project's limit."""
    which = Q(pk__in=[])
    for one in spent():
        which |= Q(project_id=one.project_id, destination=one.destination)
    return rows.filter(which, status=Delivery.PENDING)
