"""The complex query of samples: its filter as a mask over points, its order.

What a leaf asks of a stretch (texts, metadata) is decided once a stretch; times and volumes once a
point. As in SQL a comparison with what is not there is neither true nor false, nor is its negation:
a truth is 0, 1 (unknown) or 2, so that `and` is the smaller and `or` the larger of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from operator import eq, ge, gt, le, lt, ne
from typing import Any

import numpy as np
import numpy.typing as npt

from meters.api.params import moment
from meters.metering_api import reading
from meters.metering_api.conditions import Bounds, narrowed
from meters.metering_api.ids import position_of
from meters.metering_api.metadata import path_of
from meters.metering_api.reading import Flags, Sample
from meters.metering_api.shapes import source_of
from meters.metering_api.stretches import Asked, Stretch, Stretches
from meters.store.patterns import matching
from meters.store.points import Points
from meters.wsme.complexquery import AnyOf, Grammar, Joined, Leaf, Negated, Node, Query, broken
from meters.wsme.errors import bad, cut
from telemetry_site.clock import to_us

Truths = npt.NDArray[np.int8]
FALSE, UNKNOWN, TRUE = 0, 1, 2
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": eq, "ne": ne, "lt": lt, "gt": gt, "le": le, "ge": ge,
}  # fmt: skip
#: So many samples are sorted by something else than their time.
MOST_SORTED = 5_000_000
ALIASES = {
    "meter": "counter_name", "type": "counter_type", "unit": "counter_unit",
    "volume": "counter_volume", "user": "user_id", "project": "project_id",
    "resource": "resource_id",
}  # fmt: skip
_TEXTS: dict[str, Callable[[Stretch], str | None]] = {
    "counter_name": lambda one: one.series.name,
    "counter_type": lambda one: one.series.type,
    "counter_unit": lambda one: one.series.unit,
    "resource_id": lambda one: one.series.resource_id,
    "user_id": lambda one: one.revision.user_id,
    "project_id": lambda one: one.revision.project_id,
    "source": lambda one: source_of(one.revision),
    "message_signature": lambda one: "",  # checked when it comes, and not kept
}
_OF_POINTS = ("counter_volume", "timestamp", "recorded_at", "message_id")
#: What may be found through an index: its name in the simple query.
_INDEXED = {
    "counter_name": "meter", "resource_id": "resource", "project_id": "project", "user_id": "user",
    "source": "source", "message_id": "message_id",
}  # fmt: skip


def canonical(field: str) -> str:
    return ALIASES.get(field, field)


def grammar(project: str | None) -> Grammar:
    """`project`: the only one that may be asked about; None: any."""

    def is_column(field: str) -> bool:
        return canonical(field) in _TEXTS or canonical(field) in _OF_POINTS

    def is_field(field: str) -> bool:
        return is_column(field) or (field.startswith("metadata.") and path_of(field) is not None)

    return Grammar(
        is_field, is_column, ("project_id", "project"), project, "Limit must be positive"
    )


def paths(node: Node | None) -> set[str]:
    """Of metadata, in the filter."""
    found = (path_of(leaf.field) for leaf in _leaves(node))
    return {path for path in found if path is not None}


def narrow(node: Node | None, asked: Asked) -> Asked:
    """What is asked, cut down by what the filter says for all samples and an index can find."""
    if isinstance(node, Joined) and node.how == "and":
        for part in node.parts:
            asked = narrow(part, asked)
    if not isinstance(node, Leaf):
        return asked
    name = canonical(node.field)
    if name in ("timestamp", "recorded_at") and node.operator in ("eq", "gt", "ge", "lt", "le"):
        return _narrow_time(asked, node.operator, _micros(node))
    if name in _INDEXED and node.operator == "eq" and isinstance(node.value, str):
        # "None" is null in the simple query only.
        return asked if node.value == "None" else narrowed(asked, _INDEXED[name], node.value)
    return asked


def _narrow_time(asked: Asked, operator: str, at: int) -> Asked:
    start = {"eq": at, "gt": at + 1, "ge": at}.get(operator, asked.start_us)
    stop = {"eq": at + 1, "lt": at, "le": at + 1}.get(operator, asked.stop_us)
    return replace(asked, start_us=max(asked.start_us, start), stop_us=min(asked.stop_us, stop))


def run(
    stretches: Stretches, bounds: Bounds, query: Query, limit: int
) -> tuple[list[Sample], bool]:
    """At most `limit` samples, and whether there are more. Raises `Fault`."""
    keep = _Filter(stretches.all, query.filter)
    order = query.order or [("timestamp", True)]
    if order == [("timestamp", True)]:
        return reading.newest(stretches, bounds, limit, keep=keep)
    points = reading.everything(stretches, bounds, MOST_SORTED, keep)
    rows = _sorted(stretches.all, points, order)[: limit + 1]
    found = reading.samples_of(stretches, points, rows)
    return found[:limit], len(found) > limit


# --- the filter --------------------------------------------------------------------------------


class _Filter:
    """What is asked of stretches is answered once: `verdicts` are the truths by stretch."""

    def __init__(self, stretches: Sequence[Stretch], node: Node | None) -> None:
        self.stretches = stretches
        self.node = node
        leaves = set(_leaves(node))
        of_points = {leaf for leaf in leaves if canonical(leaf.field) in _OF_POINTS}
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
                return joining.reduce([self._truths(part, points) for part in parts])  # type: ignore[no-any-return]
            case Negated(part):
                return (TRUE - self._truths(part, points)).astype(np.int8)
            case AnyOf(leaves):
                found = [self._truths(leaf, points) for leaf in leaves]
                return np.maximum.reduce(found)  # type: ignore[no-any-return]
            case Leaf():
                if node in self.verdicts:
                    return self.verdicts[node][points.index]
                return self._of_points(node, points)

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


def _leaves(node: Node | None) -> Iterator[Leaf]:
    match node:
        case Joined(_, parts):
            for part in parts:
                yield from _leaves(part)
        case Negated(part):
            yield from _leaves(part)
        case AnyOf(leaves):
            yield from leaves
        case Leaf():
            yield node


def _wanted(leaf: Leaf) -> Any:
    """The value, as points have it. Raises `Fault`."""
    name = canonical(leaf.field)
    if leaf.operator == "regex" or (name == "message_id" and leaf.operator not in ("eq", "ne")):
        raise broken(leaf.where, "can't be compared so")
    if name == "message_id":
        return position_of(str(leaf.value))
    if name != "counter_volume":
        return _micros(leaf)
    if isinstance(leaf.value, bool):
        raise broken(leaf.where, "must be compared with a number")
    try:
        return float(leaf.value)
    except (ValueError, OverflowError) as error:
        raise broken(leaf.where, "must be compared with a number") from error


def _micros(leaf: Leaf) -> int:
    try:
        return to_us(moment(leaf.value if isinstance(leaf.value, str) else ""))
    except ValueError as error:
        raise bad(f"Failed to parse the timestamp value {cut(str(leaf.value))}") from error


def _of_stretches(leaf: Leaf, stretches: Sequence[Stretch]) -> Truths:
    path = path_of(leaf.field)
    name = canonical(leaf.field)
    if path is None:
        wanted = leaf.value if isinstance(leaf.value, str) else _number_text(leaf.value)
        leaf = replace(leaf, value=wanted)
    values = [
        _TEXTS[name](one) if path is None else one.revision.metadata[path] for one in stretches
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


# --- the order ---------------------------------------------------------------------------------


def _sorted(
    stretches: Sequence[Stretch], points: Points, order: Sequence[tuple[str, bool]]
) -> npt.NDArray[np.int64]:
    """Ties as in every list: the newest first, of one time the series first made."""
    keys: list[npt.NDArray[Any]] = [points.index, -points.timestamps]
    for field, descending in reversed(order):
        key = _key(stretches, points, canonical(field))
        keys.append(-key if descending else key)
    rows: npt.NDArray[np.int64] = np.lexsort(keys)
    return rows


def _key(stretches: Sequence[Stretch], points: Points, name: str) -> npt.NDArray[Any]:
    if name == "counter_volume":
        return points.values
    if name in ("timestamp", "recorded_at"):
        return points.timestamps
    if name == "message_id":
        # Ids are in the order of series, then time; so are the points.
        return np.arange(len(points.index))
    values = [_TEXTS[name](one) for one in stretches]
    known = sorted({value for value in values if value is not None})
    places = {value: place for place, value in enumerate(known)}
    ranks = [len(known) if value is None else places[value] for value in values]
    return np.array(ranks, dtype=np.int64)[points.index]
