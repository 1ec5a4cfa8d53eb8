"""InfluxDB's line protocol: ``measurement[,tag=value…] field=value[,field=value…] [timestamp]``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

#: A backslash keeps the next character from ending what it stands in.
_KEY = r"(?:\\.|[^\\,= ])+"
_TEXT = r'"(?:\\.|[^"\\])*"'
_LINE = re.compile(
    rf"(?P<measurement>(?:\\.|[^\\, ])+)(?P<tags>(?:,{_KEY}={_KEY})*)\s+"
    rf"(?P<fields>{_KEY}=(?:{_TEXT}|[^\", ]+)(?:,{_KEY}=(?:{_TEXT}|[^\", ]+))*)"
    r"(?:\s+(?P<time>-?\d{1,20}))?\s*",
    re.DOTALL,
)
_TAG = re.compile(rf"({_KEY})=({_KEY})", re.DOTALL)
_FIELD = re.compile(rf"({_KEY})=({_TEXT}|[^\", ]+)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[iu]?", re.ASCII | re.IGNORECASE)
_BOOLEANS = ("t", "true", "f", "false")
_ESCAPED = re.compile(r"\\([,= \\])")


class Line(NamedTuple):
    """Fields that are no numbers are left out. `time_ns` None is now."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, float]
    time_ns: int | None


class LineError(ValueError):
    """The line of this number (from 1) is none."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Unable to parse line {number}")


def parse_lines(body: str) -> Iterator[Line]:
    """Empty lines and comments count, but are nothing. Raises `LineError`."""
    for number, text in enumerate(body.split("\n"), 1):
        text = text.strip()
        if text and not text.startswith("#"):
            yield _parse(text, number)


def _parse(text: str, number: int) -> Line:
    match = _LINE.fullmatch(text)
    if match is None:
        raise LineError(number)
    fields = {}
    for name, value in _FIELD.findall(match["fields"]):
        if value.startswith('"') or value.lower() in _BOOLEANS:
            continue
        read = _value(value)
        if read is None:
            raise LineError(number)
        fields[_plain(name)] = read
    tags = {_plain(key): _plain(value) for key, value in _TAG.findall(match["tags"])}
    time = match["time"]
    return Line(_plain(match["measurement"]), tags, fields, int(time) if time else None)


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text)


def _value(text: str) -> float | None:
    """None of what is no finite number; whole numbers end in ``i`` or ``u``."""
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text.rstrip("iuIU"))
    return number if math.isfinite(number) else None
