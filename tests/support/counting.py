"""Counters for tests, stored by the way of every sample."""

from __future__ import annotations

from meters import wire
from meters.store.write import store_batch
from pollers.batch import BatchBuilder


def counted(
    *samples: tuple[wire.Resource, str, float, int],
    unit: str = "ns",
    type: wire.SampleType = "cumulative",
) -> None:
    """(resource, meter, value, time in µs), one by one: a batch describes a resource in one way."""
    for one in samples:
        builder = BatchBuilder("compute.h1")
        assert builder.add(*one, unit, type)
        for batch in builder.batches():
            store_batch(batch)
