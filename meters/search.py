"""The JSON search over resources (metric-api.md 15.1) as a condition of the database.

``{"and": [{"=": {"project_id": "p1"}}, {"like": {"display_name": "web-%"}}]}``; ``{}`` finds all.
An attribute is a column of the resource (`id`, `original_resource_id`, `type`, `project_id`,
`user_id`, `creator`, `started_at`, `ended_at`), or else a key of its metadata, where dots go
deeper. As in the original, ``!=`` finds rows without the attribute too, and ``not`` does not.
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any
from uuid import UUID

from django.db.models import F, Func, JSONField, Q, TextField, Value
from django.db.models.functions import Cast, Coalesce
from django.db.models.lookups import (
    Exact,
    GreaterThan,
    GreaterThanOrEqual,
    IsNull,
    LessThan,
    LessThanOrEqual,
    Lookup,
)
from django.utils.dateparse import parse_datetime

from meters.queries import Like, extract

MAX_DEPTH = 16
MAX_TERMS = 1000
MAX_LENGTH = 65_536
MAX_STEPS = 8

#: Other names of the operators.
ALIASES: dict[str, str] = {
    "==": "=", "eq": "=", "≠": "!=", "ne": "!=", "lt": "<", "≤": "<=", "le": "<=",
    "gt": ">", "≥": ">=", "ge": ">=", "∧": "and", "∨": "or",
}  # fmt: skip
ORDER: dict[str, type[Lookup[Any]]] = {
    "<": LessThan, "<=": LessThanOrEqual, ">": GreaterThan, ">=": GreaterThanOrEqual,
}  # fmt: skip
_COLUMNS = {
    "id": "uuid", "original_resource_id": "original_id", "type": "type", "creator": "creator",
    "project_id": "project_id", "user_id": "user_id", "started_at": "started_at",
    "ended_at": "ended_at",
}  # fmt: skip
_TIMES = ("started_at", "ended_at")


class SearchError(ValueError):
    """A search that can't be understood; the text says where and why."""


def parse_search(text: str) -> Q:
    """The condition on `Resource` rows. Raises `SearchError`."""
    if len(text) > MAX_LENGTH:
        raise SearchError(f"is longer than {MAX_LENGTH} characters")
    try:
        search = json.loads(text, parse_constant=_no_constant)
        json.dumps(search, ensure_ascii=False).encode()  # no half of a surrogate pair
    except (ValueError, RecursionError) as error:
        raise SearchError(f"is not JSON: {error}") from error
    return _Reader().read(search, "search", MAX_DEPTH)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


class _Reader:
    """Counts the terms while it goes down."""

    def __init__(self) -> None:
        self.terms = 0

    def read(self, search: Any, where: str, depth: int) -> Q:
        if not isinstance(search, dict):
            raise SearchError(f'{where} must be an object like {{"=": {{"type": "host"}}}}')
        if not search:
            return Q()
        if len(search) > 1:
            raise SearchError(f"{where} must have one operator, not {', '.join(sorted(search))}")
        self.terms += 1
        if depth < 1 or self.terms > MAX_TERMS:
            raise SearchError(f"goes deeper than {MAX_DEPTH} or has more than {MAX_TERMS} terms")
        [(name, operand)] = search.items()
        operator = ALIASES.get(str(name), str(name))
        where = f"{where}.{name}"
        if operator in ("and", "or"):
            return self._combine(operator, operand, where, depth - 1)
        if operator == "not":
            return ~self.read(operand, where, depth - 1)
        return _condition(operator, operand, where)

    def _combine(self, operator: str, operands: Any, where: str, depth: int) -> Q:
        if not isinstance(operands, list) or not operands:
            raise SearchError(f"{where} must be a list of searches")
        found = [self.read(one, f"{where}[{no}]", depth) for no, one in enumerate(operands)]
        result = found[0]
        for one in found[1:]:
            result = result & one if operator == "and" else result | one
        return result


def _condition(operator: str, operand: Any, where: str) -> Q:
    if not isinstance(operand, dict) or len(operand) != 1:
        raise SearchError(f"{where} must be an object with one attribute")
    name, value = next(iter(operand.items()))
    where = f"{where}.{name}"
    if "\0" in name or not 0 < len(name) <= 255:
        raise SearchError(f"{where} is no name of an attribute")
    if operator == "in":
        if not isinstance(value, list) or not value:
            raise SearchError(f"{where} must be a list of values")
        return _any_of([_compare("=", name, one, where) for one in value])
    if operator == "like":
        return Q(Like(_as_text(name, where), Value(_pattern(value, where))))
    if operator not in ("=", "!=", *ORDER):
        raise SearchError(f"{where.rsplit('.', 1)[0]} is no operator")
    return _compare(operator, name, value, where)


def _any_of(conditions: list[Q]) -> Q:
    found = conditions[0]
    for one in conditions[1:]:
        found |= one
    return found


def _pattern(value: Any, where: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise SearchError(f"{where} must be a text with % for any characters")
    return value


def _compare(operator: str, name: str, value: Any, where: str) -> Q:
    if not isinstance(value, str | int | float | bool | None):
        raise SearchError(f"{where} must be a text, a number, true, false or null")
    if isinstance(value, str) and "\0" in value:
        raise SearchError(f"{where} holds a NUL character")
    if value is None:
        return _compare_null(operator, name, where)
    if operator in ORDER:
        return _compare_order(ORDER[operator], name, value, where)
    left = F(_COLUMNS[name]) if name in _COLUMNS else _as_text(name, where)
    right = Value(_as_column(name, value, where) if name in _COLUMNS else _json_text(value))
    equal = Q(Exact(left, right))
    return equal if operator == "=" else ~equal | Q(IsNull(left, True))


def _compare_null(operator: str, name: str, where: str) -> Q:
    if operator not in ("=", "!="):
        raise SearchError(f"{where} can't be compared with null but by = and !=")
    return Q(IsNull(_as_text(name, where), operator == "="))


def _compare_order(lookup: type[Lookup[Any]], name: str, value: Any, where: str) -> Q:
    """Metadata of another type than the value is neither above nor below it."""
    if name in _COLUMNS:
        return Q(lookup(F(_COLUMNS[name]), Value(_as_column(name, value, where))))
    stored = _metadata(name, where)
    kind = Func(stored, function="jsonb_typeof", output_field=TextField())
    same_kind = Exact(kind, Value("string" if isinstance(value, str) else "number"))
    return Q(same_kind) & Q(lookup(stored, Value(value, JSONField())))


def _as_column(name: str, value: Any, where: str) -> Any:
    """The value as the column has it."""
    text = str(value)
    if name == "id":
        return _uuid(text, where)
    if name not in _TIMES:
        return text
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None:
        raise SearchError(f"{where} must be a time like 2026-11-25T10:00:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _uuid(text: str, where: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SearchError(f"{where} must be a UUID; by original_resource_id any id is") from None


def _as_text(name: str, where: str) -> Any:
    """The attribute as text; null where it is absent."""
    if name in _COLUMNS:
        return Cast(F(_COLUMNS[name]), TextField())
    return _metadata(name, where, text=True)


def _metadata(name: str, where: str, text: bool = False) -> Func:
    """The key `a.b`, or else `b` inside `a`."""
    path = name.split(".")
    if len(path) > MAX_STEPS:
        raise SearchError(f"{where} has more than {MAX_STEPS} steps")
    whole = extract("metadata", name, text=text)
    return whole if len(path) == 1 else Coalesce(whole, extract("metadata", *path, text=text))


def _json_text(value: str | float | bool) -> str:
    """How a JSON scalar reads as text in the database."""
    return value if isinstance(value, str) else json.dumps(value)
