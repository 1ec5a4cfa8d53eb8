"""What may be kept of other people's payloads: no secrets, nothing the store cannot hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from meters import wire
from pollers.notification.fields import Notes
from pollers.user_metadata import SECRET

_LEFT_OUT = object()


def scrubbed(values: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """A copy without secrets and without what breaks the limits of O5 (noted where it does)."""
    kept = _mapping(values, notes, wire.MAX_METADATA_DEPTH)
    return kept if isinstance(kept, dict) else {}


def _value(value: Any, notes: Notes, depth: int) -> Any:
    if isinstance(value, str):
        return value if _keepable(value, wire.MAX_METADATA_VALUE, notes) else _LEFT_OUT
    if isinstance(value, dict):
        return _mapping(value, notes, depth)
    if isinstance(value, list):
        return _list(value, notes, depth)
    if isinstance(value, int) and not wire.MIN_INTEGER <= value <= wire.MAX_INTEGER:
        notes["metadata: a number of more than 64 bits left out"] += 1
        return _LEFT_OUT
    return value


def _mapping(values: Mapping[str, Any], notes: Notes, depth: int) -> Any:
    if depth <= 0:
        notes["metadata: what is nested too deep left out"] += 1
        return _LEFT_OUT
    kept = {}
    for key, value in values.items():
        if SECRET.search(key) or not _keepable(key, wire.MAX_NAME, notes):
            continue
        inner = _value(value, notes, depth - 1)
        if inner is not _LEFT_OUT:
            kept[key] = inner
    return kept


def _list(values: Sequence[Any], notes: Notes, depth: int) -> Any:
    if depth <= 0:
        notes["metadata: what is nested too deep left out"] += 1
        return _LEFT_OUT
    inner = (_value(value, notes, depth - 1) for value in values)
    return [value for value in inner if value is not _LEFT_OUT]


def _keepable(text: str, limit: int, notes: Notes) -> bool:
    if "\x00" in text:
        notes["metadata: text with a NUL character left out"] += 1
        return False
    if len(text) > limit:
        notes["metadata: text over the limit left out"] += 1
        return False
    return True
