"""The filter of a complex query as a mask over points.

What a leaf asks of a stretch (texts, metadata) is decided once a stretch; times and volumes once a
point. As in SQL a comparison with what is not there is neither true nor false, nor is its negation:
a truth is 0, 1 (unknown) or 2, so that `and` is the smaller and `or` the larger of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import numpy as np
import numpy.typing as npt

from meters.metering_api.ids import position_of
from meters.metering_api.metadata import path_of
from meters.metering_api.reading import Flags
from meters.metering_api.samplefields import OF_POINTS, TEXTS, canonical, leaves_of, micros_of
from meters.metering_api.stretches import Stretch
from meters.store.patterns import matching
from meters.store.points import Points
from meters.wsme.complexquery import AnyOf, Joined, Leaf, Negated, Node, broken

Truths = npt.NDArray[np.int8]
FALSE, UNKNOWN, TRUE = 0, 1, 2
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": eq, "ne": ne, "lt": lt, "gt": gt, "le": le, "ge": ge,
}  # fmt: skip


class Filter:
    """What is asked of stretches is answered once: `verdicts` are the truths by stretch."""

    def __init__(self, stretches: Sequence[Stretch], node: Node | None) -> None:
        self.stretches = stretches
        self.node = node
        leaves = set(leaves_of(node))
        of_points = {leaf for leaf in leaves if canonical(leaf.field) in OF_POINTS}
        self.verdicts = {leaf: _of_stretches(leaf, stretches) for leaf in leaves - of_points}
        self.wanted = {leaf: _wanted(leaf) for leaf in of_points}

    def __call__(self, points: Points) -> Flags:
        if self.node is None:
            return np.ones(len(points.index), dtype=np.bool_)
        kept: Flags = self._truths(self.node, points) == TRUE
        return kept

    def _truths(self, node: Node, points: Points) -> Truths:
        match node:
            case Joined(how, parts):
                joining = np.minimum if how == "and" else np.maximum
                return self._joined(joining, parts, points)
            case Negated(part):
                return (TRUE - self._truths(part, points)).astype(np.int8)
            case AnyOf(leaves):
                return self._joined(np.maximum, leaves, points)
            case Leaf():
                if node in self.verdicts:
                    return self.verdicts[node][points.index]
                return self._of_points(node, points)

    def _joined(self, joining: np.ufunc, parts: Iterable[Node], points: Points) -> Truths:
        """One after the other: there may be a thousand of them, and millions of points."""
        found: Truths | None = None
        for part in parts:
            more = self._truths(part, points)
            found = more if found is None else joining(found, more, out=found)
        assert found is not None
        return found

    def _of_points(self, leaf: Leaf, points: Points) -> Truths:
        """Never unknown: each sample has a time, a volume, an id."""
        wanted, compare = self.wanted[leaf], COMPARE[leaf.operator]
        name = canonical(leaf.field)
        if name == "message_id":
            series = np.array([one.series.pk for one in self.stretches], dtype=np.int64)
            found = np.zeros(len(points.index), dtype=np.bool_)
            if wanted is not None:
                found = (points.timestamps == wanted.timestamp_us) & (
                    series[points.index] == wanted.series
                )
            return _truth(found if leaf.operator == "eq" else ~found)
        column = points.values if name == "counter_volume" else points.timestamps
        return _truth(compare(column, wanted))


def _truth(found: Flags) -> Truths:
    return np.where(found, np.int8(TRUE), np.int8(FALSE))


def _wanted(leaf: Leaf) -> Any:
    """The value, as points have it. Raises `Fault`."""
    name = canonical(leaf.field)
    if leaf.operator == "regex" or (name == "message_id" and leaf.operator not in ("eq", "ne")):
        raise broken(leaf.where, "can't be compared so")
    if name == "message_id":
        return position_of(str(leaf.value))
    if name != "counter_volume":
        return micros_of(leaf)
    if isinstance(leaf.value, bool):
        raise broken(leaf.where, "must be compared with a number")
    try:
        number = float(leaf.value)
    except (ValueError, OverflowError) as error:
        raise broken(leaf.where, "must be compared with a number") from error
    if not math.isfinite(number):
        raise broken(leaf.where, "must be compared with a finite number")
    return number


def _of_stretches(leaf: Leaf, stretches: Sequence[Stretch]) -> Truths:
    path = path_of(leaf.field)
    name = canonical(leaf.field)
    if path is None:
        wanted = leaf.value if isinstance(leaf.value, str) else _number_text(leaf.value)
        leaf = replace(leaf, value=wanted)
    values = [
        TEXTS[name](one) if path is None else one.revision.metadata[path] for one in stretches
    ]
    if leaf.operator == "regex":
        return np.array(_matched(leaf, values), dtype=np.int8)
    compare = COMPARE[leaf.operator]
    return np.array([_compared(compare, value, leaf.value) for value in values], dtype=np.int8)


def _number_text(value: float | int | bool) -> str:
    """The client's own expressions make 12.0 of every 12."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _compared(compare: Callable[[Any, Any], Any], value: Any, wanted: Any) -> int:
    """Only what is of one kind can be compared."""
    if value is None or _kind(value) != _kind(wanted):
        return UNKNOWN
    return TRUE if compare(value, wanted) else FALSE


def _kind(value: Any) -> type:
    return float if isinstance(value, int) and not isinstance(value, bool) else type(value)


def _matched(leaf: Leaf, values: Sequence[Any]) -> list[int]:
    texts = {value for value in values if isinstance(value, str)}
    try:
        found = matching(texts, str(leaf.value))
    except ValueError as error:
        raise broken(leaf.where, f"has a pattern that can't be used: {error}") from error
    return [
        (TRUE if value in found else FALSE) if isinstance(value, str) else UNKNOWN
        for value in values
    ]
