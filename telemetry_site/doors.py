"""Which requests come from programs that speak another project's API."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def is_metric_api(request: HttpRequest) -> bool:
    return is_under(request, settings.TELEMETRY_METRIC_API_PREFIX)


def wsme_prefix(request: HttpRequest) -> str | None:
    """The prefix of the door (`meters.wsme`) that is asked: the alarming, metering or event API."""
    prefixes = (
        settings.TELEMETRY_ALARMING_API_PREFIX,
        settings.TELEMETRY_METERING_API_PREFIX,
        settings.TELEMETRY_EVENT_API_PREFIX,
    )
    return next((prefix for prefix in prefixes if is_under(request, prefix)), None)


def is_foreign(request: HttpRequest) -> bool:
    """One of those."""
    return is_metric_api(request) or wsme_prefix(request) is not None


def is_under(request: HttpRequest, prefix: str) -> bool:
    return request.path_info == f"/{prefix}" or request.path_info.startswith(f"/{prefix}/")


def tidy(path: str, prefix: str) -> str:
    """Without empty parts: ``/metric//v1/archive_policy//low/`` →
    ``/metric/v1/archive_policy/low``"""
    start = f"/{prefix}/"
    return start + "/".join(part for part in path[len(start) :].split("/") if part)
