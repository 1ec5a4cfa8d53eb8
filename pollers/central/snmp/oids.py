"""Object identifiers: numbers in a row, written with dots (RFC 2578, 3.5). Pure."""

from __future__ import annotations

import re

from telemetry_site.yamlfile import DefinitionError

Oid = tuple[int, ...]

MOST_PARTS = 128
HIGHEST_PART = 2**32 - 1
_WRITTEN = re.compile(r"\.?\d+(?:\.\d+)+")


def parse_oid(text: object) -> Oid:
    """`1.3.6.1`, with or without a dot before it. Raises `DefinitionError`."""
    if not isinstance(text, str) or not _WRITTEN.fullmatch(text):
        raise DefinitionError(f"{text!r:.80} is no OID, which is numbers with dots in quotes")
    oid = tuple(map(int, text.lstrip(".").split(".")))
    if len(oid) > MOST_PARTS:
        raise DefinitionError(f"an OID of {len(oid)} parts; at most {MOST_PARTS} are allowed")
    if max(oid) > HIGHEST_PART or oid[0] > 2:
        raise DefinitionError(f"{text:.80} is no OID: one of its numbers is too high")
    return oid


def dotted(oid: Oid) -> str:
    return ".".join(map(str, oid))
