"""Query parameters: one strict parser a kind, and the check that none is unknown or repeated."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.http import QueryDict
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from meters import wire
from meters.api.errors import BadParameterError
from telemetry_site.clock import from_us, to_us

T = TypeVar("T")
MAX_VALUE = 1024
MAX_PARAMETERS = 100
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(s|m|h|d)?", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_ESCAPES = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


@dataclass(frozen=True)
class Param(Generic[T]):
    """A query parameter: how it is read and how it stands in the OpenAPI schema.

    `parse` raises ValueError with a text for the caller.
    """

    name: str
    parse: Callable[[str], T]
    help: str
    type: Any = OpenApiTypes.STR
    choices: Collection[str] = ()
    required: bool = False

    def read(self, query: QueryDict) -> T | None:
        """None where the parameter is absent. Raises `BadParameterError`."""
        text = query.get(self.name)
        if text is None:
            if self.required:
                raise BadParameterError(self.name, "This parameter is required.")
            return None
        try:
            return self.parse(text)
        except ValueError as error:
            raise BadParameterError(self.name, str(error)) from error

    def openapi(self) -> OpenApiParameter:
        return OpenApiParameter(
            self.name,
            self.type,
            description=self.help,
            enum=sorted(self.choices) or None,
            required=self.required,
        )


def check_query(query: QueryDict, names: Collection[str], prefixes: Collection[str] = ()) -> None:
    """Raise `BadParameterError` for what is unknown, repeated, empty, too long or holds a NUL."""
    if len(query) > MAX_PARAMETERS:
        raise BadParameterError("", f"{len(query)} parameters, at most {MAX_PARAMETERS} are read.")
    for name, values in query.lists():
        if name not in names and not any(_has_prefix(name, prefix) for prefix in prefixes):
            known = ", ".join(sorted([*names, *(f"{prefix}…" for prefix in prefixes)])) or "none"
            raise BadParameterError(shorten(name), f"Unknown parameter. Known here: {known}.")
        if len(values) > 1:
            raise BadParameterError(shorten(name), "The parameter is given more than once.")
        _check_value(shorten(name), values[0])
        if "\x00" in name:
            raise BadParameterError(shorten(name), "The name holds a NUL character.")


def _has_prefix(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and prefix != name and len(name) <= MAX_VALUE


def _check_value(name: str, value: str) -> None:
    if not value:
        raise BadParameterError(name, "The parameter has no value.")
    if len(value) > MAX_VALUE:
        raise BadParameterError(name, f"{len(value)} characters, at most {MAX_VALUE} are read.")
    if "\x00" in value:
        raise BadParameterError(name, "The value holds a NUL character.")


def shorten(text: str) -> str:
    """User's text for use in an error."""
    return text if len(text) <= 80 else f"{text[:80]}…"


#: The last instant that there is a `datetime` for.
END_OF_TIME_US = to_us(datetime.max.replace(tzinfo=UTC))


def moment(text: str, latest_us: int = wire.LATEST_US) -> datetime:
    """ISO 8601 in 1970…2200 (or another end); without a zone it is UTC, without a time midnight."""
    if not _MOMENT.fullmatch(text):
        hint = " A + must be written as %2B in a URL." if re.search(r" \d\d:?\d\d$", text) else ""
        raise ValueError(f"{shorten(text)!r} is not a time like 2026-11-25T12:00:00Z.{hint}")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}.") from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    if not wire.EARLIEST_US <= to_us(found) <= latest_us:
        raise ValueError(f"{text!r} is not in 1970…{(from_us(latest_us)).year}.")
    return found.astimezone(UTC)


def uuid_text(text: str) -> uuid.UUID:
    if not _UUID.fullmatch(text):
        raise ValueError(f"{shorten(text)!r} is not a UUID.")
    return uuid.UUID(text)


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers in [low, high]."""

    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
            raise ValueError(f"{shorten(text)!r} is not a whole number from {low} to {high}.")
        return int(text)

    return parse


def choice(choices: Collection[str]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"{shorten(text)!r} is not one of {', '.join(sorted(choices))}.")
        return text

    return parse


def flag(text: str) -> bool:
    return choice(("true", "false"))(text) == "true"


def duration_us(text: str) -> int:
    """``90``, ``30s``, ``5m``, ``1h``, ``1d`` as microseconds, more than 0."""
    match = _DURATION.fullmatch(text)
    micros = round(float(match[1]) * _SECONDS[match[2] or ""] * 1_000_000) if match else 0
    if not micros:
        raise ValueError(f"{shorten(text)!r} is not a duration like 300, 30s, 5m, 1h or 1d.")
    if micros > wire.LATEST_US:
        raise ValueError(f"{shorten(text)!r} is longer than any samples are apart.")
    return micros


def name_text(text: str) -> str:
    """A name as it is stored: at most 255 characters."""
    if len(text) > wire.MAX_NAME:
        raise ValueError(f"{len(text)} characters, at most {wire.MAX_NAME} are allowed.")
    return text


def like_pattern(text: str) -> str:
    """`*` for any characters, the rest as it stands, as a pattern for LIKE."""
    return name_text(text).translate(_ESCAPES).replace("*", "%")
