"""The complex query of samples: what is read for it, filtered and put in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from meters.metering_api import reading
from meters.metering_api.conditions import Bounds, narrowed_once
from meters.metering_api.metadata import path_of
from meters.metering_api.reading import Sample
from meters.metering_api.samplefields import OF_POINTS, TEXTS, canonical, leaves_of, micros_of
from meters.metering_api.samplefilter import Filter
from meters.metering_api.stretches import Asked, Stretch, Stretches
from meters.metering_api.whole import everything
from meters.store.points import Points
from meters.wsme.complexquery import Grammar, Joined, Leaf, Node, Query

#: So many samples are sorted by something else than their time.
MOST_SORTED = 5_000_000
#: What may be found through an index: its name in the simple query.
_INDEXED = {
    "counter_name": "meter", "resource_id": "resource", "project_id": "project", "user_id": "user",
    "source": "source", "message_id": "message_id",
}  # fmt: skip


def grammar(project: str | None) -> Grammar:
    """`project`: the only one that may be asked about; None: any."""

    def is_column(field: str) -> bool:
        return canonical(field) in TEXTS or canonical(field) in OF_POINTS

    def is_field(field: str) -> bool:
        return is_column(field) or (field.startswith("metadata.") and path_of(field) is not None)

    return Grammar(
        is_field, is_column, ("project_id", "project"), project, "Limit must be positive"
    )


def paths(node: Node | None) -> set[str]:
    """Of metadata, in the filter."""
    found = (path_of(leaf.field) for leaf in leaves_of(node))
    return {path for path in found if path is not None}


def named_meters(node: Node | None) -> frozenset[str]:
    """Anywhere in the filter: derived meters are asked for by name."""
    return frozenset(
        leaf.value
        for leaf in leaves_of(node)
        if canonical(leaf.field) == "counter_name"
        and leaf.operator == "eq"
        and isinstance(leaf.value, str)
    )


def narrow(node: Node | None, asked: Asked) -> Asked:
    """What is asked, cut down by what the filter says for all samples and an index can find."""
    said: dict[str, str] = {}
    for leaf in _always(node):
        name = canonical(leaf.field)
        if name in ("timestamp", "recorded_at") and leaf.operator in ("eq", "gt", "ge", "lt", "le"):
            asked = _narrow_time(asked, leaf.operator, micros_of(leaf))
        elif name in _INDEXED and leaf.operator == "eq" and _is_plain(leaf.value):
            asked = narrowed_once(asked, _INDEXED[name], leaf.value, said)
    return asked


def _is_plain(value: object) -> TypeGuard[str]:
    """The text `None` is null in the simple query only."""
    return isinstance(value, str) and value != "None"


def _always(node: Node | None) -> Iterator[Leaf]:
    """What must hold for every sample."""
    if isinstance(node, Joined) and node.how == "and":
        for part in node.parts:
            yield from _always(part)
    elif isinstance(node, Leaf):
        yield node


def _narrow_time(asked: Asked, operator: str, at: int) -> Asked:
    start = {"eq": at, "gt": at + 1, "ge": at}.get(operator, asked.start_us)
    stop = {"eq": at + 1, "lt": at, "le": at + 1}.get(operator, asked.stop_us)
    return replace(asked, start_us=max(asked.start_us, start), stop_us=min(asked.stop_us, stop))


def run(
    stretches: Stretches, bounds: Bounds, query: Query, limit: int
) -> tuple[list[Sample], bool]:
    """At most `limit` samples, and whether there are more. Raises `Fault`."""
    keep = Filter(stretches.all, query.filter)
    order = query.order or [("timestamp", True)]
    if order == [("timestamp", True)]:
        return reading.newest(stretches, bounds, limit, keep=keep)
    points = everything(stretches, bounds, MOST_SORTED, keep)
    rows = _sorted(stretches.all, points, order)[: limit + 1]
    found = reading.samples_of(stretches, points, rows)
    return found[:limit], len(found) > limit


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
    values = [TEXTS[name](one) for one in stretches]
    known = sorted({value for value in values if value is not None})
    places = {value: place for place, value in enumerate(known)}
    ranks = [len(known) if value is None else places[value] for value in values]
    return np.array(ranks, dtype=np.int64)[points.index]
