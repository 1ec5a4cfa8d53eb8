"""What a search compares: columns of resources, and attributes of their type in the metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Func, JSONField, Q, TextField, Value
from django.db.models.functions import Coalesce, Concat, StrIndex, Substr
from django.db.models.lookups import Exact, In, IsNull, Lookup

from meters.attribute_types import TYPES, AttributeType, as_text
from meters.metric_api import times
from meters.models import ResourceType
from meters.queries import Like, extract, revision_end
from meters.timespans import timespan_us
from telemetry_site.clock import from_us


@dataclass(frozen=True)
class Operand:
    """One attribute of the rows.

    `read` makes what it is compared with of a client's value, or raises `ValueError`. `present`
    is never null. The others may be null or false where nothing is present.
    """

    read: Callable[[Any], Any]
    present: Q
    equals_one_of: Callable[[list[Any]], Q]
    #: What `<` and the like work on; None of what has no order.
    ordered: Any = None
    #: What `like` works on; None of what is no text.
    text: Any = None
    #: What makes the database see a value as `ordered` is.
    as_ordered: Callable[[Any], Value] = Value

    def compares(self, lookup: type[Lookup[Any]], value: Any) -> Q:
        if self.ordered is None:
            raise ValueError("has no order")
        return Q(lookup(self.ordered, self.as_ordered(value)))

    def matches(self, pattern: Any) -> Q:
        if self.text is None:
            raise ValueError("is no text")
        return Q(Like(self.text, Value(_pattern(pattern))))


def _pattern(value: Any) -> str:
    """PostgreSQL refuses a pattern that ends in the middle of an escape."""
    pattern = as_text(value)
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise ValueError("ends with an escape")
    return pattern


# --- columns -----------------------------------------------------------------------------------


def _column(expression: Any, read: Callable[[Any], Any], **more: Any) -> Operand:
    def equals_one_of(values: list[Any]) -> Q:
        return Q(In(expression, values))

    present = Q(IsNull(expression, False))
    return Operand(read, present, equals_one_of, **{"ordered": expression, **more})


def _text(expression: Any) -> Operand:
    return _column(expression, as_text, text=expression)


def _moment(value: Any) -> datetime:
    return from_us(times.to_us(value))


def _span(value: Any) -> timedelta:
    return timedelta(microseconds=timespan_us(value))


def _columns(rows: Mapping[str, Any]) -> dict[str, Operand]:
    """Of rows whose fields are these."""
    creator = rows["creator"]
    user = Func(creator, Value(":"), Value(1), function="split_part", output_field=TextField())
    colon = StrIndex(Concat(creator, Value(":")), Value(":"))
    project = Substr(creator, colon + Value(1))
    found = {name: _text(expression) for name, expression in rows.items()}
    found |= {name: _column(rows[name], _moment) for name in _TIMES if name in rows}
    return found | {
        "id": _column(rows["id"], _as_it_is),
        "created_by_user_id": _column(user, as_text, ordered=None, text=user),
        "created_by_project_id": _column(project, as_text, ordered=None, text=project),
        "lifespan": _column(rows["ended_at"] - rows["started_at"], _span),
    }


def _as_it_is(value: Any) -> Any:
    return value


_TIMES = ("started_at", "ended_at", "revision_start", "revision_end")
_RESOURCE = {
    "id": F("uuid"), "type": F("type"), "creator": F("creator"),
    "original_resource_id": F("original_id"), "project_id": F("project_id"),
    "user_id": F("user_id"), "started_at": F("started_at"), "ended_at": F("ended_at"),
    "revision_start": F("revision_start"),
}  # fmt: skip
_REVISION = {
    **_RESOURCE,
    "id": F("resource__uuid"),
    "creator": F("resource__creator"),
    "original_resource_id": F("resource__original_id"),
    "started_at": Coalesce("started_at", "resource__started_at"),
    "revision_start": F("valid_from"),
    "revision_end": revision_end(),
}
RESOURCE_COLUMNS = _columns(_RESOURCE)
REVISION_COLUMNS = _columns(_REVISION)


# --- attributes of the type ---------------------------------------------------------------------


def attributes_of(kind: ResourceType) -> dict[str, Operand]:
    return {
        name: _attribute(name, TYPES[definition["type"]])
        for name, definition in kind.attributes.items()
    }


def _attribute(name: str, kind: AttributeType) -> Operand:
    """Equality is containment, for the sake of an index on the metadata."""
    stored = extract("metadata", name)
    json_kind = Func(stored, function="jsonb_typeof", output_field=TextField())
    present = Q(Exact(Coalesce(json_kind, Value("", TextField())), Value(kind.json_kind)))

    def equals_one_of(values: list[Any]) -> Q:
        held = [Q(metadata__contains={name: value}) for value in values]
        return Q(*held, _connector=Q.OR)

    if kind.json_kind == "string":
        text = extract("metadata", name, text=True)
        likeable = text if kind is TYPES["string"] else None
        return Operand(kind.read, present, equals_one_of, text, likeable)
    return Operand(kind.read, present, equals_one_of, stored, as_ordered=_json)


def _json(value: Any) -> Value:
    return Value(value, JSONField())
