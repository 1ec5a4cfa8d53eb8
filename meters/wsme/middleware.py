"""What holds for every request to these doors and every answer, also those that no view made."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from meters.api.errors import request_id
from meters.metric_api import cors
from meters.wsme.errors import Fault, FaultResponse
from telemetry_site.doors import tidy, wsme_prefix


def wsme_doors(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Paths without empty parts, errors in these doors' form, and no cache mixes two callers."""

    def middleware(request: HttpRequest) -> HttpResponse:
        prefix = wsme_prefix(request)
        if prefix is None:
            return get_response(request)
        request.path_info = tidy(request.path_info, prefix)
        response = cors.preflight(request) or get_response(request)
        if response.status_code >= 400 and not isinstance(response, FaultResponse):
            response = FaultResponse(Fault(response.status_code))
        cors.add_headers(request, response)
        patch_vary_headers(response, ["Accept", "Authorization", "X-Auth-Token"])
        response["X-Openstack-Request-Id"] = request_id()
        return response

    return middleware
