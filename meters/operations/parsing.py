"""Reads operations, a tree of lists or its text, into nodes, and refuses what is none.

A number may be a text in either notation; a truth value, NaN and infinities are no numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from meters.aggregation import ACROSS, RATE_PREFIX, is_method
from meters.operations import tree as nodes
from meters.operations.errors import OperationsError, invalid_input
from meters.operations.functions import FUNCTIONS
from meters.operations.literals import MAX_NAME, is_name, number_of, shown
from meters.operations.text import read_text
from meters.operations.tree import Node, Reference
from meters.timespans import TimespanError, timespan_us

MAX_DEPTH = 32
MAX_OPERATIONS = 1_000
MAX_REFERENCES = 10_000
MAX_WINDOW = 1_000_000


def parse(operations: object) -> Node:
    """The checked tree of a JSON value: a list, or a text in the other notation.

    Raises `OperationsError` on anything else, on more than `MAX_OPERATIONS` operations or
    `MAX_REFERENCES` references, deeper than `MAX_DEPTH`, and where no metric is named.
    """
    tree = read_text(operations) if isinstance(operations, str) else operations
    node = _Reader().read(tree, "operations", 1)
    _check_metric(node, tree, "operations")
    return node


def is_across(method: object) -> bool:
    """Whether it makes one value of several series': the list F of `aggregate` and `rolling`."""
    return isinstance(method, str) and method.removeprefix(RATE_PREFIX) in ACROSS


class _Reader:
    """Counts operations and references while it goes down; `where` is the place in the tree."""

    def __init__(self) -> None:
        self.operations = 0
        self.references = 0
        self.special: dict[str, Callable[[list[Any], str, int], Node]] = {
            "metric": self._metric,
            "aggregate": self._aggregate,
            "rolling": self._rolling,
            "resample": self._resample,
            "rateofchange": self._change,
            "rateofchangesec": self._change,
        }

    def read(self, tree: object, where: str, depth: int) -> Node:
        """One operation. `depth` is how many lists lie around its arguments."""
        if not isinstance(tree, list | tuple):
            got = f"Expected a tuple/list, got a {type(tree)}"
            raise invalid_input(got, f"{where}: {got}, which is no operation")
        if not tree:
            raise invalid_input("Operation must not be empty", f"{where}: an empty list")
        if len(tree) == 1:
            need = "Operation need at least one argument"
            raise invalid_input(need, f"{where}: {shown(tree[0])} has no argument")
        self.operations += 1
        if depth > MAX_DEPTH or self.operations > MAX_OPERATIONS:
            limit = f"at most {MAX_OPERATIONS}, nested at most {MAX_DEPTH} deep"
            raise invalid_input(f"Too many operations: {limit}", f"{where}: {limit} may be given")
        operation = list(tree)
        name = operation[0]
        if isinstance(name, str) and name in self.special:
            return self.special[name](operation, where, depth)
        return self._math(operation, where, depth)

    def _metric(self, operation: list[Any], where: str, depth: int) -> Node:
        pairs = operation[1:]
        if isinstance(pairs[0], str):
            pairs = [pairs]
        self.references += len(pairs)
        if self.references > MAX_REFERENCES:
            _refuse(operation, where, f"at most {MAX_REFERENCES} metrics may be named")
        found = [self._reference(operation, pair, where) for pair in pairs]
        return nodes.Metric(tuple(dict.fromkeys(found)))

    def _reference(self, operation: list[Any], pair: object, where: str) -> Reference:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            _refuse(operation, where, f"{shown(pair)} is no pair of a metric and an aggregation")
        metric, aggregation = pair
        if not is_name(metric) or not is_name(aggregation):
            rule = f"two texts of 1 to {MAX_NAME} characters"
            _refuse(operation, where, f"{shown(pair)} is no metric and aggregation, {rule}")
        return Reference(metric, aggregation)

    def _aggregate(self, operation: list[Any], where: str, depth: int) -> Node:
        """Further nodes than one are joined, as aodh's alarms over several metrics need it."""
        method, *trees = operation[1:]
        _check_across(operation, method, where)
        if not trees:
            _refuse(operation, where, "no operation to aggregate")
        found = [
            self._series(operation, tree, f"{where}[{place}]", depth)
            for place, tree in enumerate(trees, start=2)
        ]
        return nodes.Aggregate(method, _joined(found))

    def _rolling(self, operation: list[Any], where: str, depth: int) -> Node:
        method, window, tree = _exactly(operation, 3, where)
        _check_across(operation, method, where)
        width = number_of(window)
        if width is None or width != int(width) or not 1 <= width <= MAX_WINDOW:
            rule = f"a whole number from 1 to {MAX_WINDOW}"
            _refuse(operation, where, f"the window {shown(window)} is not {rule}")
        node = self._series(operation, tree, f"{where}[3]", depth)
        return nodes.Rolling(method, int(width), node)

    def _resample(self, operation: list[Any], where: str, depth: int) -> Node:
        method, span, tree = _exactly(operation, 3, where)
        if not isinstance(method, str) or not is_method(method):
            _refuse(operation, where, f"{shown(method)} is no method to resample by")
        try:
            span_us = timespan_us(span)
        except TimespanError as error:
            _refuse(operation, where, f"the span {shown(span)}: {error}")
        return nodes.Resample(method, span_us, self._series(operation, tree, f"{where}[3]", depth))

    def _change(self, operation: list[Any], where: str, depth: int) -> Node:
        (tree,) = _exactly(operation, 1, where)
        node = self._series(operation, tree, f"{where}[1]", depth)
        return nodes.Change(operation[0] == "rateofchangesec", node)

    def _math(self, operation: list[Any], where: str, depth: int) -> Node:
        name, *arguments = operation
        function = FUNCTIONS.get(name) if isinstance(name, str) else None
        if function is None:
            _refuse(operation, where, "there is no such operation")
        if len(arguments) not in function.arity:
            wanted = " or ".join(map(str, function.arity))
            _refuse(operation, where, f"takes {wanted} arguments, not {len(arguments)}")
        found = [
            self._operand(operation, argument, f"{where}[{place}]", depth)
            for place, argument in enumerate(arguments, start=1)
        ]
        return nodes.Math(function.name, tuple(found))

    def _operand(self, operation: list[Any], tree: object, where: str, depth: int) -> Node | float:
        """A number or an operation."""
        if isinstance(tree, list | tuple):
            return self.read(tree, where, depth + 1)
        number = number_of(tree)
        if number is None:
            _refuse(operation, where, f"{shown(tree)} is neither a number nor an operation")
        return number

    def _series(self, operation: list[Any], tree: object, where: str, depth: int) -> Node:
        """An operation that names a metric somewhere."""
        if not isinstance(tree, list | tuple):
            _refuse(operation, where, f"{shown(tree)} is no operation")
        node = self.read(tree, where, depth + 1)
        _check_metric(node, tree, where)
        return node


def _joined(found: list[Node]) -> tuple[Node, ...]:
    """All metric nodes as one, so that a metric named twice counts once there too."""
    metrics = [node for node in found if isinstance(node, nodes.Metric)]
    if len(metrics) < 2:
        return tuple(found)
    references = dict.fromkeys(one for node in metrics for one in node.references)
    others = [node for node in found if not isinstance(node, nodes.Metric)]
    return (nodes.Metric(tuple(references)), *others)


def _exactly(operation: list[Any], count: int, where: str) -> list[Any]:
    """The arguments, of which there must be `count`."""
    arguments = operation[1:]
    if len(arguments) != count:
        _refuse(operation, where, f"takes {count} arguments, not {len(arguments)}")
    return arguments


def _check_across(operation: list[Any], method: object, where: str) -> None:
    if not is_across(method):
        rule = f"one of {', '.join(ACROSS)}, maybe with {RATE_PREFIX} in front"
        _refuse(operation, where, f"{shown(method)} is not {rule}")


def _check_metric(node: Node, tree: object, where: str) -> None:
    if not nodes.references(node):
        cause, reason = "Operations is invalid", "At least one 'metric' is required"
        raise OperationsError(cause, reason, tree, f"{where}: {reason}")


def _refuse(operation: list[Any], where: str, why: str) -> NoReturn:
    """Names the operation as gnocchi does, by its first word."""
    name = operation[0] if isinstance(operation[0], str) else shown(operation[0])
    name = name if len(name) <= 80 else f"{name[:80]}…"
    raise invalid_input(f"{name!r} operation invalid", f"{where}, {name!r}: {why}")
