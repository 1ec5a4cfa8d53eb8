"""How tests of alarms write times and values.

Values are separated by blanks, one an interval: ``5`` a value, ``_`` none, ``0+10x5`` a value and
five more, each 10 above the one before, ``100-1x3`` likewise downwards, ``7x3`` the value and three
more like it, ``_x3`` three times none.
"""

from __future__ import annotations

import re
from typing import Any

_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_VALUE = re.compile(
    rf"(?P<none>_)(?:x(?P<gaps>\d+))?"
    rf"|(?P<first>[+-]?(?:{_NUMBER}|NaN|nan|Inf|inf))(?:(?P<step>[+-]{_NUMBER})?x(?P<more>\d+))?"
)
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECONDS = (604_800, 86_400, 3_600, 60, 1)
#: A year of minutes, nearly.
MAX_VALUES = 500_000
MAX_SECONDS = 315_360_000


class NotationError(ValueError):
    """The text can't be read; the message is a sentence about it."""


def values_of(text: Any) -> list[float | None]:
    """None stands for an interval without a value. Raises `NotationError`."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = repr(text)
    if not isinstance(text, str):
        raise NotationError("must be a text such as '0+10x5 _ 7'")
    found: list[float | None] = []
    for word in text.split():
        match = _VALUE.fullmatch(word)
        if not match:
            raise NotationError(f"{word[:80]!r} is neither a value nor a row of them like 0+10x5")
        count = int(match["gaps"] or 1) if match["none"] else int(match["more"] or 0) + 1
        if len(found) + count > MAX_VALUES:
            raise NotationError(f"has more than {MAX_VALUES} values")
        if match["none"]:
            found += [None] * count
        else:
            first, step = float(match["first"]), float(match["step"] or 0)
            found += [first + step * number for number in range(count)]
    return found


def seconds_of(value: Any) -> int:
    """A number of seconds, or a text like 1h30m. Raises `NotationError`."""
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        pairs = zip(match.groups(), _SECONDS, strict=True)
        seconds = sum(int(number or 0) * length for number, length in pairs)
    else:
        raise NotationError(f"{str(value)[:80]!r} is no time; write it like 90, 5m or 1h30m")
    if not 0 <= seconds <= MAX_SECONDS:
        raise NotationError(f"must be between 0 and {MAX_SECONDS} seconds")
    return seconds


def duration(seconds: int) -> str:
    """90 → 1m30s"""
    text = ""
    for length, letter in zip(_SECONDS, "wdhms", strict=True):
        number, seconds = divmod(seconds, length)
        text += f"{number}{letter}" if number else ""
    return text or "0s"
