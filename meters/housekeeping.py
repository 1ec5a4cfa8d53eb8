"""Tables of operation that would grow for ever: delete what is old, in small batches.

Reports, minutes and quarantine; samples have a retention of their own (`meters.store.retention`).
"""

from __future__ import annotations

from typing import NamedTuple

import structlog
from django.db import connection, transaction
from prometheus_client import Counter

log = structlog.get_logger(__name__)

BATCH = 10_000
QUARANTINE_BYTES = 1 << 30
DELETED = Counter("telemetry_housekeeping_deleted_total", "Rows deleted for age.", ["table"])
QUARANTINE_DROPPED = Counter(
    "telemetry_quarantine_dropped_total", "Quarantine rows dropped for age or size.", ["reason"]
)


class Rule(NamedTuple):
    """Rows whose `column` is older than `keep` go, if `condition` (SQL) holds."""

    table: str
    column: str
    keep: str
    condition: str = "true"


#: Other apps add theirs when they are ready.
RULES = [
    Rule("meters_pollreport", "slot", "7 days"),
    Rule("meters_ingestminute", "minute", "30 days"),
    Rule("meters_batchattempt", "updated_at", "14 days"),
    Rule("meters_postedonce", "created_at", "1 day"),
    Rule("telemetry_auth_loginattempts", "updated_at", "1 day"),
]


def keep_house() -> dict[str, int]:
    """Delete what is over its time; returns {table: rows deleted}. Safe to run twice at once."""
    deleted = {rule.table: _delete_old(rule) for rule in RULES}
    deleted["meters_quarantine"] = _shrink_quarantine()
    for table, rows in deleted.items():
        DELETED.labels(table).inc(rows)
    return deleted


def _delete_old(rule: Rule) -> int:
    """One short transaction for each batch, so that nobody waits long."""
    statement = f"""
        DELETE FROM {rule.table} WHERE ctid = ANY(ARRAY(
            SELECT ctid FROM {rule.table} WHERE {rule.column} < now() - %s::interval
            AND {rule.condition} LIMIT {BATCH} FOR UPDATE SKIP LOCKED))
    """
    total = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [rule.keep])
            rows = int(cursor.rowcount)
        total += rows
        if rows < BATCH:
            return total


_SHRINK = """
DELETE FROM meters_quarantine WHERE id IN (
    SELECT id FROM (
        SELECT id, created_at, sum(length(body)) OVER (ORDER BY id DESC) AS bytes
        FROM meters_quarantine) AS kept
    WHERE created_at < now() - interval '30 days' OR bytes > %s)
RETURNING reason, state
"""


def _shrink_quarantine() -> int:
    """C7: 1 GiB or 30 days, the oldest go, and what was open is counted by its reason."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_SHRINK, [QUARANTINE_BYTES])
        rows = cursor.fetchall()
    for reason, state in rows:
        if state == "open":
            QUARANTINE_DROPPED.labels(reason).inc()
    if rows:
        log.warning("quarantine shrunk", rows=len(rows))
    return len(rows)
