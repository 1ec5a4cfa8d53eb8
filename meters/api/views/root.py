"""The door's first page, the OpenAPI schema and Swagger UI."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from meters.api import serializers
from meters.api.base import ApiView
from meters.api.errors import DETAILS
from telemetry_site.auth.permissions import Access

LISTED = (
    "resources", "metrics", "meters", "samples", "statistics", "events", "event-types", "sources",
    "quarantine", "alarms", "alarm-history", "notifications", "why", "status", "tokens",
    "schema", "docs",
)  # fmt: skip


class OpenIfSet(Access):
    """Signed in people, or everybody with the setting TELEMETRY_OPEN_SCHEMA (NA8)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return settings.TELEMETRY_OPEN_SCHEMA or super().has_permission(request, view)


class Root(ApiView):
    """Versions and links. Tells nothing but addresses, so anybody may ask."""

    permission_classes = [AllowAny]
    serializer_class = serializers.RootSerializer

    @extend_schema(operation_id="root", auth=[])
    def get(self, request: Request) -> Response:
        here = request.build_absolute_uri(reverse("api:root"))
        links = {name: f"{here}{name}" for name in LISTED}
        version = {"id": "v1", "status": "CURRENT", "links": [{"rel": "self", "href": here}]}
        return Response({"name": "telemetry", "versions": [version], "links": links})


class Schema(SpectacularAPIView):
    """OpenAPI 3.1 of this door."""

    permission_classes = [OpenIfSet]


class Docs(SpectacularSwaggerSplitView):
    """Swagger UI from this server's own files: no CDN, no inline script or style."""

    permission_classes = [OpenIfSet]
    template_name = "api/docs.html"


class NoSuchPage(ApiView):
    """Any other address below /api/: 401 for strangers, else 404, for whatever method."""

    permission_classes = [Access]

    @extend_schema(exclude=True)
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super(ApiView, self).initial(request, *args, **kwargs)
        raise NotFound(DETAILS[404])
