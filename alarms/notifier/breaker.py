"""A receiver that fails is left alone for a while, so that it costs the others nothing (N5)."""

from __future__ import annotations

from django.db import connection

from alarms.models import Destination
from alarms.notifier import metrics
from alarms.notifier.outcome import Outcome

#: Failures in a row. Afterwards one message tries whether it is back.
THRESHOLD = 5
OPEN_S = 60

_FAILED = f"""
INSERT INTO alarms_destination AS receiver (key, failures, last_error, updated_at)
VALUES (%(key)s, 1, %(error)s, now())
ON CONFLICT (key) DO UPDATE
SET failures = receiver.failures + 1, last_error = excluded.last_error, updated_at = now(),
    open_until = CASE WHEN receiver.failures + 1 >= {THRESHOLD}
                      THEN now() + interval '{OPEN_S} seconds' ELSE receiver.open_until END
RETURNING failures
"""


def note(destination: str, outcome: Outcome) -> None:
    """Count what came of an attempt, in the caller's transaction.

    A refusal for good is an answer; what the guard stopped says nothing of the receiver.
    """
    if outcome.is_alive:
        Destination.objects.filter(key=destination, failures__gt=0).update(
            failures=0, open_until=None, last_error=""
        )
    elif not outcome.is_final and outcome.error != "internal":
        with connection.cursor() as cursor:
            cursor.execute(_FAILED, {"key": destination, "error": outcome.error})
            if cursor.fetchone()[0] >= THRESHOLD:
                metrics.BREAKER_OPENED.inc()
