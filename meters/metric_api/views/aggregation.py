"""``/v1/aggregation``: what clients asked before there were operations (metric-api.md 18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import aggregates, bodies, grouping, reading, schemas
from meters.metric_api.aggregates import Sources
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.cost import check_series
from meters.metric_api.errors import bad_request, not_found
from meters.metric_api.finding import (
    Readable,
    described,
    metrics_by_ids,
    readable,
    require,
    resource_type,
    target_of,
    visible_resources,
)
from meters.metric_api.search import body_or_filter, condition
from meters.metric_api.shapes import measures_json
from meters.metric_api.views.aggregates import query_of
from meters.operations.evaluation import Inputs
from meters.operations.parsing import parse
from meters.operations.query import Query
from meters.operations.tree import Reference


class AggregationView(MetricView):
    """The series of several metrics as one, with all of them present where no `fill` is given."""

    @property
    def query(self) -> Query:
        query = query_of(self)
        if query.fill is None and query.needed_overlap is None:
            query = query._replace(needed_overlap=100.0)
        return query

    def aggregated(self, metrics: Sequence[Readable], query: Query) -> list[list[Any]]:
        """Raises `ApiError` and `OperationsError`."""
        if not metrics:
            return []
        if len(metrics) == 1:
            parts = reading.measures(metrics[0], self.params, self.tally)
            return [row for part in parts for row in measures_json(*part)]
        method = self.params.text("aggregation") or reading.DEFAULT_METHOD
        sources = Sources()
        for metric in metrics:
            reading.granularities(metric, method, self.params.timespan_us("granularity"), False)
            sources.add(Reference(str(metric.uuid), method), metric)
        inputs = self._inputs(sources, query)
        operations = self._operations(sources, method)
        result = aggregates.compute(operations, inputs, query, False, self.tally)
        return [
            row
            for series in result.series
            for row in measures_json(series.timestamps, series.granularity_us / 1e6, series.values)
        ]

    def _inputs(self, sources: Sources, query: Query) -> Inputs:
        return aggregates.inputs_of(sources, query, self.params.timespan_us("granularity"))

    def _operations(self, sources: Sources, method: str) -> Any:
        across = self.params.text("reaggregation") or method
        tree: list[Any] = ["metric", *([*reference] for reference in sources.columns)]
        if (span := self.params.text("resample")) is not None:
            if self.params.timespan_us("granularity") is None:
                raise bad_request("A granularity must be specified to resample")
            tree = ["resample", method, span, tree]
        return parse(["aggregate", across, tree])


class AggregationOfMetrics(AggregationView):
    scopes = SEARCHING
    http_method_names = ["get", "head", "post"]

    def get(self, request: Request) -> HttpResponse:
        return self._answer(self.params.texts("metric"))

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        return self._answer(self.body())

    def _answer(self, names: Any) -> HttpResponse:
        caller, query = self.caller, self.query
        ids = list(dict.fromkeys(bodies.validate(schemas.METRIC_IDS, names)))
        found = metrics_by_ids(set(ids))
        for identity in ids:
            if identity not in found:
                raise not_found(f"Metric {identity} does not exist")
            require("get metric", caller, target_of(found[identity]))
        metrics = [Readable.of(found[identity]) for identity in ids]
        return self.answer(self.aggregated(metrics, query))


class Nameless(MetricView):
    """405 where the metric's name is missing."""

    http_method_names: list[str] = []


class AggregationOfResources(AggregationView):
    scopes = SEARCHING
    http_method_names = ["post"]

    def post(self, request: Request, type: str, name: str) -> HttpResponse:
        caller, query = self.caller, self.query
        kind = resource_type(type)
        rows = visible_resources(caller, "search resource", kind)
        if search := body_or_filter(self):
            rows = rows.filter(condition(search, kind, caller))
        resources = described(rows)
        metrics = readable(list(resources), [name])
        check_series(len(metrics))
        by = sorted(set(self.params.texts("groupby")))
        if not by:
            return self.answer(self.aggregated(metrics, query))
        held = {metric.resource_id: metric for metric in metrics}
        grouping.check_attributes_known(kind, by, "Invalid groupby attribute")
        measured = {pk: resource for pk, resource in resources.items() if pk in held}
        return self.answer(
            [
                {
                    "group": dict(zip(by, values, strict=True)),
                    "measures": self.aggregated([held[pk] for pk in pks], query),
                }
                for values, pks in grouping.members(kind, by, measured)
            ]
        )
