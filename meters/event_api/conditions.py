"""The simple query of events: conditions on themselves and on their traits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.db.models import JSONField, Lookup, Q, Value
from django.db.models.lookups import (
    GreaterThan,
    GreaterThanOrEqual,
    LessThan,
    LessThanOrEqual,
)

from meters.api.params import moment
from meters.event_api.paging import Span
from meters.event_api.shapes import STORED
from meters.queries import extract
from meters.wsme import simple
from meters.wsme.errors import bad, cut, invalid
from meters.wsme.simple import Term
from meters.wsme.typed import converted
from meters.wsme.values import MISSING

OPERATORS = ("lt", "le", "eq", "ne", "ge", "gt")
TYPE_NAMES = ("integer", "float", "string", "datetime")
_LOOKUPS: dict[str, type[Lookup[Any]]] = {
    "lt": LessThan, "le": LessThanOrEqual, "ge": GreaterThanOrEqual, "gt": GreaterThan,
}  # fmt: skip
#: field → (the one operator it knows, the condition's name in a queryset).
_OWN = {
    "event_type": ("eq", "event_type"),
    "message_id": ("eq", "message_id"),
    "start_timestamp": ("ge", "generated__gte"),
    "end_timestamp": ("le", "generated__lte"),
}
ALL_TENANTS = "all_tenants"
NOTHING = Q(pk__in=[])

Stored = str | int | float


def condition(terms: Sequence[Term]) -> Q:
    """Of all terms but `all_tenants`. Raises `Fault`."""
    found = Q()
    for term in terms:
        if not term.value:
            raise invalid("value", term.value, MISSING)
        if term.op not in OPERATORS:
            raise bad(
                f"Operator {cut(term.op)} is not supported. The supported operators are: "
                f"{OPERATORS}"
            )
        simple.check_type(term, TYPE_NAMES)
        found &= _own(term) if term.field in _OWN else _of_trait(term)
    return found


def span_of_traits(terms: Sequence[Term]) -> Span | None:
    """The time that is asked for, where traits are. The terms have passed `condition`."""
    if all(term.field in _OWN for term in terms):
        return None
    starts, stops = (
        [simple.moment_of(term) for term in terms if term.field == name]
        for name in ("start_timestamp", "end_timestamp")
    )
    return Span(max(starts, default=None), min(stops, default=None))


def _own(term: Term) -> Q:
    operator, lookup = _OWN[term.field]
    if term.op != operator:
        raise bad(
            f"Operator {term.op} is not supported. Only `{operator}' operator is available for "
            f"field {term.field}"
        )
    if lookup.startswith("generated"):
        return Q((lookup, simple.moment_of(term)))
    return Q((lookup, term.value))


def _of_trait(term: Term) -> Q:
    """Of events that have the trait, of this type: without one, of any that can read the value."""
    found = NOTHING
    for kind, value in _readings(term):
        of_type = Q(trait_types__contains={term.field: kind})
        found |= of_type & _compared(term.field, term.op, value)
    return found


def _readings(term: Term) -> Iterator[tuple[str, Stored]]:
    """(type as it is stored, value). Raises `Fault` for a value that is not of the type said."""
    if term.type:
        value = simple.value_of(term, term.type, TYPE_NAMES)
        found = _stored(value)
        if found != found or found in (float("inf"), float("-inf")):
            words = f"Unable to convert the value {term.value} to the expected data type float."
            raise bad(words)
        yield STORED[term.type], found
        return
    yield "text", term.value
    readers: dict[str, Callable[[str], Any]] = {
        "int": lambda text: converted(text, "integer"),
        "float": lambda text: converted(text, "float"),
        "datetime": moment,
    }
    for kind, reader in readers.items():
        with suppress(ValueError):
            value = _stored(reader(term.value))
            if value not in (float("inf"), float("-inf")):
                yield kind, value


def _stored(value: Any) -> Stored:
    """A time as the store writes it: text whose order is the order of time."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    found: Stored = value
    return found


def _compared(trait: str, operator: str, value: Stored) -> Q:
    """Values of one type are compared as JSON, which orders numbers and texts as such."""
    if operator == "eq":
        return Q(traits__contains={trait: value})
    if operator == "ne":
        return ~Q(traits__contains={trait: value})
    return Q(_LOOKUPS[operator](extract("traits", trait), Value(value, JSONField())))
