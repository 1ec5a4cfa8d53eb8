"""Conditional requests on one resource: its `ETag` and `Last-Modified` (metric-api.md 13.6)."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from django.http import HttpResponse
from django.utils.http import http_date
from rest_framework.request import Request

from meters.metric_api.errors import ApiError
from meters.metric_api.times import text_of
from meters.models import Resource

_READING = ("GET", "HEAD")


def etag(resource: Resource) -> str:
    content = f"{resource.uuid}{text_of(resource.revision_start)}"
    return hashlib.sha1(content.encode(), usedforsecurity=False).hexdigest()


def stamp(response: HttpResponse, resource: Resource) -> HttpResponse:
    response["ETag"] = f'"{etag(resource)}"'
    response["Last-Modified"] = http_date(resource.revision_start.timestamp())
    return response


class NotModified(ApiError):
    """304: the caller has what is there."""

    def __init__(self) -> None:
        super().__init__(304, None)


def check(request: Request, resource: Resource) -> None:
    """Raises 412, or 304 where the caller reads."""
    if not _still_matches(request, resource):
        raise ApiError(412)
    if _is_known(request, resource):
        raise NotModified if request.method in _READING else ApiError(412)


def _still_matches(request: Request, resource: Resource) -> bool:
    tags = request.META.get("HTTP_IF_MATCH")
    if tags is not None:
        return _names(tags, resource)
    since = _moment(request.META.get("HTTP_IF_UNMODIFIED_SINCE"))
    return since is None or since >= _to_the_second(resource)


def _is_known(request: Request, resource: Resource) -> bool:
    tags = request.META.get("HTTP_IF_NONE_MATCH")
    if tags is not None:
        return _names(tags, resource)
    since = _moment(request.META.get("HTTP_IF_MODIFIED_SINCE"))
    return request.method in _READING and since is not None and since >= _to_the_second(resource)


def _names(tags: str, resource: Resource) -> bool:
    named = {tag.strip().removeprefix("W/").strip('"') for tag in tags.split(",")}
    return "*" in named or etag(resource) in named


def _to_the_second(resource: Resource) -> datetime:
    return resource.revision_start.replace(microsecond=0)


def _moment(text: str | None) -> datetime | None:
    """None of what is no date: the header is ignored then, as HTTP wants it."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
