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

from alarms.errors import DefinitionError
from meters.store import patterns

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
    try:
        return patterns.fits_empty(f"^(?:{pattern})$", TIME_MS)
    except patterns.CostlyPatternError as error:
        raise DefinitionError(field, "is a regular expression that takes too long") from error
    except ValueError as error:
        raise DefinitionError(field, f"is no regular expression: {error}") from error


def _check_form(field: str, pattern: str) -> None:
    for escaped, group in _PARTS.findall(pattern):
        if escaped.isdigit():
            raise DefinitionError(field, "refers back to a group, which is not allowed")
        if not escaped and group != ":":
            raise DefinitionError(
                field, "has a group that begins with (? and is not (?:…): flags and looking "
                "around are not allowed",
            )  # fmt: skip
