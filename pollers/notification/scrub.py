"""What may be kept of other people's payloads: no secrets, nothing the store cannot hold."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from meters import wire
from pollers.notification.fields import Notes

#: Keys whose values are never kept: VPN keys and passwords do stand in notifications.
SECRET = re.compile(
    r"(pass|passwd|password|psk|secret|token|private_key|api_key|credentials?|authorization|cookie)$",
    re.IGNORECASE,
)

_LEFT_OUT = object()


def scrubbed(values: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """A copy without secrets and without what breaks the limits of O5 (noted where it does)."""
    kept = _mapping(values, notes, wire.MAX_METADATA_DEPTH)
    return kept if isinstance(kept, dict) else {}


def user_metadata(
    metadata: Any, prefixes: Sequence[str], keys: Sequence[str], length: int, taken: Collection[str]
) -> dict[str, Any]:
    """The tenant's own keys that metering keeps: exact ones, and those with a prefix (cut off).

    Dots become `_`, text is cut to `length`. What is named like something in `taken` is left out,
    and a key with prefix gives way to an exact one.
    """
    if not isinstance(metadata, dict):
        return {}
    kept = {key.replace(".", "_"): metadata[key] for key in keys if key in metadata}
    for prefix in prefixes:
        for key, value in metadata.items():
            if key.startswith(prefix) and key != prefix:
                kept.setdefault(key.removeprefix(prefix).replace(".", "_"), value)
    return {key: _cut(value, length) for key, value in kept.items() if key not in taken}


def _cut(value: Any, length: int) -> Any:
    return value[:length] if isinstance(value, str) else value


def _value(value: Any, notes: Notes, depth: int) -> Any:
    if isinstance(value, str):
        return value if _keepable(value, wire.MAX_METADATA_VALUE, notes) else _LEFT_OUT
    if isinstance(value, dict):
        return _mapping(value, notes, depth)
    if isinstance(value, list):
        return _list(value, notes, depth)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
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
