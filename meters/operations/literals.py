"""Names and numbers as clients send them, and how a sentence shows what else they sent."""

from __future__ import annotations

import json
import math
import re

MAX_NAME = 255
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


def is_name(value: object) -> bool:
    """A text that a database can be asked for: no NUL and no half of a surrogate pair."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME
        and "\0" not in value
        and value.encode(errors="replace").decode() == value
    )


def number_of(value: object) -> float | None:
    """None of what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def shown(value: object) -> str:
    """A client's value for use in a sentence, whatever it is and however large."""
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    if isinstance(value, int) and abs(value) > 10**18:
        return "a huge number"
    if not isinstance(value, str | int | float | None):
        return f"a {type(value).__name__}"
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
