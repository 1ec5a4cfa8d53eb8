"""What these doors say to everybody: versions, health, what they can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.request import Request

from meters.wsme.errors import Fault
from meters.wsme.view import WsmeView
from telemetry_site.health import readiness

MEDIA = "application/vnd.openstack.telemetry-v2"


class OpenView(WsmeView):
    """A view that says the same to everybody."""

    authentication_classes = []
    parameters = None


class VersionView(OpenView):
    """`root_url` gives the door's address, without a slash at the end."""

    def root_url(self, request: HttpRequest) -> str:
        raise NotImplementedError

    def get(self, request: Request) -> HttpResponse:
        own = f"{self.root_url(request)}/v2"
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
    #: What is said where no JSON is wanted.
    word = ""

    def reason(self) -> str:
        """Why this door's service is not what it should be; "" if it is."""
        return readiness.reason()

    def get(self, request: Request) -> HttpResponse:
        reason = self.reason()
        if reason:
            raise Fault(503, reason)
        if "application/json" in request.META.get("HTTP_ACCEPT", ""):
            return self.answer({"detailed": False, "reasons": []})
        return HttpResponse(self.word, content_type="text/plain; charset=UTF-8")


class CapabilitiesView(OpenView):
    capabilities: Mapping[str, Any]

    def get(self, request: Request) -> HttpResponse:
        return self.answer(self.capabilities)


class NoSuchPath(OpenView):
    """Every path that is nothing else's, for every method."""

    http_method_names = [*WsmeView.http_method_names, "patch", "options", "trace"]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise Http404
