"""A door with nothing behind it: says who called. For tests of the ways in."""

from __future__ import annotations

from typing import Any

from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from telemetry_site.auth.caller import caller_of
from telemetry_site.auth.openstack import WAYS_IN
from telemetry_site.urls import *  # noqa: F403 - login and error pages

URLS = "tests.support.who"


class WhoView(APIView):
    """Anonymous is an answer too, so that a test can tell it from a refusal."""

    authentication_classes = WAYS_IN
    permission_classes = [AllowAny]

    def get(self, request: Request) -> Response:
        caller = caller_of(request)
        if caller is None:
            return Response({"anonymous": True})
        return Response(
            {
                "user_id": caller.user_id,
                "project_id": caller.project_id,
                "domain_id": caller.domain_id,
                "roles": sorted(caller.roles),
                "creator": caller.creator,
                "tenant_filtered": caller.tenant_filtered,
                "scopes": sorted(caller.scopes),
            }
        )

    post = get


urlpatterns: list[Any] = [*urlpatterns, path("who", WhoView.as_view())]  # noqa: F405
