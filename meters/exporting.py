"""Samples on their way out, as batches that `store_batches` takes in again.

Resource by resource, each in the order of time, so that whoever stores the batches one after the
other files the same revisions again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt

from meters import wire
from meters.export_pieces import Piece, Window, pieces
from meters.models import Metric, Resource, ResourceRevision
from meters.sample_file import Place, Samples, Selection
from meters.store.points import Points
from meters.store.read import read_points
from telemetry_site.clock import from_us, now_us, to_us

MAX_BATCH_BYTES = wire.MAX_MESSAGE_BYTES
AGENT_ID = "export"


@dataclass(frozen=True)
class History:
    """A resource as it was from each of the times `since_us` on."""

    creator: str
    since_us: npt.NDArray[np.int64]
    revisions: list[wire.Resource]

    def at(self, timestamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Which revision holds at each time; before the first one, that."""
        return np.maximum(np.searchsorted(self.since_us, timestamps, side="right") - 1, 0)

    def resource(self, timestamp_us: int) -> wire.Resource:
        return self.revisions[int(self.at(np.array([timestamp_us]))[0])]


def export(selection: Selection, place: Place | None = None) -> Iterator[Samples]:
    """The samples from `place` on. What bears a place completes the file up to there."""
    histories: dict[int, History] = {}
    known: list[int] = []
    for piece in pieces(selection, place):
        if piece.resources != known:
            known = piece.resources
            histories = _histories(known)
        metrics = [one for one in piece.metrics if one.resource_id in histories]
        held = None
        for one in _window(metrics, histories, piece) if metrics else ():  # not deleted just now
            if held is not None:
                yield held
            held = one
        if held is not None:
            yield msgspec.structs.replace(held, place=piece.place)


def _window(
    metrics: Sequence[Metric], histories: Mapping[int, History], piece: Piece
) -> Iterator[Samples]:
    """In parts of it, each with all its series or each with one revision of its one resource."""
    window, parts = piece.window, piece.parts
    if parts <= 1:
        yield from _batches(metrics, histories, window)
        return
    (history,) = histories.values()
    changes = [from_us(one) for one in history.since_us.tolist()]
    inside = [one for one in changes if window.start < one < window.stop]
    size = -(-len(metrics) // parts)
    for start, stop in pairwise([window.start, *inside, window.stop]):
        for at in range(0, len(metrics), size):
            part = Window(start, stop, window.points)
            yield from _batches(metrics[at : at + size], histories, part)


def _batches(
    metrics: Sequence[Metric], histories: Mapping[int, History], window: Window
) -> Iterator[Samples]:
    """A batch holds one revision of each resource, the earlier ones come first."""
    points = read_points([metric.pk for metric in metrics], window.start, window.stop)
    if not len(points.index):
        return
    revision = np.zeros(len(points.index), dtype=np.int64)
    edges = np.searchsorted(points.index, np.arange(len(metrics) + 1))
    for metric, (first, end) in zip(metrics, pairwise(edges.tolist()), strict=True):
        revision[first:end] = histories[metric.resource_id].at(points.timestamps[first:end])
    creators = [histories[metric.resource_id].creator for metric in metrics]
    of_creator = np.array([sorted(set(creators)).index(one) for one in creators])[points.index]
    for number in np.unique(revision).tolist():
        for place, creator in enumerate(sorted(set(creators))):
            chosen = points.take((revision == number) & (of_creator == place))
            for at in range(0, len(chosen.index), wire.MAX_SAMPLES):
                part = chosen.take(np.arange(at, min(at + wire.MAX_SAMPLES, len(chosen.index))))
                for batch, samples in _encoded(metrics, histories, part):
                    yield Samples(batch, samples, creator)


def _encoded(
    metrics: Sequence[Metric], histories: Mapping[int, History], points: Points
) -> Iterator[tuple[bytes, int]]:
    """The points as one batch, or as several where their resources are too much for one."""
    count = len(points.index)
    batch = wire.encode(_batch(metrics, histories, points))
    if len(batch) <= MAX_BATCH_BYTES or count == 1:
        yield batch, count
        return
    for half in np.array_split(np.arange(count), 2):
        yield from _encoded(metrics, histories, points.take(half))


def _batch(
    metrics: Sequence[Metric], histories: Mapping[int, History], points: Points
) -> wire.Batch:
    """Of points of which no two show one resource in two revisions."""
    used, first, index = np.unique(points.index, return_index=True, return_inverse=True)
    rows: dict[int, int] = {}
    resources: list[wire.Resource] = []
    series: list[wire.Series] = []
    for place, at in zip(used.tolist(), first.tolist(), strict=True):
        metric = metrics[place]
        if metric.resource_id not in rows:
            rows[metric.resource_id] = len(resources)
            resources.append(histories[metric.resource_id].resource(int(points.timestamps[at])))
        row, kind = rows[metric.resource_id], cast(wire.SampleType, metric.type)
        series.append(wire.Series(row, metric.name, metric.unit, kind))
    columns = wire.Columns(index.astype(np.uint32), points.timestamps, points.values)
    packed = wire.pack_columns(wire.encode(wire.Catalogue(resources, series)), columns)
    return wire.Batch(wire.VERSION, wire.new_batch_id(), AGENT_ID, now_us(), samples=packed)


def _histories(resources: Sequence[int]) -> dict[int, History]:
    """What was never described by a revision is as it is now."""
    revisions: dict[int, list[ResourceRevision]] = defaultdict(list)
    for one in ResourceRevision.objects.filter(resource__in=resources).order_by("valid_from"):
        revisions[one.resource_id].append(one)
    found = {}
    for resource in Resource.objects.filter(pk__in=resources):
        filed = revisions[resource.pk]
        since_us = np.array([to_us(one.valid_from) for one in filed], dtype=np.int64)
        described = [_described(resource, one) for one in filed] or [_described(resource, resource)]
        found[resource.pk] = History(resource.creator, since_us, described)
    return found


def _described(resource: Resource, revision: Resource | ResourceRevision) -> wire.Resource:
    return wire.Resource(
        resource.original_id, revision.project_id, revision.user_id, revision.type,
        {name: _plain(value) for name, value in revision.metadata.items()}, revision.source,
    )  # fmt: skip


def _plain(value: Any) -> Any:
    """JSON in the database has integers of any length: 1e300 comes back as one."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    is_long = isinstance(value, int) and not wire.MIN_INTEGER <= value <= wire.MAX_INTEGER
    return float(value) if is_long else value
