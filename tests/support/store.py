"""The store as a new installation has it."""

from __future__ import annotations

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from tests.support.head import empty_head

#: They hold rows that a migration made.
_KEPT = {"meters_catalogueepoch", "meters_headslot", "meters_resourcetype"}
_OF_SAMPLES = (
    "resourcerevision", "metric", "resource", "chunk", "deletedseries", "retentionwalk",
    "sampleimport", "archivepolicyrule", "archivepolicy",
)  # fmt: skip
_GENERIC_ONLY = "DELETE FROM meters_resourcetype WHERE name <> 'generic'"
#: Running processes forget what they remember of the catalogue.
_NEXT_EPOCH = "UPDATE meters_catalogueepoch SET epoch = epoch + 1"


def empty_store() -> None:
    """Delete all rows but those that a migration made; ids begin at 1 again."""
    with transaction.atomic(), connection.cursor() as cursor:
        names = _tables(cursor, "meters_")
        emptied = ", ".join(connection.ops.quote_name(name) for name in sorted(names - _KEPT))
        cursor.execute(f"TRUNCATE {emptied} RESTART IDENTITY")
        if "meters_resourcetype" in names:
            cursor.execute(_GENERIC_ONLY)
        cursor.execute(_NEXT_EPOCH)
        empty_head()


def empty_samples() -> None:
    """Delete what describes samples, and them: quicker than `empty_store` where there are few."""
    with transaction.atomic(), connection.cursor() as cursor:
        for table in _OF_SAMPLES:
            cursor.execute(f"DELETE FROM meters_{table}")
        cursor.execute(_NEXT_EPOCH)
    empty_head()


def empty_alarms() -> None:
    """Delete alarms, what became of them and what was to be sent."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(sorted(_tables(cursor, 'alarms_')))}")


def _tables(cursor: CursorWrapper, prefix: str) -> set[str]:
    names = connection.introspection.table_names(cursor)
    return {name for name in names if name.startswith(prefix)}
