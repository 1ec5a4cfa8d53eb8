"""Meters: each kind of measurement of each resource that has a sample of it."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpResponse
from rest_framework.request import Request

from meters.metering_api.base import QUERY, MeteringView
from meters.metering_api.conditions import METERS, read
from meters.metering_api.ends import last_samples
from meters.metering_api.metadata import path_of
from meters.metering_api.shapes import meter_id, meter_json, unique_meter_json
from meters.metering_api.stretches import Stretch, Stretches
from meters.wsme.classic import unknown_marker
from meters.wsme.simple import read_terms
from meters.wsme.values import is_yes

#: Series whose newest samples are looked up at once.
AT_ONCE = 1000


class Meters(MeteringView):
    parameters = (*QUERY, "unique")

    def get(self, request: Request) -> HttpResponse:
        """In the order in which they first appeared; `marker` is a meter's id."""
        limit = self.limit()
        is_unique = is_yes(self.arguments().get("unique", ""))
        found = self._distinct(self._measured(), is_unique)
        marker = self.arguments().get("marker")
        if marker is not None:
            for one in found:
                if _id(one, is_unique) == marker:
                    break
            else:
                raise unknown_marker(marker)
        shown = [one for one, _ in zip(found, range(limit + 1), strict=False)]
        listed = [unique_meter_json(one) if is_unique else meter_json(one) for one in shown[:limit]]
        return self.cut_list(listed, listed[-1]["meter_id"] if len(shown) > limit else None)

    def _measured(self) -> Iterator[Stretch]:
        """Series with a sample, each with the stretch of its newest one.

        Conditions on metadata are about that one alone.
        """
        terms = read_terms(self.arguments())
        query = self.asked(METERS)
        found = fitting = self.find(query.asked)
        plain = [term for term in terms if path_of(term.field) is None]
        if len(plain) < len(terms):
            found = self.find(read(plain, METERS, self.visible_project).asked)
        fits = {(one.series.pk, one.revision.pk) for one in fitting.all}
        ids = found.series_ids
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            part = Stretches([one for pk in some for one in found.of_series[pk]])
            ends = last_samples(part, query.bounds)
            newest = [ends[pk].stretch for pk in some if pk in ends]
            yield from (one for one in newest if (one.series.pk, one.revision.pk) in fits)

    def _distinct(self, measured: Iterator[Stretch], is_unique: bool) -> Iterator[Stretch]:
        """Several projects may have posted of one resource, and several resources have a meter."""
        seen = set()
        for one in measured:
            series = one.series
            owner = None if is_unique else series.resource_id
            key = (series.name, series.type, series.unit, owner)
            if key not in seen:
                seen.add(key)
                yield one


def _id(one: Stretch, is_unique: bool) -> str:
    return meter_id(None if is_unique else one.series.resource_id, one.series.name)
