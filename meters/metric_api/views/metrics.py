"""``/v1/metric``: metrics by their own ids, and their measures."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import making, reading, schemas
from meters.metric_api.base import MetricView
from meters.metric_api.errors import refusal
from meters.metric_api.finding import (
    Measured,
    Readable,
    listed_metrics,
    metric_by_id,
    parse_uuid,
    require,
    resource_by_id,
    target_of,
)
from meters.metric_api.measures import Batch, decode
from meters.metric_api.paging import Paging
from meters.metric_api.posting import store
from meters.metric_api.shapes import created_json, listed_json, measures_text, metric_json
from meters.models import Metric
from meters.store.deletion import delete_metrics

#: What lists of metrics may be sorted by.
FIELDS = {
    "id": "uuid",
    "name": "name",
    "unit": "unit",
    "creator": "creator",
    "archive_policy_name": "archive_policy__name",
    "resource_id": "resource__uuid",
}
_EQUALITIES = ("name", "unit", "creator", "archive_policy_name")


class Metrics(MetricView):
    def get(self, request: Request) -> HttpResponse:
        paging = Paging.read(request.GET, FIELDS, default=["id:asc"])
        rows = self._filtered()
        return self.listed(
            [listed_json(metric) for metric in paging.page(rows, self._marked)], paging
        )

    def _filtered(self) -> Any:
        rows = listed_metrics(self.caller)
        for name in _EQUALITIES:
            if (text := self.params.text(name)) is not None:
                rows = rows.filter((FIELDS[name], text))
        if (text := self.params.text("id")) is not None:
            rows = rows.filter(uuid=_uuid(text, "id"))
        if (text := self.params.text("user_id")) is not None:
            rows = rows.filter(creator__startswith=f"{text}:")
        if (text := self.params.text("project_id")) is not None:
            rows = rows.filter(creator__endswith=f":{text}")
        # A deleted metric is gone at once: none is ever waiting for it.
        return rows if self.params.text("status") in (None, "active") else rows.none()

    def _marked(self, marker: str) -> Any:
        found = parse_uuid(marker)
        return None if found is None else listed_metrics(self.caller).filter(uuid=found)

    def post(self, request: Request) -> HttpResponse:
        caller = self.caller
        require("create metric", caller)
        body = self.body(schemas.METRIC)
        if "resource_id" in body and "name" not in body:
            raise refusal(
                "Attribute value error", detail="name",
                reason="Name cannot be null if resource_id is not null",
            )  # fmt: skip
        with transaction.atomic():
            making.lock_catalogue()
            made = str(self._make(body).uuid)
            metric = metric_by_id(made)
        return self.created(created_json(metric), self.url("metric", made))

    def _make(self, body: dict[str, Any]) -> Measured:
        name, resource = body.get("name", ""), None
        if "resource_id" in body:
            resource = resource_by_id(self.caller, body["resource_id"])
            require("update resource", self.caller, target_of(resource))
        wanted = making.NewMetric(
            name, body.get("archive_policy_name"), body.get("unit", ""), resource
        )
        try:
            (made,) = making.make_metrics([wanted], self.caller)
        except making.NameTakenError as error:
            raise refusal("Named metric already exists", detail=name) from error
        return made


def _uuid(text: str, name: str) -> Any:
    found = parse_uuid(text)
    if found is None:
        raise refusal("Argument value error", detail=name, reason="Must be a UUID")
    return found


class OneMetric(MetricView):
    """By its id, or by its resource and name."""

    def metric(self, **at: str) -> Metric:
        """Raises 404."""
        return metric_by_id(at["metric_id"])

    def get(self, request: Request, **at: str) -> HttpResponse:
        metric = self.metric(**at)
        require("get metric", self.caller, target_of(metric))
        return self.answer(metric_json(metric))

    def delete(self, request: Request, **at: str) -> HttpResponse:
        metric = self.metric(**at)
        require("delete metric", self.caller, target_of(metric))
        delete_metrics([metric.pk])
        return self.no_content()


class Measures(OneMetric):
    http_method_names = ["get", "head", "post"]

    def get(self, request: Request, **at: str) -> HttpResponse:
        metric = self.metric(**at)
        require("get measures", self.caller, target_of(metric))
        self.params.flag("refresh")  # measures are visible once they are acknowledged
        parts = reading.measures(Readable.of(metric), self.params, self.tally)
        return self.answer_text(measures_text(parts))

    def post(self, request: Request, **at: str) -> HttpResponse:
        metric = self.metric(**at)
        require("post measures", self.caller, target_of(metric))
        columns = decode(self.raw_body())
        store(Batch([Measured.of(metric)], [len(columns.values)], columns))
        return self.accepted()
