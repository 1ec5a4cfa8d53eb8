"""An export request as samples of the one store, and what of it is refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from meters import wire
from meters.api.errors import TooLargeError
from meters.api.names import flaw_of
from meters.described import Described, known_resources
from meters.models import Resource
from meters.otlp_api.points import Reader, RefusedError, points_of
from meters.otlp_api.resources import attributes_of, labels_of, resource_id
from meters.retention import earliest
from meters.series_names import series_name
from meters.store.write import FUTURE_ALLOWANCE
from telemetry_site.clock import now, to_us

SOURCE = "otlp"
#: Data points of one request, and samples that they may be together.
MOST_POINTS = 50_000
#: Resources, scopes and metrics of one request, which may be empty.
MOST_PARTS = 50_000
REASONS_TOLD = 10
_NS_A_US = 1_000


class Times(NamedTuple):
    """Samples may lie in [earliest_us, latest_us] (K3)."""

    earliest_us: int
    latest_us: int

    @classmethod
    def of_now(cls) -> Times:
        moment = now()
        return cls(to_us(earliest(moment)), to_us(moment + FUTURE_ALLOWANCE))


@dataclass
class Reading:
    """`reasons` counts the refused data points by why; a reason may be of none."""

    samples: list[Described] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def refuse(self, reason: str, points: int = 1) -> None:
        self.reasons[reason] += points
        self.refused += points

    @property
    def reason(self) -> str:
        """Empty where nothing was refused."""
        told = [
            f"{count} data points: {reason}" if count else reason
            for reason, count in self.reasons.most_common(REASONS_TOLD)
        ]
        more = len(self.reasons) - len(told)
        return "; ".join([*told, *([f"{more} more reasons"] if more > 0 else [])])


def read(request: Any, project: str) -> Reading:
    """`project` "" is the installation itself. Raises `TooLargeError`."""
    _check_size(request)
    found = Reading()
    named = []
    for one in request.resource_metrics:
        attributes = attributes_of(one.resource.attributes)
        resource = wire.Resource(
            resource_id(attributes), project or None, None, "generic", attributes, SOURCE
        )
        try:
            _check(resource)
        except wire.WireError as error:
            _refuse_all(found, one, str(error))
        else:
            named.append((resource, one))
    known = known_resources({resource.id for resource, _ in named}, project)
    times = Times.of_now()
    for resource, one in named:
        described = _as_known(resource, known.get(resource.id))
        for metric in _metrics(one):
            _read_metric(found, described, metric, times)
    return found


def _check_size(request: Any) -> None:
    """Before anything is made of it: an empty part takes two bytes, and next to none in gzip."""
    count = 0
    for parts in _parts(request):
        count += parts
        if count > MOST_PARTS:
            raise TooLargeError(
                f"More than {MOST_PARTS} resources, scopes and metrics in one request: send fewer."
            )


def _parts(request: Any) -> Iterator[int]:
    for one in request.resource_metrics:
        yield 1
        for scope in one.scope_metrics:
            yield 1 + len(scope.metrics)


def _check(resource: wire.Resource) -> None:
    wire.check_resource("resource", resource)
    flaw = flaw_of(resource.id)
    if flaw:
        raise wire.WireError(f"resource.id: {flaw}")


def _as_known(resource: wire.Resource, known: Resource | None) -> wire.Resource:
    """What is there already stays its owner's, of its kind and source."""
    if known is None:
        return resource
    return wire.Resource(
        resource.id, known.project_id, known.user_id, known.type, resource.metadata, known.source
    )


def _metrics(one: Any) -> Iterator[Any]:
    for scope in one.scope_metrics:
        yield from scope.metrics


def _refuse_all(found: Reading, one: Any, reason: str) -> None:
    for metric in _metrics(one):
        points, _ = _points(found, metric)
        found.refuse(reason, sum(1 for _ in points))


def _read_metric(found: Reading, resource: wire.Resource, metric: Any, times: Times) -> None:
    points, reader = _points(found, metric)
    for point in points:
        if len(found.samples) + found.refused >= MOST_POINTS:
            raise TooLargeError(f"More than {MOST_POINTS} samples in one request: send fewer.")
        try:
            found.samples += _samples(resource, metric.name, point, reader, times)
        except (RefusedError, wire.WireError) as error:
            found.refuse(f"{metric.name[:100]} {error}")


def _points(found: Reading, metric: Any) -> tuple[Iterable[Any], Reader]:
    try:
        return points_of(metric)
    except RefusedError as error:
        found.refuse(f"{metric.name[:100]} {error}", 0)
        return (), lambda _: ()


def _samples(
    resource: wire.Resource, name: str, point: Any, reader: Reader, times: Times
) -> list[Described]:
    """Raises `RefusedError` and `wire.WireError`."""
    labels = labels_of(point.attributes)
    values = list(reader(point))
    timestamp_us = point.time_unix_nano // _NS_A_US
    if values:
        _check_time(timestamp_us, times)
    found = []
    for one in values:
        if not math.isfinite(one.value):
            raise RefusedError(f"has a value that is no finite number: {one.value}")
        meter = series_name(name + one.suffix, {**labels, **one.labels})
        wire.check_text("name", meter, required=True)
        wire.check_text("unit", one.unit)
        flaw = flaw_of(meter)
        if flaw:
            raise RefusedError(f"{flaw} in its name or attributes")
        found.append(Described(resource, meter, one.unit, one.type, timestamp_us, one.value))
    return found


def _check_time(timestamp_us: int, times: Times) -> None:
    if not timestamp_us:
        raise RefusedError("has no time")
    if timestamp_us > times.latest_us:
        raise RefusedError("lies in the future")
    if timestamp_us < times.earliest_us:
        raise RefusedError("is older than what is kept")
