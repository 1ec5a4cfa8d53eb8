"""What the store and a file of samples hold, to be compared."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management import call_command

from meters import wire
from meters.models import Metric, ResourceRevision
from meters.sample_file import Reader, Samples
from meters.store.read import read_points
from telemetry_site.clock import to_us

#: Of each series: (time, the value's bytes, who owned it and how it was described then).
Contents = dict[tuple[str, str, str], tuple[str, str, list[tuple[int, bytes, Any]]]]


def contents() -> Contents:
    found: Contents = {}
    for metric in Metric.objects.select_related("resource"):
        points = read_points([metric.pk])
        revisions = list(metric.resource.revisions.order_by("valid_from"))
        since = np.array([to_us(one.valid_from) for one in revisions])
        place = np.maximum(np.searchsorted(since, points.timestamps, side="right") - 1, 0)
        held = [
            (at, np.float64(value).tobytes(), _description(revisions[number]))
            for at, value, number in zip(
                points.timestamps.tolist(), points.values.tolist(), place.tolist(), strict=True
            )
        ]
        key = (metric.resource.original_id, metric.resource.creator, metric.name)
        if held:
            found[key] = metric.unit, metric.type, held
    return found


def _description(one: ResourceRevision) -> Any:
    return one.project_id, one.user_id, one.type, one.source, one.metadata


def command(*arguments: str) -> str:
    """What a command tells on the standard error."""
    told = io.StringIO()
    call_command(*arguments, stderr=told)
    return told.getvalue()


def rows_in(file: Path) -> list[tuple[str, int, float]]:
    return rows_of(file.read_bytes())


def rows_of(encoded: bytes) -> list[tuple[str, int, float]]:
    """Each sample in the file, in its order there."""
    found: list[tuple[str, int, float]] = []
    for frame in Reader(io.BytesIO(encoded)):
        if isinstance(frame, Samples):
            samples = wire.decode_batch(frame.batch).samples
            assert samples is not None
            catalogue, columns = wire.decode_catalogue(samples), wire.decode_columns(samples)
            owners = [catalogue.resources[one.resource].id for one in catalogue.series]
            plain = columns.index.tolist(), columns.timestamp.tolist(), columns.value.tolist()
            found += [(owners[n], at, value) for n, at, value in zip(*plain, strict=True)]
    return found
