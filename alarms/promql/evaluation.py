"""An expression at one instant, over points that were read before."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from alarms.promql.functions import FUNCTIONS, OVER_RANGES, Range, aggregate
from alarms.promql.parsing import SETS, PromqlError
from alarms.promql.tree import (
    LOOK_BACK_US,
    NAME,
    Aggregate,
    Binary,
    Call,
    Grouping,
    Node,
    Number,
    Selector,
)
from meters.store.points import Points


class Element(NamedTuple):
    labels: dict[str, str]
    value: float


Vector = list[Element]
_ARITHMETIC: dict[str, Callable[[np.float64, np.float64], np.float64]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
    "%": np.fmod, "^": operator.pow,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">": operator.gt, "<": operator.lt,
    ">=": operator.ge, "<=": operator.le,
}  # fmt: skip


def evaluate(node: Node, points: Points, labels: Sequence[dict[str, str]], now_us: int) -> Vector:
    """The elements at `now_us` (exclusive), in the order of the series; of a scalar, one.

    `points.index` is the place in `labels`. Raises `PromqlError` where elements can't be matched.
    """
    with np.errstate(all="ignore"):
        result = _Evaluation(points, labels, now_us).of(node)
    return [Element({}, result)] if isinstance(result, float) else result


class _Evaluation:
    def __init__(self, points: Points, labels: Sequence[dict[str, str]], now_us: int) -> None:
        self.points = points
        self.labels = labels
        self.now_us = now_us
        self.edges = np.searchsorted(points.index, np.arange(len(labels) + 1))

    def of(self, node: Node) -> Vector | float:
        match node:
            case Number():
                return node.value
            case Selector():
                return [
                    Element(labels, float(found.values[-1])) for labels, found in self._ranges(node)
                ]
            case Call():
                return self._call(node)
            case Aggregate():
                return self._aggregate(node)
            case Binary():
                return self._binary(node)

    def _vector(self, node: Node) -> Vector:
        found = self.of(node)
        return [Element({}, found)] if isinstance(found, float) else found

    def _number(self, node: Node) -> float:
        found = self.of(node)
        assert isinstance(found, float)
        return found

    def _ranges(self, node: Selector) -> list[tuple[dict[str, str], Range]]:
        """The series that match and have points there."""
        stop = self.now_us - node.offset_us
        start = stop - (node.range_us or LOOK_BACK_US)
        found = []
        for place, labels in enumerate(self.labels):
            if not node.matches(labels):
                continue
            part = slice(self.edges[place], self.edges[place + 1])
            times = self.points.timestamps[part]
            low, high = np.searchsorted(times, [start, stop])
            if high > low:
                values = self.points.values[part][low:high]
                found.append((labels, Range(times[low:high], values, start, stop)))
        return found

    def _call(self, node: Call) -> Vector | float:
        first = node.arguments[0]
        if node.function in OVER_RANGES:
            assert isinstance(first, Selector)
            compute = OVER_RANGES[node.function]
            values = [(labels, compute(one)) for labels, one in self._ranges(first)]
            return [
                Element(_unnamed(labels), value) for labels, value in values if value is not None
            ]
        if node.function == "vector":
            return [Element({}, self._number(first))]
        found = self._vector(first)
        if node.function == "scalar":
            return found[0].value if len(found) == 1 else float("nan")
        if node.function == "absent":
            return [] if found else [Element({}, 1.0)]
        numbers = [self._number(one) for one in node.arguments[1:]]
        function = FUNCTIONS[node.function].compute
        return [
            Element(_unnamed(labels), float(function(value, *numbers))) for labels, value in found
        ]

    def _aggregate(self, node: Aggregate) -> Vector:
        groups: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for labels, value in self._vector(node.node):
            groups.setdefault(_key(node.grouping, labels), []).append(value)
        return [
            Element(dict(key), aggregate(node.operator, values)) for key, values in groups.items()
        ]

    # --- two sides ---------------------------------------------------------------------------

    def _binary(self, node: Binary) -> Vector | float:
        left, right = self.of(node.left), self.of(node.right)
        if node.operator in SETS:
            return _set(node, left, right)
        if isinstance(left, float) and isinstance(right, float):
            return _computed(node.operator, left, right)
        if isinstance(left, float):
            assert not isinstance(right, float)
            pairs = [(labels, left, value) for labels, value in right]
            return _elements(node, pairs, [value for _, value in right])
        if isinstance(right, float):
            pairs = [(labels, value, right) for labels, value in left]
        else:
            pairs = _pairs(node, left, right)
        return _elements(node, pairs, [one for _, one, _ in pairs])


def _elements(
    node: Binary, pairs: Sequence[tuple[dict[str, str], float, float]], kept: Sequence[float]
) -> Vector:
    """Of arithmetic the results; of a comparison those values of `kept` for which it holds."""
    chooses = node.operator in _COMPARISONS and not node.is_bool
    found = []
    for (labels, left, right), value in zip(pairs, kept, strict=True):
        result = _computed(node.operator, left, right)
        if not chooses:
            found.append(Element(_unnamed(labels), result))
        elif result:
            found.append(Element(labels, value))
    return found


def _computed(name: str, left: float, right: float) -> float:
    if name in _COMPARISONS:
        return float(_COMPARISONS[name](left, right))
    return float(_ARITHMETIC[name](np.float64(left), np.float64(right)))


def _pairs(node: Binary, left: Vector, right: Vector) -> list[tuple[dict[str, str], float, float]]:
    """Elements that match, one to one; with the labels that the result bears."""
    others = _by_key(node.matching, right, "right")
    own = _by_key(node.matching, left, "left")
    compares = node.operator in _COMPARISONS and not node.is_bool
    return [
        (one.labels if compares else dict(key), one.value, others[key].value)
        for key, one in own.items()
        if key in others
    ]


def _by_key(
    matching: Grouping, vector: Vector, side: str
) -> dict[tuple[tuple[str, str], ...], Element]:
    found: dict[tuple[tuple[str, str], ...], Element] = {}
    for one in vector:
        key = _key(matching, one.labels)
        if key in found:
            raise PromqlError(
                f"The rule's expression matches several elements of its {side} side with one; "
                "say by on(…) or ignoring(…) which belong together, or aggregate first."
            )
        found[key] = one
    return found


def _set(node: Binary, left: Vector | float, right: Vector | float) -> Vector:
    if isinstance(left, float) or isinstance(right, float):
        raise PromqlError(f"The rule's expression has {node.operator} with a number.")
    have = {_key(node.matching, one.labels) for one in right}
    if node.operator == "or":
        own = {_key(node.matching, one.labels) for one in left}
        return left + [one for one in right if _key(node.matching, one.labels) not in own]
    wanted = node.operator == "and"
    return [one for one in left if (_key(node.matching, one.labels) in have) == wanted]


def _key(grouping: Grouping, labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(grouping.key(labels).items()))


def _unnamed(labels: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name != NAME}
