"""What the store's jobs ask of the database: each job is done by one process at a time, and takes
the time it takes.
"""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

#: Any numbers that nothing else uses. Of all jobs that move the head's ring on.
ROTATION_LOCK = 0x726F7461
#: Of all that make chunks.
COMPACTION_LOCK = 0x636F6D70
MERGE_LOCK = 0x6D657267
#: Of the walk that deletes what is past its retention.
RETENTION_LOCK = 0x72657465
#: Of the job that counts what there is.
SURVEY_LOCK = 0x73757276
_TRY = "SELECT bool_and(pg_try_advisory_xact_lock(lock)) FROM unnest(%s) AS lock"
_LONG = """
SET LOCAL statement_timeout = '50min'; SET LOCAL idle_in_transaction_session_timeout = '10min'
"""


def alone(cursor: CursorWrapper, *locks: int) -> bool:
    """Whether this transaction got the locks, and so does the job alone."""
    cursor.execute(_TRY, [list(locks)])
    return bool(cursor.fetchone()[0])


def take_long(cursor: CursorWrapper) -> None:
    """For this transaction not the limits of requests, 30 and 60 s, but those of the periodic job.

    Millions of rows that become chunks are one COPY. On a machine that is busy it took longer, was
    begun again each time, and the head grew until it was full.
    """
    cursor.execute(_LONG)
