"""Statistics of one metric, and of groups of them, as JSON or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from meters.aggregation import METHODS, RATE_PREFIX, is_method
from meters.api import serializers, statistics
from meters.api.base import ApiView
from meters.api.errors import BadParameterError
from meters.api.exports import FORMAT, RENDERERS, table_response, wanted_format
from meters.api.filters import SeriesFilters
from meters.api.params import Param, choice, duration_us, moment, shorten
from meters.api.series import one_visible, visible_series
from meters.api.tables import statistics_table
from meters.columnar import iso_texts
from telemetry_site import clock
from telemetry_site.clock import from_us, to_us

DEFAULT_SPAN = timedelta(hours=24)
DEFAULT_GRANULARITY_US = 300 * 1_000_000
PLAIN_METHODS = f"{', '.join(METHODS)} or 1pct…99pct"


def methods(text: str) -> tuple[str, ...]:
    names = text.split(",")
    for name in names:
        if not is_method(name):
            raise ValueError(
                f"{shorten(name)!r} is not a method. Known: {PLAIN_METHODS}, each also as rate:…"
            )
    if len(set(names)) < len(names):
        raise ValueError("A method is named twice.")
    if len(names) > statistics.MAX_METHODS:
        raise ValueError(f"{len(names)} methods, at most {statistics.MAX_METHODS} are allowed.")
    return tuple(names)


def plain_method(text: str) -> str:
    if not is_method(text) or text.startswith(RATE_PREFIX):
        raise ValueError(f"{shorten(text)!r} is not one of {PLAIN_METHODS}.")
    return text


def group_keys(text: str) -> tuple[str, ...]:
    parse = choice(statistics.GROUP_KEYS)
    names = tuple(parse(name) for name in text.split(","))
    if len(set(names)) < len(names):
        raise ValueError("A key is named twice.")
    return names


START = Param(
    "start", moment, "From the bucket of this time on; 24 h before stop unless told.",
    OpenApiTypes.DATETIME,
)  # fmt: skip
STOP = Param("stop", moment, "Before this time; now unless told.", OpenApiTypes.DATETIME)
GRANULARITY = Param(
    "granularity", duration_us, "Width of a bucket: seconds, or 30s, 5m, 1h, 1d; 5m unless told."
)
AGGREGATION = Param(
    "aggregation",
    methods,
    f"Comma separated, mean unless told: {PLAIN_METHODS}; each also as rate:…",
)
REAGGREGATION = Param(
    "reaggregation", plain_method,
    "Aggregate each series by itself, then combine the series of a group by this method.",
)  # fmt: skip
GROUP_BY = Param("groupby", group_keys, f"Comma separated: {', '.join(statistics.GROUP_KEYS)}.")
METER = Param("meter", str, "Name of the meter; * stands for any characters.", required=True)


class StatisticsReader(ApiView):
    """What both kinds of statistics share."""

    serializer_class = serializers.StatisticsSerializer
    renderer_classes = RENDERERS
    params: Sequence[Param[Any]] = (START, STOP, GRANULARITY, AGGREGATION, FORMAT)

    def answer(
        self, groups: Sequence[statistics.Group], reaggregation: str | None = None
    ) -> HttpResponseBase:
        query = self._query(reaggregation)
        statistics.check_limits(query, groups)
        results = statistics.compute(self.principal, query, groups)
        wanted = wanted_format(self.request)
        if wanted != "json":
            return table_response("statistics", wanted, statistics_table(query, groups, results))
        return Response(
            {
                "start": from_us(query.start_us),
                "stop": from_us(query.stop_us),
                "granularity_s": query.granularity_us / 1e6,
                "aggregation": list(query.methods),
                "reaggregation": query.reaggregation,
                "groups": [_as_json(result) for result in results],
            }
        )

    def _query(self, reaggregation: str | None) -> statistics.Query:
        stop = self.read(STOP) or clock.now()
        start = self.read(START) or stop - DEFAULT_SPAN
        granularity_us = self.read(GRANULARITY) or DEFAULT_GRANULARITY_US
        if start >= stop:
            raise BadParameterError("stop", "stop must be later than start.")
        return statistics.Query(
            to_us(start) // granularity_us * granularity_us,
            to_us(stop),
            granularity_us,
            self.read(AGGREGATION) or ("mean",),
            reaggregation,
        )


class MetricStatistics(StatisticsReader):
    """Statistics of one metric."""

    @extend_schema(operation_id="metric_statistics")
    def get(self, request: Request, uuid: Any) -> HttpResponseBase:
        metric = one_visible(self.principal, uuid)
        return self.answer(statistics.make_groups([metric], ["metric", "meter"]))


class Statistics(StatisticsReader):
    """Statistics of a meter over many resources: of all together, or `groupby` something."""

    filterset_class = SeriesFilters
    params = (*StatisticsReader.params, METER, REAGGREGATION, GROUP_BY)

    @extend_schema(operation_id="statistics")
    def get(self, request: Request) -> HttpResponseBase:
        self.read(METER)
        names = self.read(GROUP_BY) or ()
        described = not set(names).isdisjoint(statistics.DESCRIBED_KEYS)
        metrics = visible_series(self.principal, request.query_params, described)
        return self.answer(statistics.make_groups(metrics, names), self.read(REAGGREGATION))


def _as_json(result: statistics.Result) -> dict[str, Any]:
    return {
        "by": result.group.by,
        "unit": result.group.unit,
        "timestamps": iso_texts(result.timestamps),
        "values": {name: _values(column) for name, column in result.columns.items()},
        "notes": statistics.overflows(result),
    }


def _values(column: statistics.Floats) -> list[float | None]:
    """NaN as None."""
    return [None if value != value else value for value in column.tolist()]
