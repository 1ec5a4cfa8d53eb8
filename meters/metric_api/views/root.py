"""The door itself: versions, health, what it can do, how far behind it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpResponse
from rest_framework.request import Request

from meters.aggregation import every_method
from meters.metric_api import addresses
from meters.metric_api.base import MetricView
from meters.metric_api.errors import ApiError
from meters.metric_api.finding import require
from telemetry_site.auth.principal import Scope
from telemetry_site.health import readiness

#: The release of the reference whose features clients may count on; they compare it as numbers.
BUILD = "4.7.1"
#: In the reference's order.
COLLECTIONS = (
    "aggregates", "aggregation", "archive_policy", "archive_policy_rule", "batch", "capabilities",
    "influxdb", "metric", "resource", "resource_type", "search", "status",
)  # fmt: skip


class OpenView(MetricView):
    """A view that says the same to everybody."""

    authentication_classes = []


class Root(OpenView):
    def get(self, request: Request) -> HttpResponse:
        version = {
            "status": "CURRENT",
            "links": [{"rel": "self", "href": f"{addresses.root_url(request)}/v1/"}],
            "id": "v1.0",
            "updated": "2015-03-19",
        }
        return self.answer({"build": BUILD, "versions": [version]})


class Version(OpenView):
    """``/v1/``. Without the slash it only says where that is."""

    def get(self, request: Request) -> HttpResponse:
        if not request.path.endswith("/"):
            return self._moved(request)
        links = [{"rel": "self", "href": f"{addresses.root_url(request)}/v1"}]
        links += [{"rel": name, "href": self.url(name)} for name in COLLECTIONS]
        return self.answer({"version": "1.0", "links": links})

    def _moved(self, request: Request) -> HttpResponse:
        response = self.answer({"code": 302, "title": "Found", "description": None}, 302)
        response["Location"] = f"{addresses.root_url(request)}/v1/"
        return response


class Health(OpenView):
    produces = ""

    def get(self, request: Request) -> HttpResponse:
        reason = readiness.reason()
        if reason:
            raise ApiError(503, reason)
        return HttpResponse(content_type="text/plain; charset=UTF-8")


class Capabilities(OpenView):
    def get(self, request: Request) -> HttpResponse:
        return self.answer({"aggregation_methods": every_method()})


class Status(MetricView):
    """Measures are stored before they are acknowledged, so none ever waits to be processed."""

    scopes: Mapping[str, Scope] = {"GET": "admin", "HEAD": "admin"}

    def get(self, request: Request) -> HttpResponse:
        require("get status", self.caller)
        storage: dict[str, Any] = {"summary": {"metrics": 0, "measures": 0}}
        if self.params.flag("details", default=True):
            storage["measures_to_process"] = {}
        return self.answer({"storage": storage, "metricd": {"processors": [], "statistics": {}}})


class NoSuchPath(OpenView):
    """Every path that is nothing else's, for every method."""

    http_method_names = [*MetricView.http_method_names, "put", "options", "trace"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
