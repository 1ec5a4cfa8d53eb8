"""The schema stays fit for Citus: samples spread over servers by `series_id`, the rest on each.

Citus itself is not here (no package of it for this PostgreSQL); these are its rules for tables
(docs/why/scale.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection

from meters.models import HeadSlot
from meters.store.head import table_of

pytestmark = pytest.mark.django_db
UNIQUE = """
SELECT index.indexrelid::regclass::text, array_agg(attribute.attname::text)
FROM pg_index AS index JOIN pg_attribute AS attribute
    ON attribute.attrelid = index.indrelid AND attribute.attnum = ANY(index.indkey)
WHERE index.indrelid = %s::regclass AND index.indisunique GROUP BY 1
"""
FOREIGN = """
SELECT conname FROM pg_constraint
WHERE contype = 'f' AND (conrelid = %s::regclass OR confrelid = %s::regclass)
"""
TRIGGERS = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_name = %s AND (is_identity = 'YES' OR is_generated = 'ALWAYS'
                           OR column_default LIKE 'nextval%%')
"""


def rows(statement: str, parameters: Sequence[str]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return cursor.fetchall()


def distributed() -> list[str]:
    slots = HeadSlot.objects.values_list("number", flat=True)
    return ["meters_chunk", *(table_of(slot) for slot in slots)]


def test_every_unique_key_holds_the_series() -> None:
    found = [(table, *key) for table in distributed() for key in rows(UNIQUE, [table])]
    assert [table for table, _, _ in found] == ["meters_chunk"]
    for _, name, columns in found:
        assert "series_id" in columns, name


def test_nothing_ties_a_sample_to_rows_elsewhere() -> None:
    """Neither keys nor triggers, nor numbers that one server alone could count."""
    tables = distributed()
    assert len(tables) > 2
    for table in tables:
        assert rows(FOREIGN, [table, table]) == []
        assert rows(TRIGGERS, [table]) == []
        assert rows(COLUMNS, [table]) == []
