"""The door itself: versions, health, what it can do."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpResponse
from rest_framework.request import Request

from alarms.alarming_api.base import AlarmingView, root_url
from alarms.alarming_api.errors import Fault
from telemetry_site.health import readiness

MEDIA = "application/vnd.openstack.telemetry-v2"
CAPABILITIES = {
    "api": {
        "alarms:history:query:complex": True,
        "alarms:history:query:simple": True,
        "alarms:query:complex": True,
        "alarms:query:simple": True,
    },
    "alarm_storage": {"storage:production_ready": True},
}


class OpenView(AlarmingView):
    """A view that says the same to everybody."""

    authentication_classes = []
    parameters = None


class Root(OpenView):
    def get(self, request: Request) -> HttpResponse:
        own = f"{root_url(request)}/v2"
        docs = {
            "href": "https://docs.openstack.org/", "rel": "describedby", "type": "text/html",
        }  # fmt: skip
        version = {
            "id": "v2",
            "status": "stable",
            "updated": "2013-02-13T00:00:00Z",
            "links": [{"href": own, "rel": "self"}, docs],
            "media-types": [
                {"base": f"application/{kind}", "type": f"{MEDIA}+{kind}"}
                for kind in ("json", "xml")
            ],
        }
        return self.answer({"versions": {"values": [version]}})


class Health(OpenView):
    produces = ""

    def get(self, request: Request) -> HttpResponse:
        reason = readiness.reason()
        if reason:
            raise Fault(503, reason)
        if "application/json" in request.META.get("HTTP_ACCEPT", ""):
            return self.answer({"detailed": False, "reasons": []})
        return HttpResponse(content_type="text/plain; charset=UTF-8")


class Capabilities(OpenView):
    def get(self, request: Request) -> HttpResponse:
        return self.answer(CAPABILITIES)


class NoSuchPath(OpenView):
    """Every path that is nothing else's, for every method."""

    http_method_names = [*AlarmingView.http_method_names, "patch", "options", "trace"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
