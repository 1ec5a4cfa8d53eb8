"""The routes under ``/prometheus/api/v1``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from django.core.exceptions import TooManyFieldsSent
from django.http import HttpResponse, QueryDict
from rest_framework.request import Request

from meters.aggregation import Ints
from meters.metric_api.base import SEARCHING, MetricView
from meters.metric_api.errors import ApiError, not_found
from meters.models import Metric
from meters.prometheus_api import answers, finding
from meters.prometheus_api.errors import answer_of, bad_data, unanswerable
from meters.prometheus_api.params import Params
from meters.promql.evaluation import evaluate_over, unique
from meters.promql.series import labelled, name_of, named
from meters.promql.tables import NAME, Labels, PromqlError, Table
from meters.promql.tree import Node, is_scalar, selectors
from telemetry_site import __version__
from telemetry_site.clock import now_us

FORM = "application/x-www-form-urlencoded"
#: Instants of one answer, as Prometheus limits them; and instants times series.
MAX_STEPS = 11_000
MAX_CELLS = 5_000_000
_TYPES: dict[str, str] = {
    Metric.Type.CUMULATIVE: "counter",
    Metric.Type.GAUGE: "gauge",
    Metric.Type.DELTA: "gauge",
}


class PrometheusView(MetricView):
    """GET, or POST with a form: both read."""

    http_method_names = ["get", "head", "post"]
    scopes = SEARCHING

    @cached_property
    def asked(self) -> Params:
        request = self.request
        try:
            form = QueryDict(self.raw_body(FORM) if request.method == "POST" else "")
            return Params(request.GET, form)
        except TooManyFieldsSent as error:
            raise ApiError(400, "There are more parameters than are read.") from error

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        handler: Callable[..., HttpResponse] = self.get  # type: ignore[attr-defined]
        return handler(request, *args, **kwargs)

    def success(self, data: Any, warnings: list[str] | None = None) -> HttpResponse:
        body = {"status": "success", "data": data}
        if warnings:
            body["warnings"] = warnings
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")

    def limited(self, data: list[Any], warnings: Sequence[str] = ()) -> HttpResponse:
        """At most so many as the caller wants."""
        limit, told = self.asked.limit(), list(warnings)
        if limit is not None and len(data) > limit:
            told.append(f"results truncated due to limit: {len(data)} found")
        return self.success(data[:limit], told)

    def get_exception_handler(self) -> Callable[..., HttpResponse | None]:
        return lambda exc, _context: answer_of(exc)

    # --- expressions ---------------------------------------------------------------------------

    def computed(self, node: Node, instants: Ints) -> Table:
        """Raises `ApiError`."""
        wanted = list(selectors(node))
        series = finding.find(self.caller, wanted)
        if len(series) * len(instants) > MAX_CELLS:
            raise unanswerable(
                f"{len(series)} series at {len(instants)} instants are more than {MAX_CELLS} "
                f"values: take longer steps, or {finding.NARROW}."
            )
        start = int(instants[0]) - max((one.reach_us for one in wanted), default=0)
        points = finding.read(self.caller, series, start, int(instants[-1]))
        labels = [one.labels for one in series]
        try:
            # Evaluation ends before an instant, where Prometheus includes it.
            return unique(evaluate_over(node, points, labels, instants + 1))
        except PromqlError as error:
            raise unanswerable(str(error)) from error

    def labels(self) -> tuple[list[Labels], list[str]]:
        """Of the series that `match[]` wants; without one of all that are visible, or of the
        newest with a warning that they are not all."""
        wanted = self.asked.selectors(at_least_one=False)
        if wanted:
            return [one.labels for one in finding.find(self.caller, wanted)], []
        most = finding.MAX_CANDIDATES
        rows = labelled(finding.visible(self.caller).order_by("-pk")[: most + 1])
        told = [f"only the newest {most} metrics were looked at: give a match[]"]
        return [one.labels for one in rows[:most]], told if len(rows) > most else []


class Query(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """The expression at one instant."""
        node = self.asked.expression()
        instant = self.asked.time_us("time", now_us())
        table = self.computed(node, np.array([instant], dtype=np.int64))
        if is_scalar(node):
            return self.success({"resultType": "scalar", "result": answers.scalar(table, instant)})
        result = answers.vector(table, instant)
        return self.success({"resultType": "vector", "result": result})


class QueryRange(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """The expression from `start` to `end`, both included, each `step`."""
        node = self.asked.expression()
        start, end = self.asked.time_us("start"), self.asked.time_us("end")
        step = self.asked.duration_us("step")
        if end < start:
            raise bad_data("end", "end timestamp must not be before start time")
        if (end - start) // step >= MAX_STEPS:
            raise bad_data(
                "step", f"exceeded maximum resolution of {MAX_STEPS} points per timeseries: "
                "try a longer step",
            )  # fmt: skip
        instants = np.arange(start, end + 1, step, dtype=np.int64)
        table = self.computed(node, instants)
        result = answers.matrix(table, instants)
        return self.success({"resultType": "matrix", "result": result})


class Series(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        found = finding.find(self.caller, self.asked.selectors(at_least_one=True))
        return self.limited([one.labels for one in found])


class LabelNames(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        found, warnings = self.labels()
        return self.limited(answers.label_names(found), warnings)


class LabelValues(PrometheusView):
    def get(self, request: Request, name: str) -> HttpResponse:
        if name == NAME and not self.asked.selectors(at_least_one=False):
            return self.limited(self._names())
        found, warnings = self.labels()
        return self.limited(sorted({one[name] for one in found if name in one}), warnings)

    def _names(self) -> list[str]:
        rows = finding.visible(self.caller).order_by("name").values_list("name", flat=True)
        return sorted(set(map(name_of, rows.distinct())))


class Metadata(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """The type and unit of each metric, by name."""
        limit, name = self.asked.limit(), self.asked.text("metric")
        rows = finding.visible(self.caller)
        if name:
            rows = rows.filter(named([name]))
        found: dict[str, list[dict[str, str]]] = {}
        for metric, kind, unit in (
            rows.order_by("name").values_list("name", "type", "unit").distinct()
        ):
            told = {"type": _TYPES.get(kind, "unknown"), "help": "", "unit": unit}
            known = found.setdefault(name_of(metric), [])
            if told not in known:
                known.append(told)
        return self.success(dict(list(found.items())[:limit]))


class BuildInfo(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """What Grafana reads to know what it may ask: the version whose API this is."""
        return self.success(
            {"version": "2.54.0", "revision": "", "branch": "", "buildUser": "", "buildDate": "",
             "goVersion": "", "application": f"telemetry {__version__}"}
        )  # fmt: skip


class FormatQuery(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """The expression as Grafana's editor sets it out."""
        return self.success(self.asked.pretty())


class Exemplars(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """None are kept; Grafana asks for them beside a query where its user wants them."""
        self.asked.expression()
        return self.success([])


class Rules(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        """There are none: our alarms are the alarming API's."""
        return self.success({"groups": []})


class Alerts(PrometheusView):
    def get(self, request: Request) -> HttpResponse:
        return self.success({"alerts": []})


class Nowhere(PrometheusView):
    def get(self, request: Request, **_: str) -> HttpResponse:
        raise not_found("There is no such route in this API.")
