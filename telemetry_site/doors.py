"""Which requests come from programs that speak another project's API."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest


def is_metric_api(request: HttpRequest) -> bool:
    prefix = f"/{settings.TELEMETRY_METRIC_API_PREFIX}"
    return request.path_info == prefix or request.path_info.startswith(f"{prefix}/")
