"""What lies in the store without use: chunks of metrics that are gone, dead rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.db import connection

#: Series whose chunks are looked at in one statement.
SERIES_AT_ONCE = 10_000
#: A rewriting that waits for longer gives up: readers and writers queue behind it.
REWRITE_WITHIN = "5s"

_LAST = "SELECT series_id FROM meters_chunk ORDER BY series_id DESC LIMIT 1"
_ORPHANS = """
FROM meters_chunk AS chunk WHERE series_id >= %s AND series_id < %s
AND NOT EXISTS (SELECT FROM meters_metric WHERE id = chunk.series_id)
AND NOT EXISTS (SELECT FROM meters_deletedseries WHERE series_id = chunk.series_id)
"""
_COUNT = f"SELECT count(DISTINCT series_id), count(*) {_ORPHANS}"
_NOTE = f"""
INSERT INTO meters_deletedseries (series_id) SELECT DISTINCT series_id {_ORPHANS}
ON CONFLICT DO NOTHING
"""
_TABLE = """
SELECT pg_total_relation_size(relid),
       n_dead_tup + coalesce((SELECT toast.n_dead_tup FROM pg_stat_all_tables AS toast
                              JOIN pg_class ON reltoastrelid = toast.relid
                              WHERE pg_class.oid = main.relid), 0)
FROM pg_stat_user_tables AS main WHERE relid = %s::regclass
"""


class TableState(NamedTuple):
    """Size with indexes and all; dead rows as PostgreSQL's statistics know them."""

    bytes: int
    dead: int


def ranges() -> list[tuple[int, int]]:
    """Of series ids [first, end), in which all chunks lie."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST)
        last = cursor.fetchone()
    return [(n, n + SERIES_AT_ONCE) for n in range(0, last[0] + 1, SERIES_AT_ONCE)] if last else []


def count_orphans(first: int, end: int) -> tuple[int, int]:
    """(series, chunks) whose metric is gone."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [first, end])
        series, chunks = cursor.fetchone()
    return int(series), int(chunks)


def note_orphans(first: int, end: int) -> int:
    """Note them for `meters.store.deletion.sweep_deleted`; returns how many series.

    A metric is committed before the first chunk of it: who sees the one sees the other.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NOTE, [first, end])
        return int(cursor.rowcount)


def tables() -> Iterator[str]:
    """All tables of the store but the head's, which are emptied whole."""
    for model in apps.get_app_config("meters").get_models():
        if model._meta.managed:
            yield model._meta.db_table


def state_of(table: str) -> TableState:
    with connection.cursor() as cursor:
        cursor.execute(_TABLE, [table])
        return TableState(*map(int, cursor.fetchone()))


def vacuum(table: str, rewrite: bool = False) -> None:
    """Raises `OperationalError` when the lock for rewriting is not to be had."""
    with connection.cursor() as cursor:
        if not rewrite:
            cursor.execute(f"VACUUM (ANALYZE) {table}")
            return
        cursor.execute(f"SET lock_timeout = '{REWRITE_WITHIN}'")
        try:
            cursor.execute(f"VACUUM (FULL, ANALYZE) {table}")
        finally:
            cursor.execute("RESET lock_timeout")
