"""Arrays as parameters of statements."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID


def text_array(texts: Iterable[str]) -> str:
    """PostgreSQL's own literal, to be cast: ``%s::text[]``. The driver makes the same of a list, at
    ten times the price, which counts with ten thousand texts."""
    quoted = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in texts]
    return "{" + ",".join(quoted) + "}"


def plain_array(values: Iterable[int | UUID]) -> str:
    """The same of what needs no quotes, to be cast: ``%s::bigint[]``."""
    return "{" + ",".join(map(str, values)) + "}"
