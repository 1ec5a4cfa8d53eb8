"""The shape in which points leave the store."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Points(NamedTuple):
    """Points of several series as parallel arrays, sorted by (index, timestamp), no duplicates.

    `index` is the position of the series in the list that was asked for, `timestamps` are
    microseconds since the epoch (UTC), `values` are finite.
    """

    index: npt.NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.index, on purpose
    timestamps: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64] | slice) -> Points:
        return Points(self.index[chosen], self.timestamps[chosen], self.values[chosen])


def join(parts: Sequence[Points]) -> Points:
    """One after the other, as they are; at least one."""
    if len(parts) == 1:
        return parts[0]
    return Points(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def split(counts: npt.NDArray[np.int64], most: int) -> Iterator[slice]:
    """Places whose counts come to about `most` together, one behind the other.

    A part has less than `most` before its last place; all places are in one, if there are any.
    """
    before = np.cumsum(counts) - counts
    firsts = np.flatnonzero(np.diff(before // most, prepend=-1)).tolist()
    for first, end in itertools.pairwise([*firsts, len(counts)]):
        yield slice(first, end)
