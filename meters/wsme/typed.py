"""Texts that are read as a type says: in conditions of queries, and of rules of alarms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from meters.wsme.words import NO, YES

#: All there are in queries; there `datetime` is the query's own to read.
TYPE_NAMES = ("integer", "float", "string", "boolean", "datetime")


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word in YES:
        return True
    if word in NO:
        return False
    raise ValueError


def _float(text: str) -> float:
    value = float(text)
    if value != value:
        raise ValueError
    return value


#: type → how its text is read; raises ValueError.
TYPES: dict[str, Callable[[str], Any]] = {
    "": str, "string": str, "integer": int, "float": _float, "boolean": _flag,
}  # fmt: skip


def converted(value: str, kind: str) -> Any:
    """The text as `kind` reads it. Raises `ValueError`."""
    return TYPES[kind](value)
