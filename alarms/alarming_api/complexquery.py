"""The complex query of alarms and their history, as conditions and orders of querysets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import F, Q
from django.db.models.expressions import OrderBy

from meters.api.params import is_uuid, moment
from meters.store.patterns import fits_empty
from meters.wsme import complexquery as shared
from meters.wsme import values
from meters.wsme.complexquery import AnyOf, Joined, Leaf, Negated, Node, broken
from meters.wsme.errors import bad, cut

LOOKUPS = {"eq": "exact", "lt": "lt", "gt": "gt", "le": "lte", "ge": "gte"}
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
    known = grammar.columns.__contains__
    rules = shared.Grammar(known, known, grammar.scope, grammar.project, "Limit should be positive")
    asked = shared.read_query(body, rules)
    condition = Q() if asked.filter is None else _condition(asked.filter, grammar.columns)
    order = None if asked.order is None else _order(asked.order, grammar.columns)
    return Query(condition, order, asked.limit)


def _condition(node: Node, columns: Mapping[str, Column]) -> Q:
    match node:
        case Joined(how, parts):
            found = [_condition(part, columns) for part in parts]
            return reduce(and_ if how == "and" else or_, found)
        case Negated(part):
            return ~_condition(part, columns)
        case AnyOf(leaves):
            return reduce(or_, [_compared(leaf, columns[leaf.field]) for leaf in leaves], NOTHING)
        case Leaf():
            return _compared(node, columns[node.field])


def _compared(leaf: Leaf, column: Column) -> Q:
    if leaf.operator == "regex":
        return _matching(leaf, column)
    converted = _converted(column, leaf.value, leaf.where)
    if leaf.operator == "ne":
        return ~(NOTHING if converted is None else Q((f"{column.field}__exact", converted)))
    lookup = LOOKUPS[leaf.operator]
    return NOTHING if converted is None else Q((f"{column.field}__{lookup}", converted))


def _matching(leaf: Leaf, column: Column) -> Q:
    if column.kind not in ("text", "rank", "id"):
        raise broken(leaf.where, "can't be compared with =~")
    try:
        fits_empty(str(leaf.value))
    except ValueError as error:
        raise broken(leaf.where, f"is compared with what is no pattern: {error}") from error
    field = f"{column.field}_text" if column.kind == "id" else column.field
    return Q((f"{field}__regex", leaf.value))


def _converted(column: Column, value: Any, where: str) -> Any:
    """None: nothing can be so."""
    if column.kind == "flag":
        try:
            return values.flag(value)
        except values.UnreadableError as error:
            raise broken(where, str(error)) from error
    if column.kind == "time":
        try:
            return moment(values.text(where, value))
        except ValueError as error:
            raise bad(f"Failed to parse the timestamp value {cut(str(value))}") from error
    if column.kind == "id":
        return value if is_uuid(str(value)) else None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # aodhclient makes 12.0 of every 12
    return str(value).lower() if isinstance(value, bool) else str(value)


def _order(asked: Sequence[tuple[str, bool]], columns: Mapping[str, Column]) -> list[OrderBy]:
    return [
        OrderBy(F(columns[field].rank or columns[field].field), descending=descending)
        for field, descending in asked
    ]
