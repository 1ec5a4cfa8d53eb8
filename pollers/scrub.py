"""What may be kept of other people's payloads: no secrets, nothing the store cannot hold."""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Set, ValuesView
from itertools import islice
from typing import Any

import msgspec

from meters import wire
from pollers.user_metadata import SECRET

#: Faults that leave out one value and nothing else: {sentence: how often}.
Notes = Counter[str]

_LEFT_OUT = object()


def scrubbed(
    values: Mapping[str, Any], notes: Notes, spare: int = 0, is_raw: bool = False
) -> dict[str, Any]:
    """A copy without secrets and without what breaks the limits of O5 (noted where it does).

    `spare` is the number of keys that are to be added to it. Of a notification as it came
    (`is_raw`) nothing is left out for the size of the whole, which is refused as a whole.
    """
    limits = wire.AGENTS.metadata
    most_keys = sys.maxsize if is_raw else limits.keys - spare
    kept = _Scrub(notes, most_keys).mapping(values, wire.MAX_METADATA_DEPTH)
    if not isinstance(kept, dict):
        return {}
    return kept if is_raw else _fitting(kept, limits.size_bytes, notes)


class _Scrub:
    """One document, which uses up the keys that it may have."""

    def __init__(self, notes: Notes, most_keys: int) -> None:
        self._notes = notes
        self._most_keys = self._keys_left = most_keys

    def mapping(self, values: Mapping[Any, Any], depth: int) -> Any:
        if depth <= 0:
            return self._left_out("what is nested too deep")
        kept = {}
        # All of one level before what hangs on them: a long list inside costs no plain value.
        taken = dict(islice(values.items(), self._keys_left))
        self._keys_left -= len(taken)
        if len(taken) < len(values):
            self._notes[f"metadata: keys beyond {self._most_keys} left out"] += 1
        for key, value in taken.items():
            name = key if isinstance(key, str) else str(key)
            if SECRET.search(name) or not self._is_keepable(name, wire.MAX_NAME):
                continue
            inner = self._value(value, depth - 1)
            if inner is not _LEFT_OUT:
                kept[name] = inner
        return kept

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return value if self._is_keepable(value, wire.MAX_METADATA_VALUE) else _LEFT_OUT
        if isinstance(value, dict):
            return self.mapping(value, depth)
        if isinstance(value, set):
            value = sorted(value, key=str)  # the same at every poll
        if isinstance(value, list | tuple | Set | ValuesView):
            return self._list(value, depth)
        if isinstance(value, int):
            fits = wire.MIN_INTEGER <= value <= wire.MAX_INTEGER
            return value if fits else self._left_out("a number of more than 64 bits")
        if isinstance(value, float):
            return value if math.isfinite(value) else self._left_out("a number that is not finite")
        return self._left_out("what JSON does not have")

    def _list(self, values: Iterable[Any], depth: int) -> Any:
        if depth <= 0:
            return self._left_out("what is nested too deep")
        inner = (self._value(value, depth - 1) for value in values)
        return [value for value in inner if value is not _LEFT_OUT]

    def _is_keepable(self, text: str, limit: int) -> bool:
        if "\x00" in text:
            self._left_out("text with a NUL character")
        elif len(text) > limit:
            self._left_out("text over the limit")
        elif not text.isascii() and wire.SURROGATE.search(text):
            self._left_out("text with half a surrogate pair")
        else:
            return True
        return False

    def _left_out(self, what: str) -> Any:
        self._notes[f"metadata: {what} left out"] += 1
        return _LEFT_OUT


def _fitting(kept: dict[str, Any], most_bytes: int, notes: Notes) -> dict[str, Any]:
    """The largest values go until the whole is small enough."""
    total = _size(kept)
    sizes: list[tuple[int, str]] = []
    while total > most_bytes:
        sizes = sizes or sorted((_size({key: value}), key) for key, value in kept.items())
        size, key = sizes.pop()
        total -= size
        del kept[key]
        notes[f"metadata: the largest beyond {most_bytes >> 10} KiB left out"] += 1
    return kept


def _size(document: dict[str, Any]) -> int:
    return len(msgspec.json.encode(document))
