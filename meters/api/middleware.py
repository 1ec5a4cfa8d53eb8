"""What holds for every answer under /api/, also those that no view made."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers

from meters.api import errors

PREFIX = "/api/"


def api_answers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Errors in JSON, the request's id in a header, and no cache mixes two callers (S49)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if not request.path.startswith(PREFIX):
            return response
        if response.status_code >= 400 and not _is_json(response):
            response = _as_json(response)
        patch_vary_headers(response, ["Authorization", "X-Auth-Token", "Cookie"])
        response["X-Openstack-Request-Id"] = errors.request_id()
        return response

    return middleware


def _is_json(response: HttpResponse) -> bool:
    return response.get("Content-Type", "").startswith("application/json")


def _as_json(response: HttpResponse) -> HttpResponse:
    """Django's own page (unknown URL, wrong host, bug) in this door's shape."""
    status = response.status_code
    detail = errors.DETAILS.get(status, response.reason_phrase)
    code = errors.CODES.get(status, "error")
    return JsonResponse(errors.body(status, code, detail, []), status=status)
