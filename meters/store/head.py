"""The head: a ring of slots, small tables into which samples are copied as they arrive.

A slot is written while it is *open*; `rotate` closes it and opens a free one. The closed ones are
packed into chunks, oldest first, and freed (`meters.store.compaction`). When no slot is free the
open one grows on: nobody waits.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import structlog
from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Q
from django.db.models.functions import Now
from psycopg.errors import LockNotAvailable

from meters.models import HeadSlot
from meters.store.copy_format import encode_rows
from meters.store.locks import ROTATION_LOCK, alone
from telemetry_site.database import copying

log = structlog.get_logger(__name__)

ENTER = "SELECT epoch, clock, slot FROM meters_enter_head()"
_SIZE = "SELECT pg_relation_size(%s)"
_OPEN_SLOT = """
UPDATE meters_headslot
SET state = 'open', opened_at = now(), sequence = (SELECT max(sequence) + 1 FROM meters_headslot)
WHERE number = %s
"""
_SUMMARIZE = """
SELECT brin_summarize_new_values(format('head_%s_place', number)::regclass)
FROM meters_headslot WHERE state = 'open'
"""
SUMMARIZED_EACH_S = 1.0
SUMMARIZING_WAITS = "50ms"
#: When this process did it last.
_summarized_at = 0.0


class Rows(NamedTuple):
    """Samples as they lie in the head; `timestamp` in microseconds since 1970."""

    series_id: npt.NDArray[np.int64]
    timestamp: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Rows:
        return Rows(self.series_id[chosen], self.timestamp[chosen], self.value[chosen])


class Entry(NamedTuple):
    """What a writing transaction begins with; `slot` stays its own until it ends."""

    epoch: int
    now: datetime
    slot: int


def table_of(slot: int) -> str:
    return f"meters_head_{slot}"


def enter_head(cursor: CursorWrapper) -> Entry:
    """Lock the open slot for writing: it may be closed meanwhile, but not be packed."""
    cursor.execute(ENTER)
    return Entry(*cursor.fetchone())


def copy_rows(cursor: CursorWrapper, slot: int, rows: Rows) -> None:
    """Append the rows to the slot; those of one series in their order.

    Series lie together, so that the slot's block range index can tell where one is not.
    """
    if not len(rows.series_id):
        return
    if np.any(rows.series_id[1:] < rows.series_id[:-1]):
        rows = rows.take(np.argsort(rows.series_id, kind="stable"))
    statement = f"COPY {table_of(slot)} (series_id, timestamp, value) FROM STDIN (FORMAT BINARY)"
    with copying(cursor, statement) as copy:
        copy.write(encode_rows(*rows))
    transaction.on_commit(keep_summarized, robust=True)


def rotate(at_once: bool = False) -> bool:
    """Close the open slot if it is full or old (or at once), and open a free one.

    Returns whether it did. Safe to run twice at once.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        if not alone(cursor, ROTATION_LOCK) or not (at_once or _is_done(cursor)):
            return False
        free = HeadSlot.objects.filter(state=HeadSlot.State.FREE).order_by("sequence").first()
        if free is None:
            log.warning("no head slot is free, the open one grows on")
            return False
        HeadSlot.objects.filter(state=HeadSlot.State.OPEN).update(state=HeadSlot.State.CLOSED)
        cursor.execute(_OPEN_SLOT, [free.number])
    return True


def summarize() -> None:
    """Bring the open slot's index up to date: pages it does not know are read by every query."""
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARIZE)


def keep_summarized() -> None:
    """`summarize`, once a second in each process that writes; not where that would have to wait.

    The periodic job alone comes too seldom: it packs whole slots in between.
    """
    global _summarized_at
    if time.monotonic() < _summarized_at + SUMMARIZED_EACH_S:
        return
    _summarized_at = time.monotonic()
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{SUMMARIZING_WAITS}'")
            cursor.execute(_SUMMARIZE)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise


def _is_done(cursor: CursorWrapper) -> bool:
    age = timedelta(seconds=settings.TELEMETRY_SLOT_SECONDS)
    slots = HeadSlot.objects.annotate(old=Q(opened_at__lte=Now() - age))
    slot = slots.get(state=HeadSlot.State.OPEN)
    cursor.execute(_SIZE, [table_of(slot.number)])
    (size,) = cursor.fetchone()
    return bool(size >= settings.TELEMETRY_SLOT_BYTES or (slot.old and size))
