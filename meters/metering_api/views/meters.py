"""Meters: each kind of measurement of each resource that has a sample of it.

In the order in which they first appeared, some series at a time, so that a list is made of no more
than what it shows.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import islice
from operator import or_

from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from meters.derived.definitions import current
from meters.derived.series import source_of
from meters.metering_api import stretches as finding
from meters.metering_api.base import QUERY, MeteringView
from meters.metering_api.conditions import METERS, Query, read
from meters.metering_api.ends import last_samples
from meters.metering_api.metadata import path_of
from meters.metering_api.shapes import meter_id, meter_json, unique_meter_json
from meters.metering_api.stretches import Asked, Series, Stretch, of_resources
from meters.models import Metric
from meters.store.distinct import first_values
from meters.wire import MAX_NAME, STORED
from meters.wsme.classic import unknown_marker
from meters.wsme.simple import read_terms
from meters.wsme.values import is_yes

#: Series whose newest samples are looked up at once: at first, and at the most.
AT_FIRST, AT_ONCE = 256, 4096
#: So many kinds of meters are asked for by name, and so many are counted.
FEW_KINDS, MOST_KINDS = 50, 1_000
#: Characters of a resource's id and a meter's name together.
LONGEST_ID = STORED.id_length + 1 + MAX_NAME
#: Columns of a kind of meters.
KIND = ("name", "type", "unit")
#: What is told apart: a meter's name, type and unit, and its resource (unless it is any one).
Kind = tuple[str, str, str]
Key = tuple[str, str, str, str | None]


class Meters(MeteringView):
    parameters = (*QUERY, "unique")

    def get(self, request: Request) -> HttpResponse:
        """`marker` is a meter's id."""
        limit, marker = self.limit(), self.arguments().get("marker")
        if is_yes(self.arguments().get("unique", "")):
            found = self._kinds()
            if marker is not None:
                found = _behind(found, marker)
            shown = [unique_meter_json(one) for one in islice(found, limit + 1)]
        else:
            shown = [meter_json(one) for one in islice(self._meters(marker), limit + 1)]
        return self.cut_list(shown[:limit], shown[limit - 1]["meter_id"] if shown[limit:] else None)

    # --- which there are -----------------------------------------------------------------------

    def _meters(self, marker: str | None) -> Iterator[Stretch]:
        """Behind the marker. Several projects may have posted of one resource."""
        wanted, plain = self._queries()
        first, rest, seen = 0, list[Stretch](), set[Key]()
        if marker is not None:
            first, rest = self._place_of(marker, wanted, plain)
        for some in self._pages(plain.asked, first):
            if first:
                seen |= self._earlier(some, first, wanted, plain)
            for one in [*rest, *self._fitting(some, wanted, plain)]:
                if _key(one.series) not in seen:
                    seen.add(_key(one.series))
                    yield one
            rest = []
        yield from rest

    def _kinds(self) -> Iterator[Stretch]:
        """Each once, whichever resources have it. What was found is not asked for again."""
        wanted, plain = self._queries()
        seen, known, asked, first, size = set[Kind](), set[Kind](), plain.asked, 0, AT_FIRST
        while some := finding.find_series(_behind_series(asked, first), size):
            first = some[-1].pk
            for one in self._fitting(some, wanted, plain):
                if _kind(one.series) not in seen:
                    seen.add(_kind(one.series))
                    yield one
            known = known or set(first_values(Metric, KIND, MOST_KINDS))
            lacking = {kind for kind in known - seen if kind[0]}  # a metric without a name is none
            if len(known) == MOST_KINDS or len(lacking) > FEW_KINDS:
                size = AT_ONCE
            elif not lacking:
                return
            else:
                asked = replace(asked, series=plain.asked.series & _of_kinds(lacking))

    def _queries(self) -> tuple[Query, Query]:
        """What is asked, and without the conditions on metadata: only the newest sample of a
        series must meet those."""
        terms = read_terms(self.arguments())
        wanted = read(terms, METERS, self.visible_project)
        plain = [term for term in terms if path_of(term.field) is None]
        if plain == terms:
            return wanted, wanted
        return wanted, read(plain, METERS, self.visible_project)

    def _pages(self, asked: Asked, first: int) -> Iterator[list[Series]]:
        size = AT_FIRST
        while some := finding.find_series(_behind_series(asked, first), size):
            yield some
            first, size = some[-1].pk, min(2 * size, AT_ONCE)

    def _fitting(self, some: list[Series], wanted: Query, plain: Query) -> Iterator[Stretch]:
        """Those that have a sample, each with the stretch of its newest one, which must fit; and
        behind each the meters that are derived of it."""
        sees_all = self.visible_project is None
        found = finding.of_series(some, plain.asked, sees_all)
        ends = last_samples(found, plain.bounds)
        newest = [ends[one.pk].stretch for one in some if one.pk in ends]
        if wanted is not plain:
            whole = finding.of_series(some, wanted.asked, sees_all)
            fits = {(one.series.pk, one.revision.pk) for one in whole.all}
            newest = [one for one in newest if (one.series.pk, one.revision.pk) in fits]
        yield from _with_derived(newest)

    # --- where a page begins -------------------------------------------------------------------

    def _place_of(self, marker: str, wanted: Query, plain: Query) -> tuple[int, list[Stretch]]:
        """The series that the marker stands for, or whose derived one it does, and what comes of
        that series behind the marker. Raises `Fault`."""
        readings = set(_readings(marker))
        resources = of_resources({resource for resource, _ in readings})
        named = replace(
            plain.asked,
            series=plain.asked.series & resources,
            names=frozenset(name for _, name in readings),
        )
        for meant in finding.find_series(named):
            if (meant.resource_id, meant.name) in readings:
                some = finding.find_series(replace(plain.asked, number=source_of(meant.pk)))
                found = list(self._fitting(some, wanted, plain))
                for place, one in enumerate(found, start=1):
                    if one.series.pk == meant.pk:
                        return some[0].pk, found[place:]
        raise unknown_marker(marker)

    def _earlier(self, some: list[Series], first: int, wanted: Query, plain: Query) -> set[Key]:
        """Keys of these series that pages before `first` had already."""
        keys = set(map(_key, some))
        names = of_resources({one.resource_id for one in some})
        asked = replace(plain.asked, series=plain.asked.series & names & Q(pk__lte=first))
        same = [one for one in finding.find_series(asked) if _key(one) in keys]
        return {_key(one.series) for one in self._fitting(same, wanted, plain)}


def _behind(found: Iterator[Stretch], marker: str) -> Iterator[Stretch]:
    for one in found:
        if meter_id(None, one.series.name) == marker:
            return found
    raise unknown_marker(marker)


def _behind_series(asked: Asked, first: int) -> Asked:
    return replace(asked, series=asked.series & Q(pk__gt=first)) if first else asked


def _key(series: Series) -> Key:
    return (*_kind(series), series.resource_id)


def _kind(series: Series) -> Kind:
    return series.name, series.type, series.unit


def _of_kinds(kinds: Iterable[Kind]) -> Q:
    return reduce(or_, [Q(name=name, type=type_, unit=unit) for name, type_, unit in kinds])


def _readings(marker: str) -> list[tuple[str, str]]:
    """(resource, meter) that a meter's id may mean: either may hold the sign between them."""
    try:
        text = base64.b64decode(marker, validate=True).decode()
    except (binascii.Error, ValueError):
        return []
    if len(text) > LONGEST_ID:
        return []
    parts = text.replace("\0", "").split("+")
    return [("+".join(parts[:place]), "+".join(parts[place:])) for place in range(1, len(parts))]


def _with_derived(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """Each, and behind it the meters derived of it that its resource has not stored."""
    pairs = [current().of_source(one.series.name, one.series.type) for one in stretches]
    targets = {pair.target for some in pairs for pair in some}
    sources = [one for one, some in zip(stretches, pairs, strict=True) if some]
    stored = _stored(targets, sources)
    for one, some in zip(stretches, pairs, strict=True):
        yield one
        for pair in some:
            if (one.series.resource_pk, pair.target) not in stored:
                yield Stretch(finding.derived_of(one.series, pair), one.revision)


def _stored(names: Collection[str], sources: Sequence[Stretch]) -> set[tuple[int, str]]:
    """Which of the sources' resources have a series of which of the names."""
    if not sources:
        return set()
    resources = {one.series.resource_pk for one in sources}
    rows = Metric.objects.filter(resource__id__any=list(resources), name__in=names)
    return set(rows.values_list("resource_id", "name"))
