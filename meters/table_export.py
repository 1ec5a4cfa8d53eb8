"""Samples or statistics for a file, as tables in pieces, from any of which an export may go on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from meters.api import statistics
from meters.api.tables import (
    SAMPLE_COLUMNS,
    samples_table,
    statistics_columns,
    statistics_table,
)
from meters.columnar import Block, Kind, Table
from meters.export_pieces import Piece, metrics_of, pieces, points_of
from meters.models import Metric
from meters.retention import begin
from meters.sample_file import Place, Selection
from telemetry_site.auth.principal import Principal
from telemetry_site.clock import to_us

SERIES_AT_ONCE = 100
#: Whoever may run commands here sees everything.
OPERATOR = Principal(user_id="", name="manage.py", is_admin=True)
_GROUPED_BY = ("metric", "meter")
_KEYS = ("metric", "resource", "resource_id", "meter")


class Asked(msgspec.Struct, frozen=True):
    """Statistics where there is a granularity (µs), else samples."""

    selection: Selection
    granularity: int | None = None
    methods: tuple[str, ...] = ()


class TablePiece(NamedTuple):
    """Who has written the table is done up to `place`."""

    table: Table
    place: Place


def columns_of(asked: Asked) -> dict[str, Kind]:
    return SAMPLE_COLUMNS if asked.granularity is None else statistics_columns(_KEYS, asked.methods)


def table_pieces(asked: Asked, place: Place | None = None) -> Iterator[TablePiece]:
    """From `place` on; `asked` is `settled`."""
    return _samples(asked, place) if asked.granularity is None else _statistics(asked, place)


def _samples(asked: Asked, place: Place | None) -> Iterator[TablePiece]:
    for piece in pieces(asked.selection, place):
        yield TablePiece(Table(SAMPLE_COLUMNS, _blocks(piece)), piece.place)


def _blocks(piece: Piece) -> Iterator[Block]:
    for metrics, points in points_of(piece):
        yield from samples_table(metrics, [points]).blocks


def settled(asked: Asked, now: datetime) -> Asked:
    """With both ends of the time, so that an export that goes on later counts the same buckets.

    Raises `LimitError` where even one series would have too many of them.
    """
    if asked.granularity is None:
        return asked
    selection, width = asked.selection, asked.granularity
    start = selection.start
    if start is None:
        start = to_us(begin(list(metrics_of(selection)), now))
    stop = to_us(now) if selection.stop is None else selection.stop
    fixed = msgspec.structs.replace(selection, start=start // width * width, stop=stop)
    found = msgspec.structs.replace(asked, selection=fixed)
    statistics.check_limits(_query(found), [])
    return found


def _query(asked: Asked) -> statistics.Query:
    start, stop, width = asked.selection.start, asked.selection.stop, asked.granularity
    assert start is not None
    assert stop is not None
    assert width is not None
    return statistics.Query(start, stop, width, asked.methods)


def _statistics(asked: Asked, place: Place | None) -> Iterator[TablePiece]:
    """Series by series, in the order of their primary keys."""
    query = _query(asked)
    if query.buckets <= 0:
        return
    size = min(max(statistics.MAX_POINTS // query.buckets, 1), SERIES_AT_ONCE)
    last = place.last if place else 0
    while metrics := _series(asked.selection, last, size):
        groups = statistics.make_groups(metrics, _GROUPED_BY)
        results = statistics.compute(OPERATOR, query, groups)
        first, last = metrics[0].pk, metrics[-1].pk
        yield TablePiece(
            statistics_table(query, groups, results), Place(first, last, query.stop_us)
        )


def _series(selection: Selection, last: int, size: int) -> list[Metric]:
    found = metrics_of(selection).filter(pk__gt=last).select_related("resource")
    return list(found.order_by("pk")[:size])
