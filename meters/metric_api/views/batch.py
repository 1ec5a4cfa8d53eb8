"""``/v1/batch``: measures of many metrics in one request, all or nothing."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from rest_framework.request import Request

from meters.metric_api.base import MetricView
from meters.metric_api.errors import bad_request
from meters.metric_api.finding import measured_by_id, parse_uuid, require_posting
from meters.metric_api.measures import decode_by_metric, decode_by_resource, invalid_input
from meters.metric_api.posting import store, store_by_name


class MetricsMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        posted = decode_by_metric(self.raw_body())
        ids = [_identity(key) for key in posted.keys]
        found = {metric.uuid: metric for metric in measured_by_id(set(ids))}
        if unknown := sorted(str(identity) for identity in ids if identity not in found):
            raise bad_request(f"Unknown metrics: {', '.join(unknown)}")
        require_posting(self.caller, found.values())
        store(posted.under([found[identity] for identity in ids]))
        return self.accepted()


def _identity(key: str) -> UUID:
    identity = parse_uuid(key)
    if identity is None:
        raise invalid_input("badly formed hexadecimal UUID string", (key,), of_value=False)
    return identity


class ResourcesMeasures(MetricView):
    http_method_names = ["post"]

    def post(self, request: Request) -> HttpResponse:
        self.caller  # noqa: B018 - raises 401
        creates = self.params.flag("create_metrics")
        store_by_name(self.caller, decode_by_resource(self.raw_body()), creates)
        return self.accepted()
