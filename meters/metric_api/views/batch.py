"""``/v1/batch``: measures of many metrics in one request, all or nothing."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api.base import MetricView
from meters.metric_api.errors import bad_request
from meters.metric_api.finding import measured, parse_uuid, require
from meters.metric_api.measures import decode_by_metric, decode_by_resource, invalid_input
from meters.metric_api.posting import Post, store, store_by_name


class MetricsMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        posted = decode_by_metric(self.raw_body())
        ids = {key: parse_uuid(key) for key in posted}
        for key, identity in ids.items():
            if identity is None:
                raise invalid_input("badly formed hexadecimal UUID string", (key,), of_value=False)
        rows = measured(Q(uuid__any={identity for identity in ids.values() if identity}))
        found = {metric.uuid: metric for metric in rows}
        unknown = sorted(str(identity) for identity in ids.values() if identity not in found)
        if unknown:
            raise bad_request(f"Unknown metrics: {', '.join(unknown)}")
        for metric in found.values():
            require("post measures", self.caller, metric.target)
        store([Post(found[ids[key]], columns) for key, columns in posted.items()])  # type: ignore[index]
        return self.accepted()


class ResourcesMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        creates = self.params.flag("create_metrics")
        store_by_name(self.caller, decode_by_resource(self.raw_body()), creates)
        return self.accepted()
