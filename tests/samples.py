"""Reading what a `BatchBuilder` holds, for tests."""

from __future__ import annotations

from typing import NamedTuple

from meters import wire
from pollers.batch import BatchBuilder


class Sample(NamedTuple):
    resource: wire.Resource
    series: wire.Series
    value: float
    at_us: int


def samples_of(builder: BatchBuilder) -> dict[tuple[str, str], Sample]:
    """{(resource id, meter): sample}; fails where one is there twice."""
    found: dict[tuple[str, str], Sample] = {}
    for batch in builder.batches():
        if batch.samples is None:
            continue
        catalogue = wire.decode_catalogue(batch.samples)
        columns = wire.decode_columns(batch.samples)
        for index, at, value in zip(columns.index, columns.timestamp, columns.value, strict=True):
            series = catalogue.series[index]
            resource = catalogue.resources[series.resource]
            key = resource.id, series.meter
            assert key not in found, f"{key} twice"
            found[key] = Sample(resource, series, float(value), int(at))
    return found


def values_of(builder: BatchBuilder) -> dict[tuple[str, str], float]:
    return {key: sample.value for key, sample in samples_of(builder).items()}
