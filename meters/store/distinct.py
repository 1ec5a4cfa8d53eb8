"""The few values that a column of many rows has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model

#: From one to the next by an index that begins with the columns: `DISTINCT` reads all rows.
_FIRST = """
WITH RECURSIVE found AS (
    (SELECT {columns} FROM {table} ORDER BY {columns} LIMIT 1)
    UNION ALL
    SELECT later.* FROM found, LATERAL (
        SELECT {columns} FROM {table} WHERE ({columns}) > ({last})
        ORDER BY {columns} LIMIT 1) AS later
)
SELECT * FROM found LIMIT %s
"""


def first_values(model: type[Model], columns: Sequence[str], most: int) -> list[tuple[Any, ...]]:
    """At most so many different rows of the columns, in their order; none of them may be null."""
    quote = connection.ops.quote_name
    named = [quote(column) for column in columns]
    statement = _FIRST.format(
        table=quote(model._meta.db_table),
        columns=", ".join(named),
        last=", ".join(f"found.{name}" for name in named),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [most])
        return list(cursor.fetchall())
