"""How long the web process takes to answer (reliability.md 6.1, level S-5)."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

from telemetry_site.buckets import LATENCY_BUCKETS

DURATION = Histogram(
    "telemetry_http_request_duration_seconds",
    "From the request to the answer, streams to their beginning.",
    ["door", "route", "method", "status_class"],
    buckets=LATENCY_BUCKETS,
)
DOORS = {
    "api": "api",
    settings.TELEMETRY_METRIC_API_PREFIX.split("/")[0]: "metric-api",
    settings.TELEMETRY_ALARMING_API_PREFIX.split("/")[0]: "alarming-api",
    settings.TELEMETRY_METERING_API_PREFIX.split("/")[0]: "metering-api",
    settings.TELEMETRY_EVENT_API_PREFIX.split("/")[0]: "event-api",
    "admin": "admin",
    "-": "operations",
    "metrics": "operations",
}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


def measure(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        response = get_response(request)
        DURATION.labels(*_labels(request, response.status_code)).observe(time.monotonic() - began)
        return response

    return middleware


def _labels(request: HttpRequest, status: int) -> tuple[str, str, str, str]:
    """Door, route, method and class of the status: closed lists, whatever is asked for."""
    match = request.resolver_match
    route = match.route if match else "other"
    method = request.method if request.method in METHODS else "other"
    return DOORS.get(route.split("/")[0], "ui"), route, str(method), f"{status // 100}xx"
