"""Routes: alarms with the action ``route://`` are told together. aodh has none."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from alarms.alarming_api import paging, rows
from alarms.alarming_api.base import AlarmingView, root_url
from alarms.api import telling
from alarms.models import Route
from alarms.telling import routes
from meters.wsme.errors import Fault

NO_ROUTE = "Route ID not found"


class RouteView(AlarmingView):
    def shown(self, found: Any, many: bool = False) -> Any:
        """Actions whole only for who may change them."""
        context = {"may_see": lambda route: self.may_write}
        return telling.RouteSerializer(found, many=many, context=context).data

    def visible_route(self, route_id: str) -> Route:
        found: Route | None = self.visible_row(Route.objects.all(), route_id)
        if found is None:
            raise Fault(404, NO_ROUTE)
        return found


class Routes(RouteView):
    parameters = paging.NAMES

    def get(self, request: Request) -> HttpResponse:
        """In the order in which they take alarms."""
        self.require(self.may_read)
        listed = paging.page(Route.objects.filter(self.visible), request.GET, rows.ROUTES)
        return self.answer(self.shown(listed, many=True))

    def post(self, request: Request) -> HttpResponse:
        self.require(self.may_write)
        asked = routes.check(self.object_body("body"), self.own_project, self.caller.is_admin)
        made = routes.create(asked, self.own_project, self.caller.user_id)
        return self.created(self.shown(made), f"{root_url(request)}/v2/routes/{made.pk}")


class OneRoute(RouteView):
    def get(self, request: Request, route_id: str) -> HttpResponse:
        route = self.visible_route(route_id)
        self.require(self.may_read)
        return self.answer(self.shown(route))

    def put(self, request: Request, route_id: str) -> HttpResponse:
        """The whole route: what is absent gets its default."""
        route = self.visible_route(route_id)
        self.require(self.may_write)
        asked = routes.check(self.object_body("body"), route.project_id, self.caller.is_admin)
        try:
            changed = routes.change(route, asked, self.caller.user_id)
        except Route.DoesNotExist as error:
            raise Fault(404, NO_ROUTE) from error
        return self.answer(self.shown(changed))

    def delete(self, request: Request, route_id: str) -> HttpResponse:
        route = self.visible_route(route_id)
        self.require(self.may_write)
        routes.delete(route)
        return self.no_content()
