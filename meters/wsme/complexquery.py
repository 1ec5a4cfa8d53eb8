"""The complex query: a filter and an order, each a text that holds JSON.

``{"and": [{"=": {"state": "ok"}}, {"not": {"in": {"name": ["a", "b"]}}}]}``

Read here into a tree; what a leaf means, the door says that asks.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from meters.api.bodies import check_depth
from meters.api.errors import InvalidBodyError
from meters.api.names import unstorable
from meters.wsme import values
from meters.wsme.errors import Fault, bad, cut, foreign, invalid

Operator = Literal["eq", "ne", "lt", "gt", "le", "ge", "regex"]
Scalar = str | int | float | bool
#: The originals', and the words that aodhclient's own expressions may hold.
OPERATORS: dict[str, Operator] = {
    "=": "eq", "==": "eq", "eq": "eq", "!=": "ne", "ne": "ne", "<": "lt", "lt": "lt", ">": "gt",
    "gt": "gt", "<=": "le", "=<": "le", "le": "le", ">=": "ge", "=>": "ge", "ge": "ge",
    "=~": "regex",
}  # fmt: skip
MAX_TERMS = 1000
MAX_PATTERN = 1000
#: Each may take as long as one may.
MAX_PATTERNS = 20
NAMES = ("filter", "orderby", "limit")


@dataclass(frozen=True)
class Joined:
    how: Literal["and", "or"]
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Negated:
    part: Node


@dataclass(frozen=True)
class Leaf:
    """One comparison; `where` is its place in the filter, for sentences about it."""

    field: str
    operator: Operator
    value: Scalar
    where: str


@dataclass(frozen=True)
class AnyOf:
    """Equal to one of the leaves' values."""

    leaves: tuple[Leaf, ...]


Node = Joined | Negated | Leaf | AnyOf


@dataclass(frozen=True)
class Grammar:
    """What may be asked for. Values of `scope` other than `project` (None: any) are refused.

    `limit_words` is what is said of a limit below 1.
    """

    is_field: Callable[[str], bool]
    is_sortable: Callable[[str], bool]
    scope: tuple[str, ...]
    project: str | None
    limit_words: str


@dataclass(frozen=True)
class Query:
    """`order` is of (field, whether descending); each is None where nothing is said."""

    filter: Node | None
    order: list[tuple[str, bool]] | None
    limit: int | None


def read_query(body: Mapping[str, Any], grammar: Grammar) -> Query:
    """Raises `Fault`."""
    values.check_known(body, NAMES, "body")
    condition = order = None
    if body.get("filter") is not None:
        expression = _json("Filter", values.text("filter", body["filter"]))
        condition = _Reader(grammar).read(expression, "filter")
    if body.get("orderby") is not None:
        expression = _json("Order-by", values.text("orderby", body["orderby"]))
        order = _order(expression, grammar)
    return Query(condition, order, _limit(body, grammar))


def broken(where: str, words: str) -> Fault:
    return bad(f"Filter expression not valid: {cut(where)} {words}")


def _limit(body: Mapping[str, Any], grammar: Grammar) -> int | None:
    value = body.get("limit")
    if value is None:
        return None
    try:
        limit = int(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise invalid("limit", value, "It must be a whole number.") from error
    if limit <= 0:
        raise bad(grammar.limit_words)
    return min(limit, 2**31 - 1)


def _json(what: str, text: str) -> Any:
    try:
        check_depth(text.encode())
        return json.loads(text)
    except (ValueError, RecursionError, InvalidBodyError) as error:
        raise bad(f"{what} expression not valid: {error}") from error


class _Reader:
    """Counts the terms while it goes down; each value of an `in` is one, too."""

    def __init__(self, grammar: Grammar) -> None:
        self.grammar = grammar
        self.terms = self.patterns = 0

    def read(self, node: Any, where: str) -> Node:
        name, operand = self._single(node, where, "must be an object with one operator")
        self._count(1)
        operator = name.lower()
        where = f"{where}.{name}"
        if operator == "and":
            return Joined("and", self._parts(operand, where))
        if operator == "or":
            return Joined("or", self._parts(operand, where))
        if operator == "not":
            return Negated(self.read(operand, where))
        field, value = self._single(operand, where, "must be an object with one field")
        if not self.grammar.is_field(field) or unstorable(field):
            raise broken(f"{where}.{field}", "is no field that can be asked for")
        if operator == "in":
            return self._any_of(field, value, f"{where}.{field}")
        self._check_scope(field, value)
        return self._leaf(operator, field, value, f"{where}.{field}")

    def _count(self, terms: int) -> None:
        self.terms += terms
        if self.terms > MAX_TERMS:
            raise broken("filter", f"has more than {MAX_TERMS} terms")

    def _single(self, node: Any, where: str, words: str) -> tuple[str, Any]:
        if not isinstance(node, dict) or len(node) != 1:
            raise broken(where, words)
        [(name, value)] = node.items()
        return name, value

    def _parts(self, operands: Any, where: str) -> tuple[Node, ...]:
        if not isinstance(operands, list) or len(operands) < 2:
            raise broken(where, "must be a list of two conditions or more")
        return tuple(self.read(part, f"{where}[{place}]") for place, part in enumerate(operands))

    def _any_of(self, field: str, items: Any, where: str) -> AnyOf:
        if not isinstance(items, list) or not items:
            raise broken(where, "must be a list of texts or numbers")
        self._count(len(items) - 1)
        leaves = []
        for value in items:
            if isinstance(value, bool):
                raise broken(where, "must be a list of texts or numbers")
            self._check_scope(field, value)
            leaves.append(self._leaf("=", field, value, where))
        return AnyOf(tuple(leaves))

    def _check_scope(self, field: str, value: Any) -> None:
        own = self.grammar.project
        if own is not None and field in self.grammar.scope and value != own:
            raise foreign("project", str(value))

    def _leaf(self, operator: str, field: str, value: Any, where: str) -> Leaf:
        if isinstance(value, str) and (flaw := unstorable(value)):
            raise broken(where, flaw)
        if not isinstance(value, str | int | float):
            raise broken(where, "must be compared with a text, a number, true or false")
        if isinstance(value, float) and not math.isfinite(value):
            raise broken(where, "must be compared with a finite number")
        if operator not in OPERATORS:
            raise broken(where, f"has an unknown operator {cut(operator)!r}")
        if OPERATORS[operator] == "regex" and not isinstance(value, str):
            raise broken(where, "can't be compared with =~")
        if isinstance(value, str) and OPERATORS[operator] == "regex":
            self._check_pattern(value, where)
        return Leaf(field, OPERATORS[operator], value, where)

    def _check_pattern(self, pattern: str, where: str) -> None:
        self.patterns += 1
        if len(pattern) > MAX_PATTERN:
            raise broken(where, f"has a pattern longer than {MAX_PATTERN} characters")
        if self.patterns > MAX_PATTERNS:
            raise broken("filter", f"has more than {MAX_PATTERNS} patterns")


def _order(expression: Any, grammar: Grammar) -> list[tuple[str, bool]]:
    if not isinstance(expression, list) or len(expression) > 100:
        raise bad("Order-by expression not valid: it must be a list of objects with one field")
    return [_order_by(one, grammar) for one in expression]


def _order_by(one: Any, grammar: Grammar) -> tuple[str, bool]:
    if not isinstance(one, dict) or len(one) != 1:
        raise bad(f"Order-by expression not valid: {cut(str(one))} is no object with one field")
    [(field, direction)] = one.items()
    if not grammar.is_sortable(field):
        raise bad(f"Order-by expression not valid: {cut(field)} is no field to order by")
    if not isinstance(direction, str) or direction.lower() not in ("asc", "desc"):
        raise bad(f"Order-by expression not valid: {cut(str(direction))} is neither asc nor desc")
    return field, direction.lower() == "desc"
