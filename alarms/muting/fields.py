"""Fields that silences, inhibitions and acknowledgements have in common, checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from alarms.errors import DefinitionError
from meters import wire
from meters.api.names import flaw_of
from meters.api.params import moment

MAX_TEXT = 4096
MAX_NAME = 255


def free_text(field: str, value: Any, longest: int = MAX_TEXT) -> str:
    """A text of which something can be seen. Raises `DefinitionError`, as all of these."""
    if value in (None, ""):
        raise DefinitionError(field, "is required")
    if not isinstance(value, str):
        raise DefinitionError(field, "must be a text")
    if "\0" in value:
        raise DefinitionError(field, "holds a NUL character")
    if len(value) > longest:
        raise DefinitionError(field, f"has {len(value)} characters, at most {longest} are allowed")
    if not value.strip():
        raise DefinitionError(field, "has no visible character")
    return value


def names_of(field: str, value: Any, known: Sequence[str]) -> list[str]:
    """Some of the known labels, each once."""
    given = [] if value is None else value
    if not isinstance(given, list):
        raise DefinitionError(field, "must be a list of labels")
    for place, name in enumerate(given):
        if name not in known:
            raise DefinitionError(f"{field}[{place}]", f"must be one of {', '.join(known)}")
    return list(dict.fromkeys(given))


def name_of(field: str, value: Any) -> str:
    name = free_text(field, value, MAX_NAME)
    if flaw := flaw_of(name):
        raise DefinitionError(field, flaw)
    return name


def time_of(field: str, value: Any, latest_us: int = wire.LATEST_US) -> datetime:
    if not isinstance(value, str):
        raise DefinitionError(field, "must be a time as text")
    try:
        return moment(value, latest_us)
    except ValueError as error:
        raise DefinitionError(field, str(error).rstrip(".")) from error
