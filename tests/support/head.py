"""The head as a new installation has it."""

from __future__ import annotations

from django.db import connection

_EMPTY = """
TRUNCATE meters_head_0, meters_head_1, meters_head_2, meters_head_3, meters_head_4, meters_head_5;
UPDATE meters_headslot SET sequence = number - 100, state = 'free';
UPDATE meters_headslot SET sequence = 1, state = 'open', opened_at = now() WHERE number = 0;
"""


def empty_head() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_EMPTY)
