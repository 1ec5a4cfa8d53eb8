"""``/v1/search/metric``: which values of metrics fulfil a condition (metric-api.md 16)."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from meters.archives import Range, archived
from meters.metric_api import times
from meters.metric_api.aggregates import archive_of
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.errors import bad_request, refusal
from meters.metric_api.finding import Readable, metrics_by_ids, parse_uuid, require, target_of
from meters.metric_api.params import parse_timespan
from meters.metric_api.reading import DEFAULT_METHOD
from meters.metric_api.shapes import measures_json
from meters.operations.values import Condition, parse_condition


class SearchMetrics(MetricView):
    scopes = SEARCHING
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        if not self.has_body:
            raise bad_request("No query specified in body")
        condition = parse_condition(self.body())
        ids = [parse_uuid(text) for text in self.params.texts("metric_id")]
        if not ids:
            reason = "At least one is needed"
            raise refusal("Argument value error", detail="metric_id", reason=reason)
        found = metrics_by_ids({one for one in ids if one is not None})
        wanted = Range(self._time("start"), self._time("stop"))
        for metric in found.values():
            require("search metric", self.caller, target_of(metric))
        return self.answer(
            {
                str(metric.uuid): self._values(Readable.of(metric), condition, wanted)
                for metric in found.values()
            }
        )

    def _time(self, name: str) -> int | None:
        text = self.params.text(name)
        if text is None:
            return None
        try:
            return times.to_us(text)
        except times.TimeError as error:
            raise bad_request(f"Invalid value for {name}") from error

    def _values(self, metric: Readable, condition: Condition, wanted: Range) -> list[list[Any]]:
        policy = metric.policy
        method = self.params.text("aggregation") or DEFAULT_METHOD
        asked = [parse_timespan("granularity", one) for one in self.params.texts("granularity")]
        rows = []
        for granularity_us in asked or policy.granularities_us:
            if granularity_us not in policy.granularities_us or (
                method not in policy.aggregation_methods
            ):
                detail = {"granularity": granularity_us / 1e6, "aggregation_method": method}
                raise refusal("Aggregation does not exist", detail=detail)
            archives = [archive_of(metric, granularity_us)]
            points = archived(archives, granularity_us, method, wanted)
            points = points.take(condition(points.values))
            self.tally.add(len(points.values))
            rows += measures_json(points.timestamps, granularity_us / 1e6, points.values)
        return rows
