"""Which series answer each other in a function of two operands."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from meters.aggregation import Floats
from meters.operations.errors import Pairs, not_computable
from meters.operations.grid import Grid

Columns = tuple[int, ...] | None


def pair(
    grids: Sequence[Grid], owners: Sequence[Hashable] | None, references: Pairs
) -> tuple[list[Floats], Columns]:
    """The values of the grids so that they can be combined, and whose columns the result has.

    1. An aggregate, and one series beside no more than one, goes with every series.
    2. With `owners` (the resource of each series) the others go by resource; a resource that is
       missing on one side gives no result. Several series of one resource are an error.
    3. Without `owners` they go in their order, and one goes with all; other numbers of series
       are an error.
    """
    several = any(grid.values.shape[1] != 1 for grid in grids)
    if several and owners is not None:
        return _by_owner(grids, owners, references)
    widths = {grid.values.shape[1] for grid in grids} - {1}
    if len(widths) > 1:
        numbers = " and ".join(str(grid.values.shape[1]) for grid in grids)
        raise not_computable(f"Operands of {numbers} series don't go together", references)
    widest = max(grids, key=lambda grid: (grid.values.shape[1] != 1, grid.columns is not None))
    return [grid.values for grid in grids], widest.columns


def _by_owner(
    grids: Sequence[Grid], owners: Sequence[Hashable], references: Pairs
) -> tuple[list[Floats], Columns]:
    places = [_places(grid, owners, references) for grid in grids]
    named = [one for one in places if one is not None]
    common = [owner for owner in named[0] if all(owner in other for other in named)]
    values = [
        grid.values if place is None else grid.values[:, [place[owner] for owner in common]]
        for grid, place in zip(grids, places, strict=True)
    ]
    first = next(grid.columns for grid in grids if grid.columns is not None)
    return values, tuple(first[named[0][owner]] for owner in common)


def _places(
    grid: Grid, owners: Sequence[Hashable], references: Pairs
) -> dict[Hashable, int] | None:
    """The column of each owner; None when the grid belongs to none."""
    if grid.columns is None:
        return None
    places = {owners[column]: place for place, column in enumerate(grid.columns)}
    if len(places) < len(grid.columns):
        several = "An operand has several series of one resource, aggregate them"
        raise not_computable(several, references)
    return places
