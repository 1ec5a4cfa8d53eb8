"""Which requests come from programs that speak another project's API."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def is_metric_api(request: HttpRequest) -> bool:
    return is_under(request, settings.TELEMETRY_METRIC_API_PREFIX)


def is_alarming_api(request: HttpRequest) -> bool:
    return is_under(request, settings.TELEMETRY_ALARMING_API_PREFIX)


def is_foreign(request: HttpRequest) -> bool:
    """One of those."""
    return is_metric_api(request) or is_alarming_api(request)


def is_under(request: HttpRequest, prefix: str) -> bool:
    return request.path_info == f"/{prefix}" or request.path_info.startswith(f"/{prefix}/")


def tidy(path: str, prefix: str) -> str:
    """Without empty parts: ``/metric//v1/archive_policy//low/`` →
    ``/metric/v1/archive_policy/low``"""
    start = f"/{prefix}/"
    return start + "/".join(part for part in path[len(start) :].split("/") if part)
