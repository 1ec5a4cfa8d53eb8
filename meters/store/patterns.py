"""Regular expressions, judged by PostgreSQL: as the lists of other doors are, and within a time
limit, where Python's own may take for ever.

PostgreSQL makes an automaton of an expression, whose size grows with every repetition of a
repetition: ``(x{1,200}){1,200}`` takes it a minute and 1.6 GB. So an expression is tried on its own
before it is asked about any row.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db import DataError, InternalError, OperationalError, connection
from psycopg.errors import QueryCanceled

from meters.store.timelimit import at_most

#: For reading an expression, and asking it about one text.
TIME_MS = 500
LONGEST_TEXT = 255
_MATCHING = "SELECT text FROM unnest(%s::text[]) AS text WHERE text ~ %s"


class CostlyPatternError(ValueError):
    """An expression that takes too long, or too much memory."""


def fits_empty(pattern: str, time_ms: int = TIME_MS) -> bool:
    """Whether the pattern is found in the empty text. Raises `ValueError` for what is no pattern,
    and `CostlyPatternError`; the transaction goes on."""
    try:
        with at_most(time_ms), connection.cursor() as cursor:
            cursor.execute("SELECT '' ~ %s, %s ~ %s", [pattern, "a" * LONGEST_TEXT, pattern])
            return bool(cursor.fetchone()[0])
    except InternalError as error:
        raise CostlyPatternError("it takes too much memory") from error
    except DataError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(reason.rpartition("invalid regular expression: ")[2]) from error
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise CostlyPatternError("it takes too long") from error


def matching(texts: Collection[str], pattern: str) -> set[str]:
    """Those in which the pattern is found. Raises `ValueError` for what is no pattern."""
    fits_empty(pattern)
    with connection.cursor() as cursor:
        cursor.execute(_MATCHING, [list(texts), pattern])
        return {text for (text,) in cursor.fetchall()}
