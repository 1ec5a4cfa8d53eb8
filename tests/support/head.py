"""The head as a new installation has it."""

from __future__ import annotations

from django.db import connection

TABLES = [f"meters_head_{number}" for number in range(6)]
_EMPTY = f"""
TRUNCATE {", ".join(TABLES)};
UPDATE meters_headslot SET sequence = number - 100, state = 'free';
UPDATE meters_headslot SET sequence = 1, state = 'open', opened_at = now() WHERE number = 0;
"""


def empty_head() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
