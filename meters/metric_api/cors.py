"""Pages of other sites that may call this door from a browser (TELEMETRY_CORS_ORIGINS)."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
#: What a browser lets through without asking, then what clients of this door send.
HEADERS = (
    "Accept", "Accept-Language", "Cache-Control", "Content-Language", "Content-Type", "Pragma",
    "Authorization", "X-Auth-Token", "X-Subject-Token", "X-User-Id", "X-Domain-Id",
    "X-Project-Id", "X-Roles", "If-Match", "If-None-Match", "If-Modified-Since",
    "If-Unmodified-Since",
)  # fmt: skip
EXPOSED = (
    "ETag", "Last-Modified", "Link", "Location", "X-Request-Id", "X-Openstack-Request-Id",
    "X-Truncated", "X-Statistics-Source",
)  # fmt: skip
_FOLDED = frozenset(name.lower() for name in HEADERS)


def preflight(request: HttpRequest) -> HttpResponse | None:
    """The answer to a browser's question before the request itself; None where it is none.

    A refusal is an answer without the headers that allow.
    """
    if request.method != "OPTIONS":
        return None
    method = request.headers.get("Access-Control-Request-Method")
    if method is None or "Origin" not in request.headers:
        return None
    answer = HttpResponse(content_type="text/plain; charset=UTF-8")
    asked = request.headers.get("Access-Control-Request-Headers", "")
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if is_allowed(request) and method in METHODS and _FOLDED.issuperset(map(str.lower, names)):
        answer["Access-Control-Allow-Methods"] = method
        if names:
            answer["Access-Control-Allow-Headers"] = ", ".join(names)
    return answer


def is_allowed(request: HttpRequest) -> bool:
    return request.headers.get("Origin") in settings.TELEMETRY_CORS_ORIGINS


def add_headers(request: HttpRequest, response: HttpResponse) -> None:
    """Let a page of an allowed origin read this answer."""
    if not settings.TELEMETRY_CORS_ORIGINS:
        return
    patch_vary_headers(response, ["Origin"])
    if is_allowed(request):
        response["Access-Control-Allow-Origin"] = request.headers["Origin"]
        response["Access-Control-Expose-Headers"] = ", ".join(EXPOSED)
