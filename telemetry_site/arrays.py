"""Arrays as parameters of statements."""

from __future__ import annotations

from collections.abc import Iterable


def text_array(texts: Iterable[str]) -> str:
    """PostgreSQL's own literal, to be cast: ``%s::text[]``. The driver makes the same of a list, at
    ten times the price, which counts with ten thousand texts."""
    escaped = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join([f'"{text}"' for text in escaped]) + "}"


def number_array(numbers: Iterable[int]) -> str:
    """The same for whole numbers, to be cast: ``%s::bigint[]``."""
    return "{" + ",".join(map(str, numbers)) + "}"
