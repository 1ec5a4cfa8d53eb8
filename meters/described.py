"""Samples that each come with a description of their resource, as batches of the one store.

A batch describes a resource in one way. Where samples describe one in several ways, they become
several batches, in the order of time, so that each sample finds the description it came with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from meters import wire
from meters.models import Resource
from telemetry_site.clock import now_us

AGENT_ID = "api"
#: Ways in which one resource may be described at once: each is a batch of its own.
MOST_DESCRIPTIONS = 1_000


class TooManyDescriptionsError(ValueError):
    """A resource is described in more than `MOST_DESCRIPTIONS` ways."""


class Described(NamedTuple):
    resource: wire.Resource
    meter: str
    unit: str
    type: wire.SampleType
    timestamp_us: int
    value: float


def batches(samples: Sequence[Described]) -> list[wire.Batch]:
    """In the order in which they have to be stored, each within the limits of the wire.

    Raises `TooManyDescriptionsError`, and `wire.WireError` for what breaks the format.
    """
    rounds: dict[str, int] = defaultdict(int)
    described: dict[str, wire.Resource] = {}
    parts: dict[int, list[Described]] = defaultdict(list)
    for one in sorted(samples, key=lambda one: one.timestamp_us):
        name = one.resource.id
        if described.setdefault(name, one.resource) != one.resource:
            described[name] = one.resource
            rounds[name] += 1
        parts[rounds[name]].append(one)
    if len(parts) > MOST_DESCRIPTIONS:
        raise TooManyDescriptionsError(
            f"At most {MOST_DESCRIPTIONS} descriptions of one resource are taken at once."
        )
    return [_batch(piece) for _, part in sorted(parts.items()) for piece in _pieces(part)]


def known_resources(names: Iterable[str], creator: str) -> dict[str, Resource]:
    """What there is already of this creator, by its id."""
    rows = Resource.objects.of_creator(creator).filter(original_id__any=list(names))
    return {resource.original_id: resource for resource in rows}


def _pieces(part: Sequence[Described]) -> Iterator[Sequence[Described]]:
    for first in range(0, len(part), wire.MAX_SAMPLES):
        yield part[first : first + wire.MAX_SAMPLES]


def _batch(part: Sequence[Described]) -> wire.Batch:
    resources = {one.resource.id: one.resource for one in part}
    places = {name: place for place, name in enumerate(resources)}
    series: dict[wire.Series, int] = {}
    rows = [
        series.setdefault(
            wire.Series(places[one.resource.id], one.meter, one.unit, one.type), len(series)
        )
        for one in part
    ]
    catalogue = wire.Catalogue(list(resources.values()), list(series))
    columns = [one.timestamp_us for one in part], [one.value for one in part]
    return wire.Batch(
        v=wire.VERSION, batch_id=wire.new_batch_id(), agent_id=AGENT_ID, created_at=now_us(),
        samples=wire.pack_samples(catalogue, rows, *columns),
    )  # fmt: skip
