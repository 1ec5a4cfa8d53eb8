"""Points of stored and of derived series by their numbers, as `meters.store.read` has them.

Of stored series alone nothing else is done. Of derived ones the sources are read, from so far
before the time that the first sample in it has one to be made of (`rule.LONGEST_US` at the most),
with what their resources said of themselves meanwhile: two queries more a read, whatever the number
of series.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import structlog

from meters.aggregation import between
from meters.derived.definitions import Definition, current
from meters.derived.rule import LONGEST_US, How, derive
from meters.derived.series import code_of, source_of
from meters.metrics import DERIVED_WITHOUT_SCALE
from meters.models import Metric, ResourceRevision
from meters.queries import extract
from meters.store import moments
from meters.store import read as store
from meters.store.points import Points, join
from telemetry_site.clock import to_us
from telemetry_site.conversions import Path, Scale
from telemetry_site.expressions import EvaluationError

log = structlog.get_logger(__name__)

#: The sample before a time is looked for in so much of what was before; where it isn't, in all that
#: counts.
NEAR = timedelta(minutes=20)
FAR = timedelta(microseconds=LONGEST_US)

Ints = npt.NDArray[np.int64]


class Fetched(Protocol):
    """As `meters.store.read.Fetched`."""

    def points(self) -> Points: ...

    def blocks(self) -> Iterator[Points]: ...


class _Made(NamedTuple):
    """Points that wait for nothing."""

    found: Points

    def points(self) -> Points:
        return self.found

    def blocks(self) -> Iterator[Points]:
        yield self.found


class _Source(NamedTuple):
    name: str
    unit: str
    type: str
    resource_id: int


class _Said(NamedTuple):
    """By a resource, from a time on: whose it is, and what is at paths of its metadata."""

    since_us: int
    project_id: str | None
    metadata: Mapping[Path, Any]


def has_derived(series_ids: Sequence[int]) -> bool:
    return bool(len(series_ids)) and code_of(max(series_ids)) > 0


def read_points(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Points:
    return fetch_points(series_ids, start, stop, most).points()


def fetch_points(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Fetched:
    """Of derived series all is done at once: what is still to be read depends on what was."""
    if not has_derived(series_ids):
        return store.fetch_points(series_ids, start, stop, most)
    is_derived = np.array([code_of(one) > 0 for one in series_ids])
    parts = []
    for chosen, read in ((~is_derived, store.read_points), (is_derived, _read_derived)):
        places = np.flatnonzero(chosen)
        ids = [series_ids[place] for place in places.tolist()]
        found = read(ids, start, stop, most)
        parts.append(found._replace(index=places[found.index]))
    return _Made(_arranged(join(parts)))


def read_points_after_their_predecessors(
    series_ids: Sequence[int],
    start: datetime | None = None,
    stop: datetime | None = None,
    most: int | None = None,
) -> Points:
    """As of the store, but of derived series no further back than a sample of theirs would be."""
    if not has_derived(series_ids):
        return store.read_points_after_their_predecessors(series_ids, start, stop, most)
    return read_points(series_ids, None if start is None else start - FAR, stop, most)


def points_by_day(
    series_ids: Sequence[int], start: datetime, stop: datetime
) -> dict[datetime, int]:
    """Of derived series as many as of their sources, at the most."""
    if not has_derived(series_ids):
        return moments.points_by_day(series_ids, start, stop)
    counts: dict[datetime, int] = defaultdict(int)
    stored = [one for one in series_ids if not code_of(one)]
    for ids in (stored, *_distinct_sources(series_ids)):
        for day, count in moments.points_by_day(ids, start, stop).items():
            counts[day] += count
    return dict(counts)


def _distinct_sources(series_ids: Iterable[int]) -> list[list[int]]:
    """The sources of derived series, by the definitions: a list has none twice."""
    by_code: dict[int, list[int]] = defaultdict(list)
    for one in series_ids:
        if code_of(one):
            by_code[code_of(one)].append(source_of(one))
    return list(by_code.values())


# --- derived ones ------------------------------------------------------------------------------


def _read_derived(
    series_ids: Sequence[int], start: datetime | None, stop: datetime | None, most: int | None
) -> Points:
    """Two definitions may share a source; it is read once."""
    sources = sorted(set(map(source_of, series_ids)))
    points = _after_predecessors(sources, start, stop, most)
    hows = _hows(series_ids)
    place_of = {source: place for place, source in enumerate(sources)}
    edges = np.searchsorted(points.index, np.arange(len(sources) + 1)).tolist()
    parts = []
    for place, one in enumerate(series_ids):
        if one in hows:
            source = place_of[source_of(one)]
            rows = slice(edges[source], edges[source + 1])
            times = points.timestamps[rows]
            parts.append(Points(np.full(len(times), place), times, points.values[rows]))
    if not parts:
        return points.take(np.zeros(len(points.index), dtype=np.bool_))
    made = derive(join(parts), [hows.get(one, _NOTHING) for one in series_ids])
    return between(made, None if start is None else to_us(start), None)


def _after_predecessors(
    ids: Sequence[int], start: datetime | None, stop: datetime | None, most: int | None
) -> Points:
    """The points in [start, stop), and of each series that has any the one before these."""
    if start is None:
        return store.read_points(ids, None, stop, most)
    near = start - NEAR
    points = store.read_points(ids, near, stop, most)
    inside = points.timestamps >= to_us(start)
    lacking = np.setdiff1d(points.index[inside], points.index[~inside])
    if not len(lacking):
        return points
    far = store.read_points([ids[place] for place in lacking.tolist()], start - FAR, near, most)
    return _arranged(join([far._replace(index=lacking[far.index]), points]))


def _arranged(points: Points) -> Points:
    """Sorted by (index, time)."""
    return points.take(np.lexsort((points.timestamps, points.index)))


_BEGINNING = np.full(1, np.iinfo(np.int64).min)
_NO_OWNER = np.zeros(1, dtype=np.int64)
#: Of a series that is none: nothing is read of it.
_NOTHING = How(False, False, False, None, _BEGINNING, _NO_OWNER, np.ones(1))


def _hows(series_ids: Sequence[int]) -> dict[int, How]:
    """Of each derived series that there is."""
    by_code = current().by_code
    known = {one: by_code[code_of(one)] for one in series_ids if code_of(one) in by_code}
    sources = _sources(set(map(source_of, known)))
    paths = sorted({
        path
        for one in known.values() if one.derivation.is_rate
        for path in one.derivation.conversion.scale.metadata.values()
    })  # fmt: skip
    said = _said({one.resource_id for one in sources.values()}, paths)
    scaled = _Scales()
    return {
        one: _how(definition, source, said.get(source.resource_id) or [_Said(0, None, {})], scaled)
        for one, definition in known.items()
        if (source := sources.get(source_of(one))) is not None
    }


def _sources(ids: Iterable[int]) -> dict[int, _Source]:
    rows = Metric.objects.filter(pk__any=list(ids))
    columns = rows.values_list("pk", "name", "unit", "type", "resource_id")
    return {pk: _Source(name, unit, type_, resource) for pk, name, unit, type_, resource in columns}


def _said(resources: Iterable[int], paths: Sequence[Path]) -> dict[int, list[_Said]]:
    """By the resource, in the order of time."""
    rows = ResourceRevision.objects.filter(resource__id__any=list(resources))
    found: dict[int, list[_Said]] = defaultdict(list)
    for resource, since, project, *values in rows.order_by("valid_from").values_list(
        "resource_id", "valid_from", "project_id", *(extract("metadata", *path) for path in paths)
    ):
        metadata = dict(zip(paths, values, strict=True))
        found[resource].append(_Said(to_us(since), project, metadata))
    return found


def _how(definition: Definition, source: _Source, said: Sequence[_Said], scaled: _Scales) -> How:
    derivation = definition.derivation
    owners = [0]
    for before, after in pairwise(said):
        owners.append(owners[-1] + (before.project_id != after.project_id))
    scales = [scaled.of(definition, source, one.metadata) for one in said]
    return How(
        is_rate=derivation.is_rate,
        is_counter=source.type == Metric.Type.CUMULATIVE,
        growth_only=derivation.growth_only,
        most=derivation.conversion.most,
        since=np.array([one.since_us for one in said], dtype=np.int64),
        owners=np.array(owners, dtype=np.int64),
        scales=np.array(scales, dtype=np.float64),
    )


class _Scales:
    """What scales come to, each asked once; NaN where there is none, which the log says."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], float] = {}

    def of(self, definition: Definition, source: _Source, metadata: Mapping[Path, Any]) -> float:
        scale = definition.derivation.conversion.scale
        if scale.expression is None or not definition.derivation.is_rate:
            return scale.factor
        read = [metadata.get(path) for path in scale.metadata.values()]
        key = (definition.code, source.name, source.unit, source.type, repr(read))
        if key not in self._known:
            self._known[key] = _scale(scale, source, metadata.get)
        return self._known[key]


def _scale(scale: Scale, source: _Source, at: Callable[[Path], Any]) -> float:
    fields = {"name": source.name, "unit": source.unit, "type": source.type}
    try:
        value = scale.evaluate(fields, at)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EvaluationError(f"it gives {value!r:.80}, which is no number")
        return float(value)
    except (EvaluationError, OverflowError) as error:
        DERIVED_WITHOUT_SCALE.labels(source.name).inc()
        log.warning(
            "derived samples left out: no scale", meter=source.name,
            resource=source.resource_id, error=str(error),
        )  # fmt: skip
        return float("nan")
