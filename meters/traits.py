"""Conditions on the traits of events, for whichever page or API asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Func, JSONField, Q, TextField, Value
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
    Lookup,
)

from meters.api import params
from meters.queries import extract

#: Traits by which services name what an event is about; all of them are in the index of traits.
RESOURCE_TRAITS = (
    "resource_id", "instance_id", "volume_id", "image_id", "snapshot_id", "share_id", "pool_id",
    "host",
)  # fmt: skip
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,39})(?:\.\d{1,40})?(?:[eE][+-]?\d{1,3})?", re.ASCII)

#: `ne` also finds events that have the trait with a value of another type.
TRAIT_OPERATORS: dict[str, type[Lookup[Any]] | None] = {
    "eq": None,
    "ne": None,
    "lt": LessThan,
    "le": LessThanOrEqual,
    "gt": GreaterThan,
    "ge": GreaterThanOrEqual,
    "lte": LessThanOrEqual,
    "gte": GreaterThanOrEqual,
}


def trait_condition(trait: str, operator: str, value: str) -> Q:
    """One condition on a trait. What the value can be read as decides which types it meets:

    a number meets numbers, a time meets datetimes, and any text meets text; a trait of another
    type never meets, whatever the operator.
    """
    lookup = TRAIT_OPERATORS[operator]
    if lookup is None:
        equal = _any(Q(traits__contains={trait: one}) for one in _readings(value))
        return equal if operator == "eq" else Q(traits__has_key=trait) & ~equal
    stored = extract("traits", trait)
    kind = Func(stored, function="jsonb_typeof", output_field=TextField())
    return _any(
        Q(Exact(kind, Value("string" if isinstance(one, str) else "number")))
        & Q(lookup(stored, Value(one, JSONField())))
        for one in _readings(value)[-1:]
    )


def _readings(value: str) -> list[str | int | float]:
    """The value as text, and as the number or time that it can be read as; the best one last."""
    readings: list[str | int | float] = [value]
    if _NUMBER.fullmatch(value):
        readings.append(float(value) if re.search(r"[.eE]", value) else int(value))
        return [one for one in readings if one not in (float("inf"), float("-inf"))]
    try:
        readings.append(_as_stored(params.moment(value)))
    except ValueError:
        return readings
    return readings


def _as_stored(moment: datetime) -> str:
    """A datetime trait as the store writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def about(resource_id: str) -> Q:
    """Events whose traits name the resource, whatever their service calls it."""
    return _any(Q(traits__contains={name: resource_id}) for name in RESOURCE_TRAITS)


def _any(conditions: Iterable[Q]) -> Q:
    found = Q()
    for condition in conditions:
        found |= condition
    return found
