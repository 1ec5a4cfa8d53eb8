"""The five types that a resource type's attributes have (metric-api.md 12).

What is stored of an attribute is JSON of one kind for each type. Anything else under its name, as
an agent's metadata may have it, is no value of the attribute: as good as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import voluptuous as vol

from meters.metric_api import times
from meters.operations.literals import number_of
from telemetry_site.clock import from_us

LONGEST_STRING = 256
_NUL = "\x00"

#: Makes what is stored of what a client sends. Raises voluptuous' errors.
Check = Callable[[Any], Any]
Options = Mapping[str, Any]


class AttributeType(NamedTuple):
    """`options` is the schema of a definition's own keys; `low` and `high` name its range.

    `check` makes the check of a definition. `read` is how searches take a value, in any form that
    can be meant for the type; it raises `ValueError`. `json_kind` is the database's word for the
    JSON that is stored.
    """

    json_kind: str
    check: Callable[[Options], Check]
    read: Callable[[Any], Any]
    options: dict[Any, Any] = {}
    low: str = ""
    high: str = ""


def as_text(value: object) -> str:
    """Raises `ValueError` of what the database can't hold."""
    text = str(value)
    if _NUL in text or text.encode(errors="replace").decode() != text:
        raise ValueError("no text")
    return text


def as_number(value: object) -> float:
    number = float(value) if isinstance(value, bool) else number_of(value)
    if number is None:
        raise ValueError("no number")
    return number


def as_flag(value: object) -> bool:
    if value not in (0, 1):
        raise ValueError("no truth value")
    return bool(value)


def as_moment(value: object) -> str:
    """UTC and of one length up to the seconds, so that texts compare as the moments do."""
    return times.text_of(from_us(times.to_us(value)))


def as_uuid(value: object) -> str:
    return str(UUID(str(value)))


def _string(options: Options) -> Check:
    length = vol.Length(min=options["min_length"], max=options["max_length"])

    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise vol.TypeInvalid("expected str")
        try:
            return str(length(as_text(value)))
        except ValueError as error:
            raise vol.ValueInvalid("not a valid value") from error

    return check


def _number(options: Options) -> Check:
    within = vol.Range(min=options["min"], max=options["max"])

    def check(value: Any) -> int | float:
        plain = int(value) if isinstance(value, bool) else value
        if isinstance(plain, str) or number_of(plain) is None:
            raise vol.TypeInvalid("expected Real")
        number: int | float = within(plain)
        return number

    return check


def _flag(options: Options) -> Check:
    def check(value: Any) -> bool:
        if not isinstance(value, bool):
            raise vol.TypeInvalid("expected bool")
        return value

    return check


def _moment(options: Options) -> Check:
    def check(value: Any) -> str:
        try:
            return as_moment(value)
        except times.TimeError as error:
            raise vol.Invalid(str(error)) from error

    return check


def _uuid(options: Options) -> Check:
    def check(value: Any) -> str:
        try:
            return as_uuid(value)
        except ValueError as error:
            raise vol.Invalid("badly formed hexadecimal UUID string") from error

    return check


def _length(least: int) -> Check:
    return vol.All(_whole, vol.Range(min=least, max=LONGEST_STRING))


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise vol.TypeInvalid("expected int")
    return value


def _bound(value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, str | bool) or number_of(value) is None:
        raise vol.TypeInvalid("expected Real")
    bound: int | float = value
    return bound


TYPES: dict[str, AttributeType] = {
    "string": AttributeType(
        "string", _string, as_text,
        {
            vol.Optional("min_length", default=0): _length(0),
            vol.Optional("max_length", default=LONGEST_STRING): _length(1),
        },
        low="min_length", high="max_length",
    ),
    "uuid": AttributeType("string", _uuid, as_uuid),
    "number": AttributeType(
        "number", _number, as_number,
        {vol.Optional("min", default=None): _bound, vol.Optional("max", default=None): _bound},
        low="min", high="max",
    ),
    "bool": AttributeType("boolean", _flag, as_flag),
    "datetime": AttributeType("string", _moment, as_moment),
}  # fmt: skip
