"""The fields that rules are made of, with aodh's bounds (alarms.md 1.5)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from alarms.errors import DefinitionError
from meters.aggregation import every_method, is_method
from meters.api.names import unstorable

Comparison = Literal["lt", "le", "eq", "ne", "ge", "gt"]
Statistic = Literal["max", "min", "avg", "sum", "count"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
Names = Annotated[list[Name], msgspec.Meta(min_length=1, max_length=1000)]
Text = Annotated[str, msgspec.Meta(max_length=65_536)]
Periods = Annotated[int, msgspec.Meta(ge=1, le=100)]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=31_536_000)]

_WHERE = re.compile(r" - at `\$\.?(.*)`$")


def definition_error(within: str, text: str) -> DefinitionError:
    """msgspec's ``Expected `float`, got `str` - at `$.threshold```, by field."""
    where = _WHERE.search(text)
    missing = re.search(r"(?:required|unknown) field `(\w+)`", text)
    field = where[1] if where else missing[1] if missing else ""
    return DefinitionError(f"{within}.{field}".rstrip("."), _WHERE.sub("", text))


def check_number(name: str, value: float) -> None:
    if not abs(value) < float("inf"):
        raise DefinitionError(f"rule.{name}", "must be a finite number")


def check_text(name: str, value: str) -> None:
    """What PostgreSQL can store."""
    if flaw := unstorable(value):
        raise DefinitionError(f"rule.{name}", flaw)


def check_method(name: str) -> None:
    if not is_method(name):
        raise DefinitionError(
            "rule.aggregation_method",
            "must be mean, min, max, sum, count, first, last, std, median or 1pct … 99pct, "
            f"or one of them after rate:, not {name!r}",
            f"aggregation_method should be in {every_method()} not {name}",
        )
