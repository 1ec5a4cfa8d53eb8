"""A receiver that fails is left alone for a while, so that it costs the others nothing (N5)."""

from __future__ import annotations

from typing import Any

from alarms.notifier import metrics
from alarms.notifier.outcome import Outcome

#: Failures in a row. Afterwards one message tries whether it is back.
THRESHOLD = 5
OPEN_S = 60

#: Parts of a statement that records what came of an attempt, with the values of `said_by`. The last
#: gives the receiver's failures in a row.
ANSWERED = """
    UPDATE alarms_destination SET failures = 0, open_until = NULL, last_error = ''
    WHERE %(answered)s AND key = %(destination)s::text AND failures > 0"""
SILENT = f"""
    INSERT INTO alarms_destination AS receiver (key, failures, last_error, updated_at)
    SELECT %(destination)s::text, 1, %(error)s::text, now() WHERE %(silent)s
    ON CONFLICT (key) DO UPDATE
    SET failures = receiver.failures + 1, last_error = excluded.last_error, updated_at = now(),
        open_until = CASE WHEN receiver.failures + 1 >= {THRESHOLD}
                          THEN now() + interval '{OPEN_S} seconds' ELSE receiver.open_until END
    RETURNING failures"""


def said_by(destination: str, outcome: Outcome) -> dict[str, Any]:
    """What the statement's parts need.

    A refusal for good is an answer; what the guard stopped says nothing of the receiver.
    """
    is_about_it = not outcome.is_final and outcome.error != "internal"
    return {
        "destination": destination, "error": outcome.error, "answered": outcome.is_alive,
        "silent": not outcome.is_alive and is_about_it,
    }  # fmt: skip


def count(failures: int) -> None:
    """What `SILENT` gave."""
    if failures >= THRESHOLD:
        metrics.BREAKER_OPENED.inc()
