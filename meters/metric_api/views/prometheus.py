"""``/v1/prometheus/write``: what Prometheus and its relatives forward."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api import resource_types, resources
from meters.metric_api.base import MetricView
from meters.metric_api.errors import refusal
from meters.metric_api.finding import require
from meters.metric_api.measures import Batch, Wanted
from meters.metric_api.posting import store_by_name
from meters.metric_api.remotewrite import RemoteWriteError, Written, decode
from meters.models import ResourceType
from meters.series_names import series_name

TYPE = "prometheus"
_ATTRIBUTE = {"type": "string", "min_length": 1, "max_length": 512, "required": True}
#: What stands for a label that a series lacks.
NONE = "none"


class Write(MetricView):
    produces = "text/plain"
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        caller = self.caller
        require("create resource", caller)
        try:
            written = decode(self.any_body("snappy"))
        except RemoteWriteError as error:
            raise refusal("Value error", detail="body", reason=str(error)) from error
        posted, attributes = _posted(written)
        with transaction.atomic():
            resources.ensure(caller, self._kind(), attributes)
            store_by_name(caller, posted, creates=True)
        return self.accepted()

    def _kind(self) -> ResourceType:
        found: ResourceType | None = ResourceType.objects.filter(name=TYPE).first()
        if found is None:
            require("create resource type", self.caller)
            found = resource_types.create(TYPE, {"job": _ATTRIBUTE, "instance": _ATTRIBUTE})
        return found


def _posted(written: Written) -> tuple[Batch[Wanted], dict[str, dict[str, str]]]:
    """What is to be stored, and the attributes of the resources by their ids.

    A resource is a scraped target; a metric is named by the series' name and its other labels.
    """
    attributes: dict[str, dict[str, str]] = {}
    keys = []
    for labels in written.keys:
        others = dict(labels)
        target = {key: others.pop(key, "") or NONE for key in ("job", "instance")}
        resource = f"{target['job']}@{target['instance']}".replace("/", "_")
        attributes[resource] = target
        keys.append(Wanted(resource, _metric_name(others)))
    return written.under(keys), attributes


def _metric_name(labels: dict[str, str]) -> str:
    """Another one for each series of a target."""
    name = labels.pop("__name__", NONE)
    return series_name(name, {} if settings.TELEMETRY_PROMETHEUS_FOLD_LABELS else labels)
