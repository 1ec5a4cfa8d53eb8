"""The complex query: a filter and an order, each a text that holds JSON (alarms.md 1.8).

``{"and": [{"=": {"state": "ok"}}, {"not": {"in": {"name": ["a", "b"]}}}]}``
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.db.models.expressions import OrderBy

from alarms.alarming_api import wsme
from alarms.alarming_api.errors import Fault, bad, cut, foreign, invalid
from meters.api.bodies import check_depth
from meters.api.errors import InvalidBodyError
from meters.api.params import is_uuid, moment

#: aodh's, and the words that aodhclient's own expressions may hold.
LOOKUPS = {
    "=": "exact", "==": "exact", "eq": "exact", "<": "lt", "lt": "lt", ">": "gt", "gt": "gt",
    "<=": "lte", "=<": "lte", "le": "lte", ">=": "gte", "=>": "gte", "ge": "gte", "=~": "regex",
}  # fmt: skip
UNEQUAL = ("!=", "ne")
MAX_TERMS = 1000
MAX_PATTERN = 1000
NAMES = ("filter", "orderby", "limit")
NOTHING = Q(pk__in=[])


@dataclass(frozen=True)
class Column:
    """`field` is the queryset's; `kind` is text, flag, time, id or rank (a text with an order of
    its own: `field` holds the text, `rank` its place)."""

    field: str
    kind: str = "text"
    rank: str = ""


@dataclass(frozen=True)
class Grammar:
    """What may be asked for. Values of `scope` other than `project` (None: any) are refused."""

    columns: Mapping[str, Column]
    scope: tuple[str, ...]
    project: str | None


@dataclass(frozen=True)
class Query:
    condition: Q
    order: list[OrderBy] | None
    limit: int | None


def read_query(body: Mapping[str, Any], grammar: Grammar) -> Query:
    """Raises `Fault`."""
    wsme.check_known(body, NAMES, "body")
    condition = Q()
    if body.get("filter") is not None:
        expression = _json("Filter", wsme.text("filter", body["filter"]))
        condition = _Reader(grammar).read(expression, "filter")
    order = None
    if body.get("orderby") is not None:
        expression = _json("Order-by", wsme.text("orderby", body["orderby"]))
        order = _order(expression, grammar)
    return Query(condition, order, _limit(body))


def _limit(body: Mapping[str, Any]) -> int | None:
    value = body.get("limit")
    if value is None:
        return None
    try:
        limit = int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid("limit", value, "It must be a whole number.") from error
    if limit <= 0:
        raise bad("Limit should be positive")
    return min(limit, 2**31 - 1)


def _json(what: str, text: str) -> Any:
    try:
        check_depth(text.encode())
        return json.loads(text)
    except (ValueError, RecursionError, InvalidBodyError) as error:
        raise bad(f"{what} expression not valid: {error}") from error


def _broken(where: str, words: str) -> Fault:
    return bad(f"Filter expression not valid: {cut(where)} {words}")


class _Reader:
    """Counts the terms while it goes down."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.terms = 0

    def read(self, node: Any, where: str) -> Q:
        name, operand = self._single(node, where, "must be an object with one operator")
        self.terms += 1
        if self.terms > MAX_TERMS:
            raise _broken("filter", f"has more than {MAX_TERMS} terms")
        operator = name.lower()
        where = f"{where}.{name}"
        if operator in ("and", "or"):
            return self._joined(operator, operand, where)
        if operator == "not":
            return ~self.read(operand, where)
        field, value = self._single(operand, where, "must be an object with one field")
        column = self._column(field, where)
        if operator == "in":
            return self._any_of(field, column, value, f"{where}.{field}")
        self._check_scope(field, value)
        return self._compared(operator, column, value, f"{where}.{field}")

    def _single(self, node: Any, where: str, words: str) -> tuple[str, Any]:
        if not isinstance(node, dict) or len(node) != 1:
            raise _broken(where, words)
        [(name, value)] = node.items()
        return name, value

    def _joined(self, operator: str, operands: Any, where: str) -> Q:
        if not isinstance(operands, list) or len(operands) < 2:
            raise _broken(where, "must be a list of two conditions or more")
        parts = [self.read(part, f"{where}[{place}]") for place, part in enumerate(operands)]
        found = parts[0]
        for part in parts[1:]:
            found = found & part if operator == "and" else found | part
        return found

    def _any_of(self, field: str, column: Column, values: Any, where: str) -> Q:
        if not isinstance(values, list) or not values:
            raise _broken(where, "must be a list of texts or numbers")
        found = NOTHING
        for value in values:
            if isinstance(value, bool):
                raise _broken(where, "must be a list of texts or numbers")
            self._check_scope(field, value)
            found |= self._compared("=", column, value, where)
        return found

    def _column(self, field: str, where: str) -> Column:
        if field not in self.grammar.columns:
            raise _broken(f"{where}.{field}", "is no field that can be asked for")
        return self.grammar.columns[field]

    def _check_scope(self, field: str, value: Any) -> None:
        own = self.grammar.project
        if own is not None and field in self.grammar.scope and value != own:
            raise foreign("project", str(value))

    def _compared(self, operator: str, column: Column, value: Any, where: str) -> Q:
        if isinstance(value, str) and "\0" in value:
            raise _broken(where, "holds a NUL character")
        if not isinstance(value, str | int | float):
            raise _broken(where, "must be compared with a text, a number, true or false")
        if operator in UNEQUAL:
            return ~self._compared("=", column, value, where)
        if operator not in LOOKUPS:
            raise _broken(where, f"has an unknown operator {cut(operator)!r}")
        lookup = LOOKUPS[operator]
        if lookup == "regex":
            return _matching(column, value, where)
        converted = _converted(column, value, where)
        return NOTHING if converted is None else Q((f"{column.field}__{lookup}", converted))


def _matching(column: Column, value: Any, where: str) -> Q:
    if column.kind not in ("text", "rank", "id") or not isinstance(value, str):
        raise _broken(where, "can't be compared with =~")
    if len(value) > MAX_PATTERN:
        raise _broken(where, f"has a pattern longer than {MAX_PATTERN} characters")
    field = f"{column.field}_text" if column.kind == "id" else column.field
    return Q((f"{field}__regex", value))


def _converted(column: Column, value: Any, where: str) -> Any:
    """None: nothing can be so."""
    if column.kind == "flag":
        try:
            return wsme.flag(value)
        except wsme.UnreadableError as error:
            raise _broken(where, str(error)) from error
    if column.kind == "time":
        try:
            return moment(wsme.text(where, value))
        except ValueError as error:
            raise bad(f"Failed to parse the timestamp value {cut(str(value))}") from error
    if column.kind == "id":
        return value if is_uuid(str(value)) else None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # aodhclient makes 12.0 of every 12
    return str(value).lower() if isinstance(value, bool) else str(value)


def _order(expression: Any, grammar: Grammar) -> list[OrderBy]:
    if not isinstance(expression, list) or len(expression) > 100:
        raise bad("Order-by expression not valid: it must be a list of objects with one field")
    return [_order_by(one, grammar) for one in expression]


def _order_by(one: Any, grammar: Grammar) -> OrderBy:
    if not isinstance(one, dict) or len(one) != 1:
        raise bad(f"Order-by expression not valid: {cut(str(one))} is no object with one field")
    [(field, direction)] = one.items()
    if field not in grammar.columns:
        raise bad(f"Order-by expression not valid: {cut(field)} is no field to order by")
    if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
        raise bad(f"Order-by expression not valid: {cut(str(direction))} is neither asc nor desc")
    column = grammar.columns[field]
    return OrderBy(F(column.rank or column.field), descending=direction.lower() == "desc")
