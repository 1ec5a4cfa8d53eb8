"""What an expression is while it is computed: series by instants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from meters.aggregation import Floats, Ints

_N = TypeVar("_N", bound=np.generic)
Flags = npt.NDArray[np.bool_]
Labels = dict[str, str]
#: Equal for elements that belong together.
Key = tuple[tuple[str, str], ...]


class PromqlError(ValueError):
    """An expression that can't be evaluated; a sentence."""


class Table(NamedTuple):
    """`values` are series by instants; `there` is False where a series has no value."""

    labels: list[Labels]
    values: Floats
    there: Flags

    def where(self, there: Flags) -> Table:
        """Only what is `there` as well."""
        return self._replace(there=self.there & there)

    def computed(self, values: Floats) -> Table:
        """Other values: what results is no longer the metric of that name."""
        return self._replace(labels=[unnamed(one) for one in self.labels], values=values)


NAME = "__name__"


def unnamed(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != NAME}


def of_scalar(values: Floats) -> Table:
    """One series without labels."""
    return Table([{}], values[np.newaxis], np.ones((1, len(values)), dtype=np.bool_))


def empty(instants: int) -> Table:
    return Table([], np.empty((0, instants)), np.empty((0, instants), dtype=np.bool_))


def stacked(tables: Sequence[Table], instants: int) -> Table:
    """One below the other."""
    if not tables:
        return empty(instants)
    return Table(
        [labels for table in tables for labels in table.labels],
        np.concatenate([table.values for table in tables]),
        np.concatenate([table.there for table in tables]),
    )


def take(table: Table, rows: Sequence[int]) -> Table:
    return Table([table.labels[row] for row in rows], table.values[rows], table.there[rows])


def anywhere(there: Flags) -> Flags:
    """At which instants any of the rows has a value."""
    found: Flags = np.any(there, axis=0)
    return found


def merged(table: Table, keys: Sequence[Key], side: str) -> dict[Key, tuple[Floats, Flags]]:
    """One row for each key. Raises `PromqlError` where two of a key are there at one instant."""
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: _one(table, chosen, side) for key, chosen in rows.items()}


def _one(table: Table, rows: list[int], side: str) -> tuple[Floats, Flags]:
    if len(rows) == 1:
        return table.values[rows[0]], table.there[rows[0]]
    there = table.there[rows]
    if (there.sum(axis=0) > 1).any():
        raise PromqlError(
            f"The expression matches several elements {side} with one; say by on(…) or "
            "ignoring(…) which belong together, or aggregate first."
        )
    values: Floats = np.where(there, table.values[rows], 0.0).sum(axis=0)
    return values, anywhere(there)


class Ranges(NamedTuple):
    """For each series and instant the points [low, high) within (start, stop].

    Times are microseconds; `starts` and `stops` are those of the instants.
    """

    labels: list[Labels]
    timestamps: Ints
    values: Floats
    low: Ints
    high: Ints
    starts: Ints
    stops: Ints

    @property
    def counts(self) -> Ints:
        return self.high - self.low

    def first(self, column: npt.NDArray[_N]) -> npt.NDArray[_N]:
        """The first of each range, of a column like `values`; any number where it is empty."""
        return _at(column, self.low)

    def last(self, column: npt.NDArray[_N], back: int = 0) -> npt.NDArray[_N]:
        """The last, or one so many before it."""
        return _at(column, self.high - 1 - back)

    def reduced(self, ufunc: np.ufunc, column: Floats) -> Floats:
        """`ufunc` over each range; any number where it is empty."""
        if not self.low.size:
            return np.zeros(self.low.shape)
        padded = np.append(column, 0.0)
        edges = np.stack([self.low, self.high], axis=-1).ravel()
        result: Floats = ufunc.reduceat(padded, edges)[::2].reshape(self.low.shape)
        return result


def _at(column: npt.NDArray[_N], places: Ints) -> npt.NDArray[_N]:
    if not len(column):
        return np.zeros(places.shape, dtype=column.dtype)
    found: npt.NDArray[_N] = column[np.clip(places, 0, len(column) - 1)]
    return found
