"""From text to nodes. What is beyond the subset is named in the error."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache
from typing import Any

import promql_parser

from meters.promql.functions import AGGREGATIONS, CHOOSING, FUNCTIONS, QUANTILE, SPECIAL
from meters.promql.patterns import pattern_of
from meters.promql.ranges import NUMBER_FIRST, OVER_RANGES
from meters.promql.tables import NAME, PromqlError
from meters.promql.tree import (
    Aggregate,
    Binary,
    Call,
    Grouping,
    Matcher,
    Node,
    Number,
    Selector,
    is_scalar,
    selectors,
)

MAX_LENGTH = 4096
#: The parser goes down by recursion, in a language where that can end the process.
MAX_DEPTH = 32
MAX_NODES = 200
MAX_SIGNS = 16
MAX_RANGE_US = 31 * 86_400_000_000
OPERATORS = ("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=")
SETS = ("and", "or", "unless")
#: The side of which several elements may belong to one of the other.
_MANY = {
    "VectorMatchCardinality.ManyToOne": "left", "VectorMatchCardinality.OneToMany": "right",
}  # fmt: skip


@lru_cache(maxsize=10_000)
def parse(text: str) -> Node:
    """An expression that an alarm may judge: of metrics, by their names. Raises `PromqlError`."""
    node = parse_query(text)
    if not any(True for _ in selectors(node)):
        raise PromqlError("names no metric")
    for selector in selectors(node):
        if any(one.label == NAME for one in selector.matchers):
            raise PromqlError("must name its metrics, not match their names")
        if not selector.name:
            raise PromqlError("has a selector without a metric's name")
    return node


@lru_cache(maxsize=1_000)
def parse_query(text: str) -> Node:
    """Any expression with one value for a series and instant. Raises `PromqlError`."""
    node = _read(text)
    if isinstance(node, Selector) and node.range_us:
        raise PromqlError("is a range of values, where one value a series is needed")
    return node


def parse_selector(text: str) -> Selector:
    """Matchers of series alone. Raises `PromqlError`."""
    node = _read(text)
    if not isinstance(node, Selector) or node.range_us or node.offset_us:
        raise PromqlError("is no selector of series")
    return node


def prettified(text: str) -> str:
    """Set out on lines, whether it can be computed here or not. Raises `PromqlError`."""
    return str(_parsed(text).prettify())


def _read(text: str) -> Node:
    return _Reader().read(_parsed(text))


def _parsed(text: str) -> Any:
    _check_size(text)
    try:
        return promql_parser.parse(text)
    except ValueError as error:
        raise PromqlError(f"is no PromQL: {str(error).strip()}") from error


def _check_size(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise PromqlError(f"is longer than {MAX_LENGTH} characters")
    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        raise PromqlError(f"goes deeper than {MAX_DEPTH} levels")
    if re.search(rf"[-+\s]{{{MAX_SIGNS},}}", re.sub(r"\s+", "", text)):
        raise PromqlError(f"has {MAX_SIGNS} signs in a row")


class _Reader:
    def __init__(self) -> None:
        self.nodes = 0

    def read(self, node: Any) -> Node:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise PromqlError(f"has more than {MAX_NODES} terms")
        match node:
            case promql_parser.NumberLiteral():
                return Number(float(node.val))
            case promql_parser.ParenExpr():
                return self.read(node.expr)
            case promql_parser.UnaryExpr():
                none = Grouping((), True)
                return Binary("*", Number(-1.0), self.read(node.expr), none)
            case promql_parser.VectorSelector():
                return _selector(node, 0)
            case promql_parser.MatrixSelector():
                return _selector(node.vector_selector, _us(node.range))
            case promql_parser.Call():
                return self._call(node)
            case promql_parser.AggregateExpr():
                return self._aggregate(node)
            case promql_parser.BinaryExpr():
                return self._binary(node)
            case promql_parser.SubqueryExpr():
                raise PromqlError("has a subquery, which is not supported here")
        raise PromqlError(f"has a {type(node).__name__}, which is not supported here")

    def _call(self, node: Any) -> Node:
        name = node.func.name
        if name not in FUNCTIONS and name not in OVER_RANGES and name not in SPECIAL:
            known = ", ".join(sorted([*FUNCTIONS, *OVER_RANGES, *SPECIAL]))
            raise PromqlError(f"calls {name}, which is not supported here; these are: {known}")
        arguments = tuple(self.read(one) for one in node.args)
        least, most = _numbers_of(name)
        if name != "time" and not least <= len(arguments) - 1 <= most:
            raise PromqlError(f"calls {name} with {len(arguments)} arguments, not {least + 1}")
        numbers = arguments[:-1] if name in NUMBER_FIRST else arguments[1:]
        for argument in numbers:
            if not is_scalar(argument):
                raise PromqlError(f"calls {name} with a vector where a number is needed")
        return Call(name, arguments)

    def _aggregate(self, node: Any) -> Node:
        operator = str(node.op)
        with_number = (*CHOOSING, QUANTILE)
        if operator not in AGGREGATIONS and operator not in with_number:
            known = ", ".join([*AGGREGATIONS, *with_number])
            text = f"aggregates by {operator}, which is not supported here; these are: {known}"
            raise PromqlError(text)
        parameter = None if node.param is None else self.read(node.param)
        if (operator in with_number) != (parameter is not None and is_scalar(parameter)):
            raise PromqlError(f"aggregates by {operator} with another number of arguments")
        return Aggregate(operator, self.read(node.expr), _agg_grouping(node.modifier), parameter)

    def _binary(self, node: Any) -> Node:
        operator = str(node.op)
        if operator not in OPERATORS + SETS:
            raise PromqlError(f"has the operator {operator}, which is not supported here")
        left, right = self.read(node.lhs), self.read(node.rhs)
        given = node.modifier
        if given is not None and (given.fill_values.lhs, given.fill_values.rhs) != (None, None):
            raise PromqlError("has fill values, which are not supported here")
        if given is None:
            return Binary(operator, left, right, _bin_grouping(None))
        return Binary(
            operator, left, right, _bin_grouping(given.matching), bool(given.return_bool),
            _MANY.get(str(given.card), ""), tuple(given.group_labels or ()),
        )  # fmt: skip


def _numbers_of(name: str) -> tuple[int, int]:
    """How many numbers a function takes beside its vector or range, at least and at most."""
    if name in OVER_RANGES:
        return OVER_RANGES[name].scalars, OVER_RANGES[name].scalars
    if name in FUNCTIONS:
        return FUNCTIONS[name].least, FUNCTIONS[name].scalars
    return 0, 0


def _agg_grouping(modifier: Any) -> Grouping:
    if modifier is None:
        return Grouping((), False)
    is_without = modifier.type == promql_parser.AggModifierType.Without
    return Grouping(tuple(modifier.labels), is_without)


def _bin_grouping(matching: Any) -> Grouping:
    if matching is None:
        return Grouping((), True)
    is_without = matching.type == promql_parser.LabelModifierType.Exclude
    return Grouping(tuple(matching.labels), is_without)


def _selector(node: Any, range_us: int) -> Selector:
    if node.at is not None:
        raise PromqlError("has @, which is not supported here")
    if node.matchers.or_matchers:
        raise PromqlError("has “or” between matchers, which is not supported here")
    offset_us = _us(node.offset) if node.offset is not None else 0
    if offset_us < 0:
        raise PromqlError("looks into the future")
    if range_us + offset_us > MAX_RANGE_US:
        raise PromqlError("looks back more than 31 days")
    given = node.matchers.matchers
    if any("\0" in text for text in (node.name or "", *(one.value for one in given))):
        raise PromqlError("holds a NUL character")  # by an escape; no label has one
    matchers = [_matcher(one) for one in given]
    named = [one for one in matchers if one.label == NAME and one.equals]
    name = node.name or (named[0].equals if named else "")
    others = tuple(one for one in matchers if one not in named)
    return Selector(name or "", others, range_us, offset_us)


def _us(duration: Any) -> int:
    return int(duration / timedelta(microseconds=1))


def _matcher(given: Any) -> Matcher:
    label, value = given.name, given.value
    match given.op:
        case promql_parser.MatchOp.Equal:
            return Matcher(label, lambda text: text == value, value)
        case promql_parser.MatchOp.NotEqual:
            return Matcher(label, lambda text: text != value)
    pattern = pattern_of(value)
    if given.op == promql_parser.MatchOp.Re:
        return Matcher(label, pattern.fits)
    return Matcher(label, lambda text: not pattern.fits(text))
