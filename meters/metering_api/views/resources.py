"""Resources that have samples, as their newest sample that fits describes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metering_api.base import QUERY, MeteringView, root_url, spellings
from meters.metering_api.conditions import RESOURCES, Bounds, Query, read
from meters.metering_api.ends import End, first_samples, last_samples
from meters.metering_api.shapes import metadata_of, resource_links, source_of, time_text
from meters.metering_api.stretches import Stretches, of_resource
from meters.wsme.classic import unknown_marker
from meters.wsme.errors import Fault


class Measured(NamedTuple):
    """A resource with the newest sample of each of its series that fits."""

    resource_id: str
    ends: Sequence[End]

    @property
    def last(self) -> End:
        return max(self.ends, key=lambda end: (end.timestamp_us, end.stretch.series.pk))


class ResourceView(MeteringView):
    def measured(self, stretches: Stretches, bounds: Bounds) -> list[Measured]:
        """The last to be measured first. Several projects may have posted of one resource."""
        ends: dict[str, list[End]] = defaultdict(list)
        for end in last_samples(stretches, bounds).values():
            ends[end.stretch.series.resource_id].append(end)
        found = [Measured(resource_id, of) for resource_id, of in ends.items()]
        return sorted(found, key=lambda one: (-one.last.timestamp_us, one.resource_id))

    def shown(
        self, measured: Sequence[Measured], stretches: Stretches, bounds: Bounds, links: bool
    ) -> list[dict[str, Any]]:
        series = {end.stretch.series.pk for one in measured for end in one.ends}
        part = Stretches([one for one in stretches.all if one.series.pk in series])
        firsts: dict[str, int] = {}
        for end in first_samples(part, bounds).values():
            resource_id = end.stretch.series.resource_id
            firsts[resource_id] = min(end.timestamp_us, firsts.get(resource_id, end.timestamp_us))
        metadata = metadata_of([one.last.stretch for one in measured])
        return [self._resource(one, firsts, metadata, links) for one in measured]

    def _resource(
        self,
        one: Measured,
        firsts: dict[str, int],
        metadata: dict[int, dict[str, str]],
        links: bool,
    ) -> dict[str, Any]:
        last, revision = one.last, one.last.stretch.revision
        by_series = sorted(one.ends, key=lambda end: end.stretch.series.pk)
        names = list(dict.fromkeys(end.stretch.series.name for end in by_series))
        root = root_url(self.request._request)
        return {
            "resource_id": one.resource_id,
            "project_id": revision.project_id,
            "user_id": revision.user_id,
            "first_sample_timestamp": time_text(firsts.get(one.resource_id, last.timestamp_us)),
            "last_sample_timestamp": time_text(last.timestamp_us),
            "metadata": metadata.get(revision.pk, {}),
            "links": resource_links(root, one.resource_id, names if links else []),
            "source": source_of(revision),
        }


class Resources(ResourceView):
    parameters = (*QUERY, "meter_links")

    def get(self, request: Request) -> HttpResponse:
        """`marker` is a resource's id."""
        query, limit = self.asked(RESOURCES), self.limit()
        links = self.whole_number("meter_links") != 0
        stretches = self.find(query.asked)
        found = self._after_marker(self.measured(stretches, query.bounds))
        listed = self.shown(found[:limit], stretches, query.bounds, links)
        return self.cut_list(listed, found[limit - 1].resource_id if len(found) > limit else None)

    def _after_marker(self, found: list[Measured]) -> list[Measured]:
        marker = self.arguments().get("marker")
        if marker is None:
            return found
        for place, one in enumerate(found):
            if one.resource_id == marker:
                return found[place + 1 :]
        raise unknown_marker(marker)


class OneResource(ResourceView):
    def get(self, request: Request, resource_id: str) -> HttpResponse:
        for spelling in spellings(resource_id):
            query = self._query(of_resource(spelling))
            stretches = self.find(query.asked)
            found = self.measured(stretches, query.bounds)
            if found:
                return self.answer(self.shown(found, stretches, query.bounds, True)[0])
        raise Fault(404, f"Resource {resource_id} Not Found")

    def _query(self, named: Q) -> Query:
        query = read([], RESOURCES, self.visible_project)
        return replace(query, asked=replace(query.asked, series=named))
