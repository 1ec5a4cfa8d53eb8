"""Resources that have samples, as their newest sample that fits describes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from meters.derived.definitions import current
from meters.metering_api.base import QUERY, MeteringView, root_url, spellings
from meters.metering_api.conditions import RESOURCES, Bounds, Query, read
from meters.metering_api.measured import Key, Measured, firsts, measured, newest_first
from meters.metering_api.shapes import metadata_of, resource_links, source_of, time_text
from meters.metering_api.stretches import Series, of_resource
from meters.wsme.classic import unknown_marker
from meters.wsme.errors import Fault


class ResourceView(MeteringView):
    def shown(self, some: Sequence[Measured], bounds: Bounds, links: bool) -> list[dict[str, Any]]:
        oldest = firsts(some, bounds)
        metadata = metadata_of([one.last.stretch for one in some])
        return [self._resource(one, oldest, metadata, links) for one in some]

    def _resource(
        self,
        one: Measured,
        firsts: dict[str, int],
        metadata: dict[int, dict[str, str]],
        links: bool,
    ) -> dict[str, Any]:
        last, revision = one.last, one.last.stretch.revision
        by_series = sorted(one.ends, key=lambda end: end.stretch.series.pk)
        names = list(dict.fromkeys(
            name for end in by_series for name in _with_derived(end.stretch.series)
        ))  # fmt: skip
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


def _with_derived(series: Series) -> list[str]:
    """Its meter, and those derived of it."""
    return [series.name, *(pair.target for pair in current().of_source(series.name, series.type))]


class Resources(ResourceView):
    parameters = (*QUERY, "meter_links")

    def get(self, request: Request) -> HttpResponse:
        """`marker` is a resource's id."""
        query, limit = self.asked(RESOURCES), self.limit()
        links = self.whole_number("meter_links") != 0
        sees_all = self.visible_project is None
        found = newest_first(query, sees_all, limit + 1, self._after(query))
        some = list(islice(found, limit + 1))
        listed = self.shown(some[:limit], query.bounds, links)
        return self.cut_list(listed, some[limit - 1].resource_id if len(some) > limit else None)

    def _after(self, query: Query) -> Key | None:
        marker = self.arguments().get("marker")
        if marker is None:
            return None
        asked = replace(query.asked, series=query.asked.series & of_resource(marker))
        for one in measured(self.find(asked), query.bounds):
            return one.key
        raise unknown_marker(marker)


class OneResource(ResourceView):
    def get(self, request: Request, resource_id: str) -> HttpResponse:
        for spelling in spellings(resource_id):
            query = self._query(of_resource(spelling))
            found = measured(self.find(query.asked), query.bounds)
            if found:
                return self.answer(self.shown(found, query.bounds, True)[0])
        raise Fault(404, f"Resource {resource_id} Not Found")

    def _query(self, named: Q) -> Query:
        query = read([], RESOURCES, self.visible_project)
        return replace(query, asked=replace(query.asked, series=named))
