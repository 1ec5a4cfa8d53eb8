"""Timespans as gnocchi's clients write them: ``60``, ``"0.5"``, ``1h30m``, ``1:30:00``."""

from __future__ import annotations

import math
import re
from fractions import Fraction

_UNITS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1,
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "d": 86_400, "day": 86_400, "days": 86_400,
    "w": 604_800, "wk": 604_800, "wks": 604_800, "week": 604_800, "weeks": 604_800,
}  # fmt: skip
#: More than the years 1970 to 2262, which are all that a time can be.
_MAX_S = 10**10
_MAX_LENGTH = 100
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_PART = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]+)\s*,?", re.ASCII | re.IGNORECASE)
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d{1,2}(?:\.\d+)?)", re.ASCII)


class TimespanError(ValueError):
    """No timespan, or none above zero; the text is what gnocchi says then."""


def timespan_us(value: object) -> int:
    """Whole microseconds of a number of seconds or of a text, at least 1.

    Raises `TimespanError`: ``Unable to parse timespan`` or ``Timespan must be positive``.
    """
    seconds = _seconds(value)
    if seconds is None or seconds > _MAX_S:
        raise TimespanError("Unable to parse timespan")
    span_us = round(seconds * 1_000_000)
    if span_us < 1:
        raise TimespanError("Timespan must be positive")
    return span_us


def _seconds(value: object) -> Fraction | None:
    """None of what is no timespan."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(value)
    if not isinstance(value, str) or len(value) > _MAX_LENGTH:
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return Fraction(text)
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, seconds = clock.groups()
        return Fraction(hours or 0) * 3600 + Fraction(minutes) * 60 + Fraction(seconds)
    return _sum_of_parts(text)


def _sum_of_parts(text: str) -> Fraction | None:
    """``1h 30m``"""
    parts = list(_PART.finditer(text))
    units = [_UNITS.get(part[2].lower()) for part in parts]
    if not parts or None in units or "".join(part[0] for part in parts) != text:
        return None
    return sum(
        (Fraction(part[1]) * unit for part, unit in zip(parts, units, strict=True) if unit),
        start=Fraction(0),
    )
