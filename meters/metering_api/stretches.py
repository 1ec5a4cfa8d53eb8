"""Series cut by the revisions of their resources: a stretch has one owner and one metadata.

A sample belongs to the revision that is valid at its time, and so do its project, user, source and
metadata (telemetry-api.md 10.4). Whoever reads samples for a caller asks for the stretches that fit
the query *and are the caller's*, reads the points of their series, and has `attribute` keep those
that lie in one. So a resource that moves between projects takes none of its past along.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.db.models import Exists, OuterRef, Q, QuerySet

from meters.api.params import is_uuid
from meters.derived import series as derived
from meters.derived.definitions import Pair
from meters.metering_api.metadata import stored_at
from meters.models import STANDALONE, Metric, Resource, ResourceRevision
from meters.queries import revision_end
from meters.store.points import Points
from meters.wire import EARLIEST_US
from telemetry_site.clock import from_us, to_us

_DESCRIBED = ("project_id", "user_id", "source")
#: No sample is as late.
NEVER_US = 2**63 - 1

Ints = npt.NDArray[np.int64]


class Series(NamedTuple):
    """`resource_id` as it is shown: a metric without a resource `is_alone`, its own."""

    pk: int
    name: str
    unit: str
    type: str
    resource_id: str
    resource_pk: int
    is_alone: bool


class Revision(NamedTuple):
    """[since, until) in microseconds; `metadata` holds what lies at the paths asked for.

    `pk` is negative where there is no row of its own (see `_stand_ins`).
    """

    pk: int
    since_us: int
    until_us: int
    project_id: str | None
    user_id: str | None
    source: str
    metadata: Mapping[str, Any]


class Stretch(NamedTuple):
    series: Series
    revision: Revision


@dataclass(frozen=True)
class Asked:
    """Which stretches: conditions on `Metric` and `ResourceRevision`, and the time [start, stop).

    `names` are those of meters, and of derived ones, too; None: of every one that is stored, and of
    the `derived` ones. `number` is that of the only series. Of a derived series `series` and
    `revisions` are what its source must meet. `paths` of metadata are looked up, each under its
    name.
    """

    series: Q = field(default_factory=Q)
    names: frozenset[str] | None = None
    derived: frozenset[str] = frozenset()
    number: int | None = None
    revisions: Q = field(default_factory=Q)
    start_us: int = EARLIEST_US
    stop_us: int = NEVER_US
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stretches:
    """Ordered by series, then time."""

    all: Sequence[Stretch]

    @cached_property
    def series_ids(self) -> list[int]:
        """Ascending, each once: what points are read of."""
        return list(dict.fromkeys(one.series.pk for one in self.all))

    def attribute(self, points: Points, first: int = 0) -> Points:
        """The points that lie in a stretch, whose place `index` becomes.

        It was the place in `series_ids`, counted from `first` on.
        """
        pieces = self._pieces(points, first)
        if not pieces:
            return points.take(slice(0, 0))
        lows, highs, places = np.array(pieces, dtype=np.int64).T
        lengths = highs - lows
        index = np.repeat(places, lengths)
        if len(index) == len(points.index):
            return Points(index, points.timestamps, points.values)
        offsets = np.repeat(lows - (np.cumsum(lengths) - lengths), lengths)
        chosen = np.arange(len(index)) + offsets
        return Points(index, points.timestamps[chosen], points.values[chosen])

    def _pieces(self, points: Points, first: int) -> list[tuple[int, int, int]]:
        """(first, end, place of the stretch) of the points of each stretch that has any."""
        if not len(points.index):
            return []
        rows = range(int(points.index[0]), int(points.index[-1]) + 1)
        edges = np.searchsorted(points.index, [*rows, rows.stop]).tolist()
        places = self._first_places[first + rows.start : first + rows.stop + 1]
        times, found = points.timestamps, []
        for (begin, end), (place, beyond) in zip(pairwise(edges), pairwise(places), strict=True):
            for one in range(place, beyond) if begin < end else ():
                _, revision = self.all[one]
                low, high = begin, end
                if times[low] < revision.since_us:
                    low += int(np.searchsorted(times[low:high], revision.since_us))
                if low < high and times[high - 1] >= revision.until_us:
                    high = low + int(np.searchsorted(times[low:high], revision.until_us))
                if low < high:
                    found.append((low, high, one))
        return found

    @cached_property
    def _first_places(self) -> list[int]:
        """Of each series that of its first stretch, and the place behind all of them."""
        return [0, *accumulate(len(some) for some in self.of_series.values())]

    def at(self, series: int, timestamp_us: int) -> Stretch | None:
        """The stretch that a sample of the series belongs to."""
        for one in self.of_series.get(series, ()):
            if one.revision.since_us <= timestamp_us < one.revision.until_us:
                return one
        return None

    @cached_property
    def of_series(self) -> dict[int, list[Stretch]]:
        found: dict[int, list[Stretch]] = defaultdict(list)
        for one in self.all:
            found[one.series.pk].append(one)
        return found


def find(asked: Asked, sees_all: bool) -> Stretches:
    """`sees_all`: of who may see everything, a resource's first revision reaches back for ever.

    For all others nobody owns what is older: `asked.revisions` must name their project.
    """
    return of_series(find_series(asked), asked, sees_all)


def find_few(asked: Asked, sees_all: bool, most: int) -> Stretches | None:
    """None where more than `most` series may be meant, stored or derived ones."""
    if _stored(asked)[most : most + 1].exists() or _are_more_derived(asked, most):
        return None
    return find(asked, sees_all)


def find_few_stored(asked: Asked, most: int) -> list[int] | None:
    """The numbers of the series alone; None where there are more, or derived ones."""
    stored = list(_stored(asked).values_list("pk", flat=True)[: most + 1])
    return None if len(stored) > most or _are_more_derived(asked, 0) else stored


def _are_more_derived(asked: Asked, most: int) -> bool:
    return asked.number is None and derived.are_more(_derived_names(asked), _rows(asked), most)


def find_series(asked: Asked, most: int | None = None) -> list[Series]:
    """The first of those that may have a stretch, in the order in which they were made; derived
    ones come last."""
    stored = _stored(asked).order_by("pk")[:most].values_list(*_SERIES)
    found = list(map(_series, stored))
    if most is None or len(found) < most:
        found += _derived(asked)
    return found[:most]


def find_resource_ids(asked: Asked) -> dict[int, str]:
    """The shown ids of the resources of stored series that may have a stretch, by the series."""
    rows = _stored(asked).values_list("pk", "uuid", "resource__original_id", "resource__type")
    return {pk: _shown_id(uuid, original, of) for pk, uuid, original, of in rows}


def _stored(asked: Asked) -> QuerySet[Metric]:
    rows = _rows(asked)
    if asked.names is not None:
        rows = rows.filter(name__in=asked.names)
    return rows if asked.number is None else rows.filter(pk=asked.number)


def _derived(asked: Asked) -> list[Series]:
    names = _derived_names(asked)
    if asked.number is None:
        rows = derived.find(names, _rows(asked), *_SERIES)
    else:
        rows = derived.find_numbers([asked.number], _rows(asked), *_SERIES)
    return [
        _derived_series(_series(row), one)
        for one, row in rows
        if asked.names is None or one.name in names
    ]


def derived_of(source: Series, pair: Pair) -> Series:
    one = derived.derived(pair, source.pk, source.resource_pk, source.unit, source.type)
    return _derived_series(source, one)


def _derived_series(source: Series, one: derived.Derived) -> Series:
    return source._replace(pk=one.pk, name=one.name, unit=one.unit, type=one.type)


def _derived_names(asked: Asked) -> frozenset[str]:
    return asked.derived if asked.names is None else asked.names


def of_series(series: Sequence[Series], asked: Asked, sees_all: bool) -> Stretches:
    """Their stretches, as far as those fit."""
    owned = {one.resource_pk for one in series if not one.is_alone}
    alone = {one.resource_pk for one in series if one.is_alone}
    revisions = defaultdict(list, _stand_ins(asked, alone) if alone else {})
    revisions.update(_revisions(asked, owned, sees_all))
    return Stretches(
        [Stretch(one, revision) for one in series for revision in revisions[one.resource_pk]]
    )


_SERIES = (
    "pk", "name", "unit", "type", "uuid", "resource_id", "resource__original_id", "resource__type",
)  # fmt: skip


def _series(row: Sequence[Any]) -> Series:
    pk, name, unit, kind, uuid, resource, original, of = row
    shown = _shown_id(uuid, original, of)
    return Series(pk, name, unit, kind, shown, resource, of == STANDALONE)


def _shown_id(uuid: Any, original_id: str, of: str) -> str:
    """`of` is the resource's type."""
    return str(uuid) if of == STANDALONE else original_id


def _rows(asked: Asked) -> QuerySet[Metric]:
    """Metrics without a name are none of this API's."""
    rows = Metric.objects.filter(asked.series).exclude(name="")
    if not asked.revisions:
        return rows
    described = ResourceRevision.objects.filter(asked.revisions).values("resource_id")
    alone = Resource.objects.filter(asked.revisions, type=STANDALONE).values("pk")
    return rows.filter(resource_id__in=described.union(alone, all=True))


def _revisions(asked: Asked, owners: Collection[int], sees_all: bool) -> dict[int, list[Revision]]:
    """By the resource, one of the `owners`, in the order of time."""
    earlier = ResourceRevision.objects.filter(
        resource=OuterRef("resource"), valid_from__lt=OuterRef("valid_from")
    )
    rows = ResourceRevision.objects.filter(asked.revisions, resource__id__any=list(owners))
    if asked.stop_us < NEVER_US and not sees_all:
        rows = rows.filter(valid_from__lt=from_us(asked.stop_us))
    rows = rows.annotate(until=revision_end(), is_later=Exists(earlier))
    if asked.start_us > EARLIEST_US:
        rows = rows.filter(Q(until__gt=from_us(asked.start_us)) | Q(until=None))
    rows = rows.order_by("resource_id", "valid_from")
    columns = ["pk", "resource_id", "valid_from", "until", "is_later", *_DESCRIBED]
    found: dict[int, list[Revision]] = defaultdict(list)
    for pk, resource, since, until, is_later, *described in rows.values_list(
        *columns, *(stored_at(path) for path in asked.paths)
    ):
        since_us = EARLIEST_US if sees_all and not is_later else to_us(since)
        until_us = NEVER_US if until is None else to_us(until)
        if since_us < asked.stop_us and until_us > asked.start_us:
            found[resource].append(_revision(pk, since_us, until_us, described, asked.paths))
    return found


def _stand_ins(asked: Asked, owners: Collection[int]) -> dict[int, list[Revision]]:
    """Resources of metrics that have none: they are what they are for ever, without revisions."""
    rows = Resource.objects.filter(asked.revisions, pk__any=list(owners))
    columns = rows.values_list("pk", *_DESCRIBED, *(stored_at(path) for path in asked.paths))
    return {
        pk: [_revision(-pk, EARLIEST_US, NEVER_US, described, asked.paths)]
        for pk, *described in columns
    }


def _revision(
    pk: int, since_us: int, until_us: int, described: Sequence[Any], paths: Sequence[str]
) -> Revision:
    project, user, source, *values = described
    metadata = dict(zip(paths, values, strict=True))
    return Revision(pk, since_us, until_us, project, user, source, metadata)


def of_series_ids(ids: Iterable[int]) -> Q:
    return Q(pk__any=list(ids))


def of_resource(resource_id: str) -> Q:
    """On `Metric`: those of the resource with this id, as it is shown."""
    return of_resources([resource_id])


def of_resources(resource_ids: Iterable[str]) -> Q:
    """The same of several. A union: what is found in either of two tables has no index."""
    names = list(resource_ids)
    own = Metric.objects.filter(resource__original_id__any=names)
    own = own.exclude(resource__type=STANDALONE)
    alone = Metric.objects.filter(
        resource__type=STANDALONE, uuid__any=[name for name in names if is_uuid(name)]
    )
    return Q(pk__in=own.values("pk").union(alone.values("pk"), all=True))
