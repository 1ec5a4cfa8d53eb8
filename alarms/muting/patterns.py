"""Regular expressions of matchers: PostgreSQL's, cut down to what takes no long time.

They are judged where the outbox is written, for all projects, so none may be slow. PostgreSQL
matches an expression without back references by an automaton, in a time that grows with states ×
text and no faster; those and looking around are refused. Reading an expression costs what its
length lets it, and is measured when it is written. A silence is so judged in the statement that
finds it, where an engine in this process (re2 is no dependency of ours) would need every label
of every alarm brought here.
"""

from __future__ import annotations

import re

from django.db import DataError, OperationalError, connection
from psycopg.errors import QueryCanceled

from alarms.errors import DefinitionError
from alarms.muting.limits import at_most

MAX_LENGTH = 255
#: For reading the expression and asking it about the longest text.
TIME_MS = 100
#: A backslash with what it stands before, or a group that is not just one.
_PARTS = re.compile(r"\\(.)|\(\?(.?)", re.DOTALL)


def anchored(expression: str) -> str:
    """SQL: the pattern that an SQL expression holds, for the whole of a text."""
    return f"('^(?:' || {expression} || ')$')"


def fits_empty(field: str, pattern: str) -> bool:
    """Whether the empty text fits. Raises `DefinitionError` for what nobody may use."""
    _check_form(field, pattern)
    whole = anchored("%s::text")
    try:
        with at_most(TIME_MS), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT '' ~ {whole}, %s ~ {whole}", [pattern, "a" * MAX_LENGTH, pattern]
            )
            return bool(cursor.fetchone()[0])
    except DataError as error:
        reason = str(error).strip().splitlines()[0].rpartition("invalid regular expression: ")[2]
        raise DefinitionError(field, f"is no regular expression: {reason}") from error
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        raise DefinitionError(field, "is a regular expression that takes too long") from error


def _check_form(field: str, pattern: str) -> None:
    for escaped, group in _PARTS.findall(pattern):
        if escaped.isdigit():
            raise DefinitionError(field, "refers back to a group, which is not allowed")
        if not escaped and group != ":":
            raise DefinitionError(
                field, "has a group that begins with (? and is not (?:…): flags and looking "
                "around are not allowed",
            )  # fmt: skip
