"""Statements that people's texts make slow or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def at_most(milliseconds: int) -> Iterator[None]:
    """A savepoint (or transaction) whose statements may take so long each.

    One that takes longer raises `OperationalError` with a `QueryCanceled` as its cause, and what
    stands around the savepoint goes on.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('statement_timeout'), "
                "set_config('statement_timeout', %s, true)",
                [str(milliseconds)],
            )
            usual = cursor.fetchone()[0]
        yield
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [usual])
