"""What an export goes through: resource by resource, each in the order of time.

What is in memory at once is bounded by `POINTS_AT_ONCE`, or by one day of one series. What arrives
meanwhile may be in it or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from meters.models import Metric
from meters.sample_file import Place, Selection
from meters.store.moments import points_by_day
from meters.store.points import Points
from meters.store.read import BEGINNING, END, read_points
from telemetry_site.clock import from_us, to_us

RESOURCES_AT_ONCE = 100
POINTS_AT_ONCE = 1_000_000
_DAY = timedelta(days=1)


class Window(NamedTuple):
    """Time [start, stop) with so many points at the most."""

    start: datetime
    stop: datetime
    points: int


def metrics_of(selection: Selection) -> QuerySet[Metric]:
    """The metrics whose samples are selected."""
    found = Metric.objects.all()
    if selection.meters:
        found = found.filter(name__in=selection.meters)
    if selection.resources:
        found = found.filter(
            Q(resource__original_id__in=selection.resources)
            | Q(resource__uuid__in=[one for one in map(_uuid, selection.resources) if one])
        )
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class Piece(NamedTuple):
    """All samples of some resources in a window; who has written it is done up to `place`.

    `metrics` are ordered by resource, their resources are loaded.
    """

    metrics: list[Metric]
    window: Window
    place: Place

    @property
    def resources(self) -> list[int]:
        return sorted({metric.resource_id for metric in self.metrics})

    @property
    def parts(self) -> int:
        """In so many its metrics should be read; more than one only where it is one resource."""
        return -(-self.window.points // POINTS_AT_ONCE)


def pieces(selection: Selection, place: Place | None = None) -> Iterator[Piece]:
    """What is selected, from `place` on."""
    metrics = metrics_of(selection).select_related("resource")
    start = _time(selection.start, BEGINNING)
    last = 0
    if place is not None:
        last = place.last
        begun = metrics.filter(resource_id__gte=place.first, resource_id__lte=place.last)
        yield from _group(list(begun), max(start, from_us(place.until)), selection)
    while resources := _next(metrics, last):
        last = resources[-1]
        yield from _group(list(metrics.filter(resource_id__in=resources)), start, selection)


def points_of(piece: Piece) -> Iterator[tuple[list[Metric], Points]]:
    """The piece's samples, in parts that fit into memory; the index is the place in the metrics."""
    size = -(-len(piece.metrics) // max(piece.parts, 1))
    for at in range(0, len(piece.metrics), size):
        part = piece.metrics[at : at + size]
        series = [metric.pk for metric in part]
        yield part, read_points(series, piece.window.start, piece.window.stop)


def _time(moment_us: int | None, default: datetime) -> datetime:
    return default if moment_us is None else from_us(moment_us)


def _next(metrics: QuerySet[Metric], last: int) -> list[int]:
    rows = metrics.filter(resource_id__gt=last).order_by("resource_id")
    return list(rows.values_list("resource_id", flat=True).distinct()[:RESOURCES_AT_ONCE])


def _group(metrics: list[Metric], start: datetime, selection: Selection) -> Iterator[Piece]:
    """All of some resources; one by one where a day of them is too much at once."""
    stop = _time(selection.stop, END)
    if not metrics or start >= stop:
        return
    metrics.sort(key=lambda metric: (metric.resource_id, metric.pk))
    days = points_by_day([metric.pk for metric in metrics], start, stop)
    owners = sorted({metric.resource_id for metric in metrics})
    if max(days.values(), default=0) > POINTS_AT_ONCE and len(owners) > 1:
        middle = owners[len(owners) // 2]
        yield from _group([one for one in metrics if one.resource_id < middle], start, selection)
        yield from _group([one for one in metrics if one.resource_id >= middle], start, selection)
        return
    for window in _windows(days, start, stop):
        yield Piece(metrics, window, Place(owners[0], owners[-1], to_us(window.stop)))


def _windows(days: Mapping[datetime, int], start: datetime, stop: datetime) -> Iterator[Window]:
    """Whole days together, as long as their points are not too many."""
    first, points = start, 0
    for day, following in pairwise([*sorted(days), stop]):
        points += days[day]
        if following == stop or points + days[following] > POINTS_AT_ONCE:
            end = min(day + _DAY, stop)
            yield Window(max(first, start), end, points)
            first, points = end, 0
