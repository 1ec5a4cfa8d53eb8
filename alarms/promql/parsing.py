"""From text to nodes. What is beyond the subset is named in the error."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from typing import Any

import promql_parser

from alarms.promql.functions import FUNCTIONS, OVER_RANGES
from alarms.promql.tree import (
    NAME,
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
MAX_WILDCARDS = 2
AGGREGATIONS = ("sum", "avg", "min", "max", "count", "stddev", "stdvar")
OPERATORS = ("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=")
SETS = ("and", "or", "unless")
_WORDS = re.compile(r"[^\\.*+?()\[\]{}^$|]*")


class PromqlError(ValueError):
    """An expression that can't be evaluated; a sentence."""


@lru_cache(maxsize=10_000)
def parse(text: str) -> Node:
    """Raises `PromqlError`."""
    _check_size(text)
    try:
        parsed = promql_parser.parse(text)
    except ValueError as error:
        raise PromqlError(f"is no PromQL: {str(error).strip()}") from error
    node = _Reader().read(parsed)
    if isinstance(node, Selector) and node.range_us:
        raise PromqlError("is a range of values, where one value a series is needed")
    if not any(True for _ in selectors(node)):
        raise PromqlError("names no metric")
    return node


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
        if name not in FUNCTIONS and name not in OVER_RANGES:
            known = ", ".join(sorted([*FUNCTIONS, *OVER_RANGES]))
            raise PromqlError(f"calls {name}, which is not supported here; these are: {known}")
        arguments = tuple(self.read(one) for one in node.args)
        wanted = FUNCTIONS[name].scalars if name in FUNCTIONS else 0
        if name != "vector" and len(arguments) != wanted + 1:
            raise PromqlError(f"calls {name} with {len(arguments)} arguments, not {wanted + 1}")
        for argument in arguments[1:]:
            if not is_scalar(argument):
                raise PromqlError(f"calls {name} with a vector where a number is needed")
        return Call(name, arguments)

    def _aggregate(self, node: Any) -> Node:
        operator = str(node.op)
        if operator not in AGGREGATIONS:
            known = ", ".join(AGGREGATIONS)
            text = f"aggregates by {operator}, which is not supported here; these are: {known}"
            raise PromqlError(text)
        return Aggregate(operator, self.read(node.expr), _agg_grouping(node.modifier))

    def _binary(self, node: Any) -> Node:
        operator = str(node.op)
        if operator not in OPERATORS + SETS:
            raise PromqlError(f"has the operator {operator}, which is not supported here")
        left, right = self.read(node.lhs), self.read(node.rhs)
        given = node.modifier
        if given is not None and given.group_labels:
            raise PromqlError("has group_left or group_right, which are not supported here")
        many = (
            promql_parser.VectorMatchCardinality.ManyToOne,
            promql_parser.VectorMatchCardinality.OneToMany,
        )
        if given is not None and given.card in many:
            raise PromqlError("has group_left or group_right, which are not supported here")
        matching = given.matching if given is not None else None
        is_bool = bool(given is not None and given.return_bool)
        return Binary(operator, left, right, _bin_grouping(matching), is_bool)


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
    name, matchers = node.name, []
    for one in node.matchers.matchers:
        if one.name == NAME:
            if one.op != promql_parser.MatchOp.Equal:
                raise PromqlError("must name its metrics, not match their names")
            name = one.value
        else:
            matchers.append(Matcher(one.name, _test(one)))
    if not name:
        raise PromqlError("has a selector without a metric's name")
    return Selector(name, tuple(matchers), range_us, offset_us)


def _us(duration: Any) -> int:
    return int(duration / timedelta(microseconds=1))


def _test(matcher: Any) -> Callable[[str], bool]:
    value = matcher.value
    operators = promql_parser.MatchOp
    if matcher.op == operators.Equal:
        return lambda text: text == value
    if matcher.op == operators.NotEqual:
        return lambda text: text != value
    pattern = _pattern(value)
    if matcher.op == operators.Re:
        return lambda text: pattern.fullmatch(text) is not None
    return lambda text: pattern.fullmatch(text) is None


def _pattern(value: str) -> re.Pattern[str]:
    """Alternatives of plain text with .* and .+ in it: what can't take long to match."""
    for part in value.split("|"):
        words = re.split(r"\.[*+]", part.replace("\\.", "_"))
        if len(words) - 1 > MAX_WILDCARDS or not all(map(_WORDS.fullmatch, words)):
            raise PromqlError(
                f"has the pattern {value!r}: only alternatives (|) of plain text with at most "
                f"{MAX_WILDCARDS} times .* or .+ are supported here"
            )
    return re.compile(value, re.DOTALL)
