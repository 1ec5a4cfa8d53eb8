"""Reading by a streaming replica (`DATABASE_REPLICA_URL`), never staler than by the primary.

The primary says how far its log goes, and the replica is asked once it has replayed so much: what
was acknowledged before the question is in the answer, as if the primary had given it. A replica
that does not get there in time, does not answer, or breaks off (a slot that is emptied meanwhile
cancels its readers) is left out for a while, and the primary answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.backends.utils import CursorWrapper

from meters.metrics import REPLICA_FAULTS, REPLICA_READS
from telemetry_site.database import AWAY

REPLICA = "replica"
#: So long a question waits for the replica to catch up,
WAIT_S = 0.05
#: and so long none asks it after it did not, or after it failed.
PAUSE_WHEN_LATE_S = 1.0
PAUSE_WHEN_AWAY_S = 5.0

Found = TypeVar("Found")
log = structlog.get_logger(__name__)
_left_out_until = 0.0


def reading(read: Callable[[CursorWrapper], Found]) -> Found:
    """What `read` finds; it changes nothing and may be called twice."""
    if not _is_set():
        return _run(read, DEFAULT_DB_ALIAS)
    if _is_of_use():
        position = _position_of_primary()
        try:
            if _has_replayed(position):
                return _counted(read, REPLICA)
            _leave_out("late", PAUSE_WHEN_LATE_S, f"It has not replayed {position}.")
        except AWAY as error:
            if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
                raise  # it took too long, and would so again
            _leave_out("away", PAUSE_WHEN_AWAY_S, str(error).strip())
    return _counted(read, DEFAULT_DB_ALIAS)


def _is_set() -> bool:
    """Workers read what they are about to change, and alarms: always by the primary."""
    return settings.TELEMETRY_ROLE == "web" and REPLICA in settings.DATABASES


def _is_of_use() -> bool:
    """Not when it failed just now, nor for what an open transaction may have written."""
    return time.monotonic() >= _left_out_until and not connection.in_atomic_block


def _position_of_primary() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
        return str(cursor.fetchone()[0])


def _has_replayed(position: str) -> bool:
    """Raises `OperationalError` where it can't be asked or is no replica."""
    pause_s = 0.001
    with connections[REPLICA].cursor() as cursor:
        deadline = time.monotonic() + WAIT_S
        while True:
            cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position])
            (replayed,) = cursor.fetchone()
            if replayed is None:
                raise OperationalError("DATABASE_REPLICA_URL names no replica, or not any more.")
            if replayed or time.monotonic() + pause_s > deadline:
                return bool(replayed)
            time.sleep(pause_s)
            pause_s *= 2


def _run(read: Callable[[CursorWrapper], Found], alias: str) -> Found:
    with connections[alias].cursor() as cursor:
        return read(cursor)


def _counted(read: Callable[[CursorWrapper], Found], alias: str) -> Found:
    found = _run(read, alias)
    REPLICA_READS.labels("primary" if alias == DEFAULT_DB_ALIAS else alias).inc()
    return found


def _leave_out(state: str, pause_s: float, reason: str) -> None:
    global _left_out_until
    _left_out_until = time.monotonic() + pause_s
    REPLICA_FAULTS.labels(state).inc()
    log.warning("The primary is read instead of its replica", state=state, reason=reason)
