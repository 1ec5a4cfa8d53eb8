"""Numbers and durations as people read them. Pure functions."""

from __future__ import annotations

import math

BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
DECIMAL = ("", "k", "M", "G", "T", "P", "E")
#: Spellings of the same unit in different sources → (shown unit, factor, 1024-based).
UNITS = {
    "B": ("B", 1.0, True),
    "KB": ("B", 1024.0, True),
    "KiB": ("B", 1024.0, True),
    "MB": ("B", 1024.0**2, True),
    "MiB": ("B", 1024.0**2, True),
    "GB": ("B", 1024.0**3, True),
    "GiB": ("B", 1024.0**3, True),
    "B/s": ("B/s", 1.0, True),
    "ns": ("s", 1e-9, False),
    "ms": ("s", 1e-3, False),
}
NARROW_SPACE = "\u202f"
#: What stands where there is no value: an en dash.
MISSING = "\u2013"
_DURATIONS = ((86400, "d"), (3600, "h"), (60, "min"))


def number(value: float) -> str:
    """Four significant digits, thousands apart: 12 345, 3.142, 0.00123."""
    if not math.isfinite(value):
        return MISSING
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.3e}"
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}".replace(",", NARROW_SPACE)
    digits = 3 - math.floor(math.log10(size)) if size >= 1 else 4
    return f"{value:.{digits}f}".rstrip("0").rstrip(".")


def scaled(value: float, binary: bool) -> tuple[float, str]:
    """(value, prefix) with the largest prefix that leaves at least 1 before the point."""
    step, prefixes = (1024.0, BINARY) if binary else (1000.0, DECIMAL)
    size, place = abs(value), 0
    while size >= step and place < len(prefixes) - 1:
        size, place = size / step, place + 1
    return value / step**place, prefixes[place]


def quantity(value: float, unit: str) -> tuple[str, str]:
    """(number, unit) as shown: bytes get binary prefixes, nanoseconds become seconds.

    A unit that isn't known stays as the source wrote it, and so does the number.
    """
    if not math.isfinite(value):
        return MISSING, unit
    base, per_second, rest = unit.partition("/s")
    known = UNITS.get(unit) or UNITS.get(base if not rest else unit)
    if known is None:
        return number(value), unit
    shown, factor, binary = known
    suffix = per_second if per_second and not shown.endswith("/s") else ""
    if not binary:
        return number(value * factor), shown + suffix
    amount, prefix = scaled(value * factor, binary)
    return number(amount), f"{prefix}{shown}{suffix}"


def rate_unit(unit: str) -> str:
    return f"{unit}/s" if unit else "/s"


def compact(value: float) -> str:
    """A count in little room: 950, 12.3k, 4.1M."""
    amount, prefix = scaled(value, binary=False)
    text = f"{amount:.0f}" if abs(amount) >= 100 or amount == int(amount) else f"{amount:.1f}"
    return text + prefix


def duration(seconds: float) -> str:
    """3 ms, 1.2 s, 4 min, 3 h, 2 d: one unit, for ages and time spans."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    for size, name in _DURATIONS:
        if seconds >= 2 * size or (size == 86400 and seconds >= size):
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} s"
