"""Which events a page shows: the filter, which is its URL."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import BadRequest
from django.db.models import (
    DateTimeField,
    ExpressionWrapper,
    F,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast
from django.http import HttpRequest

from meters.api.params import like_pattern
from meters.models import Event
from meters.queries import Like
from meters.traits import about, trait_condition
from meters.ui import query

RANGES = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
#: What stands in the URL → what people read.
OPERATORS = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥"}
MOST_CONDITIONS = 8


@dataclass(frozen=True)
class Condition:
    """On a trait. Without a value: it is there; without a trait: any one holds the text."""

    trait: str = ""
    operator: str = "eq"
    value: str = ""

    def among(self, rows: QuerySet[Event]) -> QuerySet[Event]:
        if self.trait and self.value:
            return rows.filter(trait_condition(self.trait, self.operator, self.value))
        if self.trait:
            return rows.filter(traits__has_key=self.trait)
        as_text = rows.alias(traits_text=Cast("traits", TextField()))
        written = json.dumps(self.value, ensure_ascii=False)[1:-1]
        return as_text.filter(traits_text__icontains=written)


@dataclass(frozen=True)
class EventQuery:
    """`type` is the beginning of a type, or with `*` in it a pattern of whole ones."""

    type: str
    resource: str
    range: str
    start: datetime | None
    stop: datetime | None
    conditions: tuple[Condition, ...]

    @property
    def filters(self) -> bool:
        return any((self.type, self.resource, self.range, self.start, self.stop, self.conditions))

    def among(self, rows: QuerySet[Event], now: datetime) -> QuerySet[Event]:
        if self.resource:
            rows = rows.filter(about(self.resource))
        if self.type:
            rows = rows.filter(_of_type(self.type))
        if self.range:
            rows = rows.filter(generated__gte=now - RANGES[self.range])
        if self.start:
            rows = rows.filter(generated__gte=self.start)
        if self.stop:
            rows = rows.filter(generated__lt=self.stop)
        for condition in self.conditions:
            rows = condition.among(rows)
        return rows


def newest_about(rows: QuerySet[Event], resource_id: str, count: int) -> list[Event]:
    """The newest events about a resource.

    Ordered by an expression: by the column itself PostgreSQL would go through all events from the
    newest on, which takes long for a resource that has few.
    """
    newest = ExpressionWrapper(F("generated") + timedelta(0), DateTimeField())
    return list(rows.filter(about(resource_id)).order_by(newest.desc())[:count])


def _of_type(text: str) -> Q:
    if "*" not in text:
        return Q(event_type__startswith=text)
    return Q(Like(F("event_type"), Value(like_pattern(text))))


def read(request: HttpRequest) -> EventQuery:
    """`BadRequest` names what can't be understood."""
    start, stop = query.moment(request, "start"), query.moment(request, "stop")
    if start and stop and start >= stop:
        raise BadRequest("stop: must be after start")
    kind = query.text(request, "type")
    if not kind.isprintable():
        raise BadRequest("type: holds a control character")
    return EventQuery(
        kind,
        query.text(request, "resource"),
        query.choice(request, "range", ["", *RANGES]),
        start,
        stop,
        _conditions(request),
    )


def _conditions(request: HttpRequest) -> tuple[Condition, ...]:
    """The first `trait`, `op` and `value` are one condition, the second ones the next, …"""
    traits, values = query.texts(request, "trait"), query.texts(request, "value")
    operators = query.texts(request, "op")
    count = max(len(traits), len(values), len(operators))
    if count > MOST_CONDITIONS + 1:  # the form has an empty one below
        raise BadRequest(f"trait: {count} conditions, at most {MOST_CONDITIONS} are allowed")
    padded = (column + [""] * (count - len(column)) for column in (traits, operators, values))
    rows = zip(*padded, strict=True)
    return tuple(_condition(*row) for row in rows if row[0] or row[2])


def _condition(trait: str, operator: str, value: str) -> Condition:
    operator = operator or "eq"
    if operator not in OPERATORS:
        raise BadRequest(f"op: {operator!r} is not one of {', '.join(OPERATORS)}")
    if not trait and operator != "eq":
        raise BadRequest(f"trait: which one is to be {OPERATORS[operator]} {value}?")
    return Condition(trait, operator, value)
