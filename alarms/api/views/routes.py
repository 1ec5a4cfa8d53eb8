"""Routes by the native door."""

from __future__ import annotations

from typing import Any

import structlog
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from alarms.api import telling
from alarms.api.base import AlarmingView, may_edit
from alarms.api.filters import RouteFilters
from alarms.api.views.alarms import asked_project, fields_of
from alarms.models import Route
from alarms.telling import routes
from meters.api.base import DetailView, ListView
from meters.api.projects import project_to_write

log = structlog.get_logger(__name__)


class RouteView(AlarmingView):
    serializer_class = telling.RouteSerializer

    def get_queryset(self) -> QuerySet[Route]:
        found: QuerySet[Route] = Route.objects.scope(self.principal)
        return found

    def get_serializer_context(self) -> dict[str, Any]:
        more = {"may_see": lambda route: may_edit(self.principal, route.project_id)}
        return {**super().get_serializer_context(), **more}


class RouteList(RouteView, ListView):
    """Routes of the caller's projects, in the order in which they take alarms."""

    filterset_class = RouteFilters
    orderings = {
        "position": ("position", "created_at", "id"),
        "-position": ("-position", "-created_at", "-id"),
    }

    @extend_schema(
        operation_id="routes_create",
        request=telling.NewRouteSerializer,
        responses={201: telling.RouteSerializer},
    )
    def post(self, request: Request) -> Response:
        """Make one. It counts for what alarms have to say from now on."""
        given = fields_of(request.data)
        owner = project_to_write(self.principal, asked_project(given)) or None
        asked = routes.check(given, owner, self.principal.is_admin)
        made = routes.create(asked, owner, self.principal.user_id)
        log.info("route made", route=str(made.pk), by=self.principal.name)
        address = request.build_absolute_uri(reverse("alarms-api:route", args=[made.pk]))
        return self.answer(made, 201, headers={"Location": address})


class RouteDetail(RouteView, DetailView):
    """One route."""

    @extend_schema(operation_id="routes_replace", request=telling.NewRouteSerializer)
    def put(self, request: Request, uuid: Any) -> Response:
        """Replace it: a field that is not given gets its default. What waits is gathered anew."""
        one: Route = self.get_object()
        self.check_edit(one)
        asked = routes.check(fields_of(request.data), one.project_id, self.principal.is_admin)
        log.info("route changed", route=str(one.pk), by=self.principal.name)
        return self.answer(routes.change(one, asked, self.principal.user_id))

    @extend_schema(operation_id="routes_delete", responses={204: None})
    def delete(self, request: Request, uuid: Any) -> Response:
        """Delete it: what waits goes to the next one that takes it."""
        one: Route = self.get_object()
        self.check_edit(one)
        log.info("route deleted", route=str(one.pk), by=self.principal.name)
        routes.delete(one)
        return Response(status=204)
