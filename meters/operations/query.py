"""What stands beside the operations in a request: bounds, granularity, fill, needed overlap."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, get_args

from meters.operations.errors import OperationsError, bad_argument, not_computable
from meters.operations.tree import Reference

FillName = Literal["dropna", "null", "ffill", "bfill", "full_ffill", "full_bfill"]
Fill = FillName | float
_FILL_NAMES: dict[str, FillName] = {name: name for name in get_args(FillName)}


class Query(NamedTuple):
    """Which points count, and what stands for the missing ones.

    `start_us` is rounded down to each granularity, `stop_us` is exclusive and not rounded; None
    is no bound. `fill` wins over `needed_overlap` (percent); neither is as ``dropna``.
    """

    start_us: int | None = None
    stop_us: int | None = None
    fill: Fill | None = None
    needed_overlap: float | None = None

    @property
    def drops_missing(self) -> bool:
        """Whether only finite values are given out."""
        if self.fill is None:
            return self.needed_overlap is None
        return isinstance(self.fill, str) and self.fill != "null"


def parse_fill(text: str) -> Fill:
    """A finite number or a name. Raises `OperationsError`."""
    if text in _FILL_NAMES:
        return _FILL_NAMES[text]
    number = _finite(text)
    if number is None:
        *names, last = (repr(name) for name in _FILL_NAMES)
        raise bad_argument("fill", f"Must be a float, {', '.join(names)} or {last}")
    return number


def parse_needed_overlap(text: str) -> float:
    """A percentage. Raises `OperationsError`."""
    number = _finite(text)
    if number is None:
        raise bad_argument("needed_overlap", "Must be a number")
    return number


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def common_granularities(
    offered: Sequence[tuple[Reference, Collection[int]]], wanted_us: int | None = None
) -> list[int]:
    """At which granularities all series have points, coarsest first, in microseconds.

    `offered` are those of each series' archive policy, with the reference that means the series.
    Raises `OperationsError` when some lack the wanted one, or when there is none in common.
    """
    if wanted_us is not None:
        lacking = [reference for reference, held in offered if wanted_us not in held]
        if lacking:
            detail = [[*reference, wanted_us / 1e6] for reference in lacking]
            cause = "Metrics cannot be aggregated"
            raise OperationsError(cause, "Granularities are missing", detail)
        return [wanted_us]
    common = set.intersection(*(set(held) for _, held in offered)) if offered else set()
    if not common:
        raise not_computable("No granularity match", [reference for reference, _ in offered])
    return sorted(common, reverse=True)
