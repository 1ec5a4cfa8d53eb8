"""Regular expressions, judged by PostgreSQL: as the lists of other doors are, and within its time
limit, where Python's own may take for ever.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import DataError, connection, transaction

_MATCHING = "SELECT text FROM unnest(%s::text[]) AS text WHERE text ~ %s"


def matching(texts: Collection[str], pattern: str) -> set[str]:
    """Those in which the pattern is found. Raises `ValueError` for what is no pattern."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_MATCHING, [list(texts), pattern])
            return {text for (text,) in cursor.fetchall()}
    except DataError as error:
        raise ValueError(str(error).strip().splitlines()[0]) from error
