"""What the views of ceilometer's and panko's doors share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpResponse, QueryDict

from meters.metric_api import addresses
from meters.wsme.arguments import normal
from meters.wsme.errors import Fault, bad, cut, invalid
from meters.wsme.view import WsmeView
from telemetry_site.auth.principal import Scope

#: A query in a body may be so long that it is no address; clients refuse longer lines of a header.
LONGEST_LINK = 8_000


class ClassicView(WsmeView):
    """Reads; `limit` cuts its lists, and the answer says so."""

    http_method_names = ["get", "post"]
    scopes: Mapping[str, Scope] = {"GET": "read", "POST": "read"}

    @cached_property
    def _arguments(self) -> QueryDict:
        is_get = self.request.method == "GET"
        body = self.json_body("body") if is_get and self.has_body else None
        return normal(self.request.GET, body)

    def arguments(self) -> QueryDict:
        return self._arguments

    def whole_number(self, name: str) -> int | None:
        """Raises `Fault`."""
        text = self.arguments().get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            words = f"unable to convert to int. Error: {cut(str(error))}"
            raise invalid(name, text, words) from error

    def limit(self) -> int:
        asked = self.whole_number("limit")
        if asked is not None and asked <= 0:
            raise bad("Limit must be positive")
        return bounded(asked)

    @property
    def visible_project(self) -> str | None:
        """The only one that may be seen; None: every one. Raises 403 for who acts for none: there
        are services, and believed names, without a project."""
        if self.caller.is_admin:
            return None
        self.require(bool(self.caller.project_id))
        return self.caller.project_id

    def cut_list(self, items: Sequence[Any], marker: str | None) -> HttpResponse:
        """`marker` is the last item's where there is more: the answer says that, and where."""
        response = self.answer(items)
        if marker is not None:
            query = [
                (name, text)
                for name, texts in self.arguments().lists()
                for text in texts
                if name != "marker"
            ]
            address = addresses.request_url(self.request._request)
            following = urlencode([*query, ("marker", marker)])
            link = f'<{address}?{following}>; rel="next"'
            if len(link) <= LONGEST_LINK:
                response["Link"] = link
        return mark_cut(response, marker is not None)


def mark_cut(response: HttpResponse, is_cut: bool) -> HttpResponse:
    if is_cut:
        response["X-Truncated"] = "true"
    return response


def bounded(limit: int | None) -> int:
    """The limit, within what one answer may hold."""
    most: int = settings.TELEMETRY_CLASSIC_MAX_LIMIT
    asked: int = settings.TELEMETRY_CLASSIC_DEFAULT_LIMIT if limit is None else limit
    return min(asked, most)


def unknown_marker(marker: str) -> Fault:
    return bad(f"Marker {cut(marker)} not found.")
