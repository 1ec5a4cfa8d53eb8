"""Samples: lists of them in both forms, one of them, the complex query, posting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.http import HttpResponse
from rest_framework.request import Request

from meters.metering_api import posting, reading, samplequery
from meters.metering_api.base import QUERY, MeteringView
from meters.metering_api.conditions import SAMPLES, Bounds, Query, narrowed, read
from meters.metering_api.ids import message_id
from meters.metering_api.lately import newest_samples
from meters.metering_api.reading import Sample
from meters.metering_api.shapes import old_samples_json, samples_json
from meters.wsme.classic import bounded, mark_cut
from meters.wsme.complexquery import read_query
from meters.wsme.errors import Fault, bad
from telemetry_site.auth.principal import Scope


class SampleView(MeteringView):
    def newest(self, query: Query) -> tuple[list[Sample], str | None]:
        """The samples of this answer, and the marker where there are more."""
        limit, after = self.limit(), self.marked_sample()
        found, is_cut = newest_samples(query, self.visible_project is None, limit, after)
        return found, _marker(found[-1]) if is_cut else None


def _marker(last: Sample) -> str:
    return message_id(last.stretch.series.pk, last.timestamp_us)


class Samples(SampleView):
    parameters = QUERY

    def get(self, request: Request) -> HttpResponse:
        """Newest first."""
        found, marker = self.newest(self.asked(SAMPLES))
        return self.cut_list(samples_json(found), marker)


class OneSample(MeteringView):
    def get(self, request: Request, sample_id: str) -> HttpResponse:
        asked = narrowed(read([], SAMPLES, self.visible_project).asked, "message_id", sample_id)
        bounds = Bounds(asked.start_us, asked.stop_us)
        found, _ = reading.newest(self.find(asked), bounds, 1)
        if not found:
            raise Fault(404, f"Sample {sample_id} Not Found")
        return self.answer(samples_json(found)[0])


class Meter(SampleView):
    """Samples of one meter, in the older form; and posting them."""

    scopes: Mapping[str, Scope] = {"GET": "read", "POST": "ingest"}

    @property
    def parameters(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("direct",) if self.request.method == "POST" else QUERY

    def get(self, request: Request, meter: str) -> HttpResponse:
        found, marker = self.newest(self.asked_of_meter(meter))
        return self.cut_list(old_samples_json(found), marker)

    def post(self, request: Request, meter: str) -> HttpResponse:
        """201 means that they are committed, with `direct` and without."""
        return self.answer(posting.post(self.caller, meter, self._posted()), 201)

    def _posted(self) -> object:
        if not self.has_body:
            raise bad(posting.NO_SAMPLES)
        return self.json_body("samples")


class QuerySamples(MeteringView):
    """Reads, though it is asked by POST."""

    def post(self, request: Request) -> HttpResponse:
        visible = self.visible_project
        query = read_query(self.object_body("body"), samplequery.grammar(visible))
        limit = bounded(query.limit)
        asked = samplequery.narrow(query.filter, read([], SAMPLES, visible).asked)
        paths = tuple(sorted(samplequery.paths(query.filter)))
        named = samplequery.named_meters(query.filter)
        found = self.find(replace(asked, paths=paths, derived=named))
        samples, is_cut = samplequery.run(
            found, Bounds(asked.start_us, asked.stop_us), query, limit
        )
        return mark_cut(self.answer(samples_json(samples)), is_cut)
