"""Which elements of two sides belong together."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from meters.aggregation import Floats
from meters.promql.tables import Flags, Key, Labels, Table, merged, stacked, take, unnamed
from meters.promql.tree import Binary, Grouping


class Pairs(NamedTuple):
    """`table` has the labels of the results, the values of the left side, and where both are
    there."""

    table: Table
    left: Floats
    right: Floats

    @property
    def labels(self) -> list[Labels]:
        return self.table.labels


def combined(node: Binary, left: Table, right: Table) -> Pairs:
    """Raises `PromqlError` where several elements of a side that should be one match one."""
    if node.many == "right":
        turned = combined(replace(node, many="left"), right, left)
        return Pairs(turned.table._replace(values=turned.right), turned.right, turned.left)
    own, other = _keys(node.matching, left), _keys(node.matching, right)
    ones = merged(right, other, "of its right side")
    if not node.many:
        merged(left, own, "of its left side")
    labels_of = dict(zip(other, right.labels, strict=True))
    rows = [row for row, key in enumerate(own) if key in ones]
    chosen = take(left, rows)
    if not rows:
        return Pairs(chosen, chosen.values, chosen.values)
    values = np.stack([ones[own[row]][0] for row in rows])
    there = np.stack([ones[own[row]][1] for row in rows])
    labels = [_labels(node, left.labels[row], own[row], labels_of[own[row]]) for row in rows]
    return Pairs(chosen.where(there)._replace(labels=labels), chosen.values, values)


def setwise(node: Binary, left: Table, right: Table) -> Table:
    """`and`, `or`, `unless`."""
    own, other = _keys(node.matching, left), _keys(node.matching, right)
    if node.operator == "or":
        have = _there(left, own)
        rows = [
            right.there[row] & ~have[key] if key in have else right.there[row]
            for row, key in enumerate(other)
        ]
        added = right._replace(there=np.stack(rows)) if rows else right
        # Only what adds anything: else the same series, joined again and again, fill the memory.
        kept = take(added, np.flatnonzero(added.there.any(axis=1)).tolist())
        return stacked([left, kept], left.values.shape[1])
    have = _there(right, other)
    nowhere = np.zeros(left.values.shape[1], dtype=np.bool_)
    found = np.array([have.get(key, nowhere) for key in own], dtype=np.bool_)
    found = found.reshape(left.there.shape)
    return left.where(found if node.operator == "and" else ~found)


def _there(table: Table, keys: list[Key]) -> dict[Key, Flags]:
    found: dict[Key, Flags] = {}
    for row, key in enumerate(keys):
        found[key] = found[key] | table.there[row] if key in found else table.there[row]
    return found


def _keys(grouping: Grouping, table: Table) -> list[Key]:
    return [tuple(sorted(grouping.key(labels).items())) for labels in table.labels]


def _labels(node: Binary, own: Labels, key: Key, other: Labels) -> Labels:
    """A comparison that chooses leaves the element its name, too, unless it was not matched by."""
    if node.many:
        included = {name: other.get(name, "") for name in node.included}
        labels = {name: value for name, value in (own | included).items() if value}
        return labels if node.chooses else unnamed(labels)
    if node.chooses and node.matching.is_without:
        ignored = node.matching.labels
        return {name: value for name, value in own.items() if name not in ignored}
    return dict(key)
