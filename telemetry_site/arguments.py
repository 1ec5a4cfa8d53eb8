"""Numbers and texts on the command line, as argparse reads them: bounded, and refused in words."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import timedelta

from telemetry_site.texts import visible

#: Rows that a command shows, and hours that it looks back, at most.
MOST_ROWS = 1_000_000
MOST_HOURS = 24 * 36_525
#: Of a row of the database.
MOST_ID = (1 << 63) - 1
LONGEST = 255


def rows(text: str) -> int:
    """How many rows at most."""
    return _whole(text, MOST_ROWS)


def row_id(text: str) -> int:
    return _whole(text, MOST_ID)


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and 1 <= int(text) <= most):
        raise ArgumentTypeError(f"{visible(text[:80])} is no whole number from 1 to {most}")
    return int(text)


def hours(text: str) -> timedelta:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= MOST_HOURS:
        raise ArgumentTypeError(
            f"{visible(text[:80])} is no number of hours from 0 to {MOST_HOURS}"
        )
    return timedelta(hours=number)


def printable(text: str) -> str:
    """A name that the database can be asked for: no NUL, nothing that is no UTF-8."""
    if not text or len(text) > LONGEST or not text.isprintable():
        raise ArgumentTypeError(f"{visible(text[:80])}: 1 to {LONGEST} printable characters")
    return text
