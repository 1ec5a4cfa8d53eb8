"""What the store can hold: limits of batches, texts and JSON documents, and their checks.

The lower half of the wire format; `meters.wire` offers all of it again. It knows no framework.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any, NamedTuple

import msgspec

#: What a sender aims at, and what a decoder refuses: the batch of a raw batch can't be split.
MAX_BATCH_BYTES = 1 << 20
MAX_MESSAGE_BYTES = 16 << 20
MAX_SAMPLES = 10_000
MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_KEYS = 256
MAX_METADATA_DEPTH = 8
MAX_NAME = 255
MAX_METADATA_VALUE = 4096
MAX_ITEM_BYTES = 256 * 1024
MAX_FLOAT = sys.float_info.max
#: What both msgpack and a bigint hold.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1

#: K3: nothing before the epoch or after the year 2200 is a time that a meter can have.
EARLIEST_US = 0
LATEST_US = 7_258_118_400_000_000
SURROGATE = re.compile("[\ud800-\udfff]")


class WireError(ValueError):
    """A batch that breaks the format. `reason` is one of the quarantine's closed list."""

    def __init__(self, detail: str, reason: str = "schema") -> None:
        super().__init__(detail)
        self.reason = reason


class Limits(NamedTuple):
    """How large a JSON document may be; `oversize` is the quarantine's reason for more bytes."""

    depth: int
    keys: int
    text: int
    size_bytes: int
    oversize: str


#: O5.
METADATA_LIMITS = Limits(
    MAX_METADATA_DEPTH, MAX_METADATA_KEYS, MAX_METADATA_VALUE, MAX_METADATA_BYTES, "schema"
)
#: An event's notification as it came: bounded as a whole, since real ones nest 12 deep.
RAW_LIMITS = Limits(32, 20_000, MAX_ITEM_BYTES, MAX_ITEM_BYTES, "item_too_large")


class Bounds(NamedTuple):
    """What resources, meters and times may be: of agents, or of what was stored already."""

    latest_us: int
    latest_year: int
    id_length: int
    nameless: bool
    metadata: Limits


AGENTS = Bounds(LATEST_US, 2200, MAX_NAME, nameless=False, metadata=METADATA_LIMITS)
#: The metric API stores more than agents may send: longer ids, later times, metrics without name.
STORED = Bounds((2**63 - 1) // 1000, 2262, 300, nameless=True, metadata=RAW_LIMITS)


def check_text(where: str, text: str, *, required: bool = False, limit: int = MAX_NAME) -> None:
    """A text that PostgreSQL and UTF-8 can hold: no NUL, no lone surrogate, not too long."""
    if required and not text:
        raise WireError(f"{where}: must not be empty")
    if len(text) > limit:
        raise WireError(f"{where}: {len(text)} characters, at most {limit} are allowed")
    if "\x00" in text:
        raise WireError(f"{where}: holds a NUL character", "nul_in_text")
    if not text.isascii() and SURROGATE.search(text):
        raise WireError(f"{where}: holds half a surrogate pair", "bad_encoding")


def check_metadata(where: str, metadata: dict[str, Any], limits: Limits = METADATA_LIMITS) -> None:
    """Limits of O5: size, keys, depth, length; JSON types only; no NUL anywhere."""
    check_document(where, metadata, limits)


def check_document(where: str, document: dict[str, Any], limits: Limits) -> None:
    """Raise `WireError` unless the document is JSON within the limits."""
    if not document:
        return
    _Document(limits).check(where, document, limits.depth)
    size = len(msgspec.json.encode(document))
    if size > limits.size_bytes:
        raise WireError(
            f"{where}: {size} bytes, at most {limits.size_bytes} are allowed", limits.oversize
        )


class _Document:
    """One pass over a document, which uses up the keys that it may have."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.keys_left = limits.keys

    def check(self, where: str, value: Any, depth: int) -> None:
        """`depth`: how many levels of dicts and lists the value may have."""
        if isinstance(value, str):
            check_text(where, value, limit=self.limits.text)
        elif isinstance(value, dict):
            self._check_dict(where, value, depth)
        elif isinstance(value, list):
            self._check_depth(where, depth)
            for place, inner in enumerate(value):
                self.check(f"{where}[{place}]", inner, depth - 1)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise WireError(f"{where}: {value} is not finite", "not_finite")
        elif isinstance(value, int):
            check_integer(where, value)
        elif value is not None:
            raise WireError(f"{where}: {type(value).__name__} is not a JSON type")

    def _check_dict(self, where: str, value: dict[Any, Any], depth: int) -> None:
        self._check_depth(where, depth)
        self.keys_left -= len(value)
        if self.keys_left < 0:
            raise WireError(f"{where}: more than {self.limits.keys} keys", "too_many_keys")
        for key, inner in value.items():
            if not isinstance(key, str):
                raise WireError(f"{where}: key {key!r} is not text")
            check_text(f"{where}: key", key)
            self.check(f"{where}.{key}", inner, depth - 1)

    def _check_depth(self, where: str, depth: int) -> None:
        if depth <= 0:
            raise WireError(f"{where}: nested deeper than {self.limits.depth}")


def check_integer(where: str, number: int) -> None:
    if not MIN_INTEGER <= number <= MAX_INTEGER:
        raise WireError(f"{where}: an integer of more than 64 bits")


def check_time(where: str, micros: int) -> None:
    if not EARLIEST_US <= micros <= LATEST_US:
        raise WireError(f"{where}: {micros} is not in 1970…2200")
