"""Absolute URLs in answers, as the client sees this door."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest

_HOST = re.compile(r"[\w.-]+(:\d+)?|\[[0-9a-f:.]+\](:\d+)?", re.ASCII | re.IGNORECASE)


class Origin(NamedTuple):
    """Where requests come in: None is "as the request itself says"."""

    scheme: str | None = None
    host: str | None = None


def site_url(request: HttpRequest) -> str:
    """Scheme, host and what a proxy cuts off before the path."""
    origin = _forwarded(request) if settings.TELEMETRY_PROXY_HEADERS else Origin()
    scheme = origin.scheme or request.scheme
    return f"{scheme}://{origin.host or request.get_host()}{_outer_prefix(request)}"


def root_url(request: HttpRequest) -> str:
    """The door's address, without a slash at the end."""
    return f"{site_url(request)}/{settings.TELEMETRY_METRIC_API_PREFIX}"


def url_of(request: HttpRequest, *parts: str) -> str:
    """An address under ``/v1``; the parts may hold any characters."""
    return "/".join([root_url(request), "v1", *(quote(part, safe="") for part in parts)])


def request_url(request: HttpRequest) -> str:
    """The request's own address without its query."""
    return site_url(request) + quote(request.path)


def _outer_prefix(request: HttpRequest) -> str:
    if not settings.TELEMETRY_PROXY_HEADERS:
        return ""
    prefix = _first(request, "X-Forwarded-Prefix").strip("/")
    return f"/{quote(prefix)}" if prefix else ""


def _forwarded(request: HttpRequest) -> Origin:
    """What the first proxy says; the standard header wins over the older ones."""
    pairs = [pair.partition("=") for pair in _first(request, "Forwarded").split(";")]
    named = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    if "Forwarded" in request.headers:
        return _origin(named.get("proto", ""), named.get("host", ""))
    return _origin(_first(request, "X-Forwarded-Proto"), _first(request, "X-Forwarded-Host"))


def _origin(scheme: str, host: str) -> Origin:
    """Without what can be no scheme or host."""
    known = scheme.lower() if scheme.lower() in ("http", "https") else None
    return Origin(known, host if _HOST.fullmatch(host) else None)


def _first(request: HttpRequest, header: str) -> str:
    """The element of a header's list that the outermost proxy wrote."""
    return request.headers.get(header, "").split(",")[0].strip()
